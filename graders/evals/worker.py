"""A process that runs one run of an eval for a server, and is gone with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graders.evals.run import fail_run, run_eval
from graders.evals.store import EvalStore
from graders.jobs import Store
from graders.jobs.worker import work

__all__ = ["main"]


def main() -> None:
    """Run the run that the arguments name."""
    work(_run, _fail)


def _run(
    store: Store, name: str, options: Any, /, *, stopping: Callable[[], bool], claimed: int | None
) -> None:
    run_eval(EvalStore(store), name, options, stopping=stopping, claimed=claimed)


def _fail(store: Store, name: str, code: str, message: str, /) -> None:
    fail_run(EvalStore(store), name, code, message)


if __name__ == "__main__":
    main()
