"""What the commands of `graders evals` share: the store, ids, options of a run, progress."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from graders.cli.judge import judge_options
from graders.cli.option import python_options, reading_options, rollout_options
from graders.cli.output import say
from graders.errors import OptionError, nearest
from graders.report.terminal import write_view

if TYPE_CHECKING:
    from graders.evals.run import EvalProgress
    from graders.evals.store import EvalStore

__all__ = ["found", "nearest_id", "opened", "run_named", "run_options", "show", "told"]

Function = TypeVar("Function", bound=Callable[..., Any])


def run_options(function: Function) -> Function:
    """Add how a run is run; the command gets them as one `options` argument."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        from graders.jobs import RunOptions  # noqa: PLC0415  (SQLite, the linter)

        said = {name: kwargs.pop(name) for name in ("rollout", "python", "judge", "reading")}
        return function(*args, options=RunOptions(**said), **kwargs)

    for add in (judge_options, python_options, reading_options, rollout_options):
        wrapped = add(wrapped)
    return wrapped  # type: ignore[return-value]


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[EvalStore]:
    """Open the evals of a store."""
    from graders.evals.store import EvalStore  # noqa: PLC0415  (SQLite)
    from graders.jobs import Store  # noqa: PLC0415

    with Store(folder) as store:
        if store.warning is not None:
            say(f"warning: {store.warning}")
        yield EvalStore(store)


def found(kept: EvalStore, name: str) -> tuple[str, str | None]:
    """Return the eval that an id names, and the run of it, None where it names the eval itself.

    Raises:
        OptionError: there is neither of that id.
    """
    from graders.jobs import ApiError  # noqa: PLC0415

    with contextlib.suppress(ApiError):
        return str(kept.get(name)["id"]), None
    with contextlib.suppress(ApiError):
        return kept.eval_of(name), name
    raise OptionError(f"no such eval or run: {name}{nearest_id(kept, name, 'eval', 'run')}")


def run_named(kept: EvalStore, name: str) -> tuple[str, str]:
    """Return the eval and the run that an id names; of an eval with one run, that run."""
    from graders.evals.look import every_run  # noqa: PLC0415

    of, run = found(kept, name)
    if run is None:
        runs = [one["id"] for one in every_run(kept, of)]
        if len(runs) != 1:
            which = f"one of {', '.join(runs[:5])}" if runs else "it has none"
            raise OptionError(f"{name} is an eval; a run is needed: {which}")
        run = str(runs[0])
    return of, run


def nearest_id(kept: EvalStore, name: str, *tables: Any) -> str:
    """Return a hint at the id that is meant."""
    from graders.evals.look import ids_of  # noqa: PLC0415

    near = nearest(name, [one for table in tables for one in ids_of(kept, table)])
    return f"; did you mean {near}?" if near else "; graders evals list shows what there is"


def show(view: Any) -> None:
    """Show something on standard output."""
    write_view(view, sys.stdout)


def told(now: EvalProgress) -> dict[str, Any]:
    """Return what the bar shows of a run."""
    done = f" · {now.done:,}/{now.total:,}" if now.total else ""
    text = now.status.replace("_", " ") + done
    return {"total": now.total or None, "completed": now.done, "description": text}
