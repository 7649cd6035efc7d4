"""`graders evals import`, `compare` and `export`: from the hosted API, against it, and out again."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from graders.cli.evals_store import found, opened, run_named, show, told
from graders.cli.help import Command, Flag
from graders.cli.judge import judge_options
from graders.cli.option import (
    brought,
    data_dir_option,
    json_option,
    python_options,
    reading_options,
)
from graders.cli.output import progress_bar, say, write_json
from graders.cli.usage import Somewhere
from graders.errors import OptionError, nearest_path
from graders.remote import Place

if TYPE_CHECKING:
    from graders.api import PythonOptions, Reading
    from graders.evals.compare import Comparison
    from graders.evals.store import EvalStore
    from graders.jobs import RunOptions
    from graders.models import JudgeOptions

__all__ = ["compare", "export", "import_", "report"]

_IMPORT = """\b
Examples:
  graders evals import export/
  graders evals import evals.json runs.jsonl output_items.json rows.jsonl
  graders evals import export.zip --replace
\b
Exit codes: 0 all of it is in the store, 1 something could not be read, 2 bad
usage."""

_COMPARE = """\b
Examples:
  graders evals compare evalrun_…
  graders evals compare export/ --base-url http://127.0.0.1:8080/v1
\b
Exit codes: 0 every criterion without a model is equal, 1 one of them differs,
2 bad usage."""


@click.command(
    name="import", epilog=_IMPORT, short_help="Bring along what the hosted API gave you."
)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=Somewhere())
@click.option("--replace", is_flag=True, help="Take the files' where the store's differs.")
@data_dir_option
@json_option
def import_(paths: Sequence[Place], *, replace: bool, data_dir: Path, as_json: bool) -> int:
    """Read evals, runs, output items and files of rows, and put them into the store.

    PATH is a file, a folder or a zip; what is in it is told by what it holds, not by its name. Ids
    and dates stay. What is in the store already stays as it is, so importing again changes nothing.
    """
    from graders.evals.incoming import bring  # noqa: PLC0415  (SQLite)
    from graders.evals.parcel import Parcel  # noqa: PLC0415
    from graders.evals.run import EvalProgress  # noqa: PLC0415
    from graders.report.evals import import_view  # noqa: PLC0415

    with ExitStack() as stack:
        parcel = stack.enter_context(Parcel.open(brought(paths, stack)))
        if not (parcel.found or parcel.items or parcel.data):
            for one in (*parcel.broken, *parcel.notes):
                say(one)
            raise OptionError("no eval, run, output item or row is in there")
        with opened(data_dir) as kept, progress_bar("starting", told) as on_progress:

            def count(done: int, total: int) -> None:
                if on_progress is not None and done % 100 == 0:
                    on_progress(EvalProgress("output items", done, total))

            done = bring(kept.store, parcel, replace=replace, on_item=count)
    if as_json:
        write_json(done.to_dict())
    else:
        show(import_view(done))
    return 1 if done.problems else 0


@click.command(
    cls=Command,
    first=("judges", "most", "data_dir", "base_url", "model_map", "offline", "sandbox", "as_json"),
    name="compare",
    epilog=_COMPARE,
    short_help="Grade a run's rows again: old against new.",
)
@click.argument("paths", metavar="RUN|PATH...", nargs=-1, required=True)
@click.option("--judges", is_flag=True, help="Ask models again, too.", cls=Flag, group="Checks")
@click.option("--rows", "most", type=click.IntRange(0, 1000), default=10, show_default=True,
              metavar="N", help="Show so many rows to read first.", cls=Flag, group="Results")  # fmt: skip
@data_dir_option
@json_option
@reading_options
@python_options
@judge_options
def compare(
    paths: Sequence[str], *, judges: bool, most: int, data_dir: Path, as_json: bool,
    reading: Reading, python: PythonOptions, judge: JudgeOptions,
) -> int:  # fmt: skip
    """Grade the rows of RUN again here, and show what of each criterion is equal.

    RUN is a run of the store, or an eval of it for all its runs; PATH is an export, which is read
    and not kept. Criteria that ask a model are compared with --judges, --base-url or --offline.
    """
    from graders.jobs import RunOptions  # noqa: PLC0415
    from graders.report.evals import comparison_view  # noqa: PLC0415

    options = RunOptions(python=python, judge=judge, reading=reading)
    faulty, every, lacks = False, list[Any](), list[str]()
    with _where(paths, data_dir) as kept:
        for of, run in _runs(kept, paths):
            done = _compared(kept, of, run, options, judges=judges, most=most)
            if done is None:
                lacks.append(
                    f"the criteria of {run} are not here: import the object of its eval {of} too"
                )
                continue
            faulty |= done.faulty
            if as_json:
                every.append({"eval_id": of, "run_id": run, **done.to_dict()})
            else:
                show(comparison_view(done, f"{run} of {of}"))
                every.append(run)
    if not every:
        raise OptionError(lacks[0] if lacks else "there is no run with output items to compare")
    for one in lacks:
        say(one)
    if as_json:
        write_json(every[0] if len(every) == 1 else {"object": "list", "data": every})
    return 1 if faulty else 0


@contextlib.contextmanager
def _where(paths: Sequence[str], data_dir: Path) -> Iterator[EvalStore]:
    """Open the store that has the runs: the user's, or one of a moment with what files hold."""
    from graders.evals.incoming import bring  # noqa: PLC0415
    from graders.evals.parcel import Parcel  # noqa: PLC0415

    there = [Path(one) for one in paths if "\0" not in one and Path(one).exists()]
    for one in paths:
        if Path(one) not in there and ("/" in one or Path(one).suffix):  # No id has these.
            near = nearest_path(Path(one), Path.exists)
            hint = f"; did you mean {near}?" if near else ""
            raise OptionError(f"{one}: there is no such file or folder{hint}")
    if not there:
        with opened(data_dir) as kept:
            yield kept
        return
    if len(there) < len(paths):
        missing = next(one for one in paths if not Path(one).exists())
        raise OptionError(f"{missing} is no file; runs of the store and files are compared apart")
    with tempfile.TemporaryDirectory(prefix="graders-") as folder, opened(Path(folder)) as kept:
        with Parcel.open(there) as parcel:
            done = bring(kept.store, parcel)
        for one in (*done.notes, *done.problems):
            say(f"note: {one}")
        yield kept


def _runs(kept: EvalStore, paths: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the eval and the run of all that are to be compared."""
    from graders.evals.look import every_run, ids_of  # noqa: PLC0415

    named = [one for one in paths if not Path(one).exists()] or ids_of(kept, "eval")[::-1]
    for name in named:
        of, run = found(kept, name)
        if run is not None:
            yield of, run
            continue
        for one in every_run(kept, of):
            if kept.list_items(of, one["id"], limit=1)[0]:
                yield of, one["id"]


def _compared(
    kept: EvalStore, of: str, run: str, options: RunOptions, *, judges: bool, most: int
) -> Comparison | None:
    from graders.evals.compare import compare as graded_again  # noqa: PLC0415
    from graders.evals.look import criteria_of_run, items_of  # noqa: PLC0415

    criteria = criteria_of_run(kept, run)
    if not criteria:
        return None
    source: Any = kept.get_run(of, run)["data_source"].get("source")
    rows = source.get("content") if isinstance(source, dict) else None
    judge = options.judge
    asks = judges or bool(judge.base_url or judge.embedding_url or judge.cache == "offline")
    return graded_again(
        items_of(kept, of, run), criteria, options, rows=rows if isinstance(rows, list) else (),
        asks=asks, most=most,
    )  # fmt: skip


@click.command(name="export", short_help="Write an eval or a run out: objects, results, rows.")
@click.argument("name", metavar="ID")
@click.option("-o", "--output", required=True, metavar="PATH", type=Somewhere(),
              help="File to write; with --as folder, a new folder.")  # fmt: skip
@click.option("--as", "form", type=click.Choice(["objects", "results", "rows", "folder"]),
              default="objects", show_default=True,
              help="The API's objects, lines of results or rows of a run; or a folder of all.")  # fmt: skip
@data_dir_option
def export(name: str, *, output: Place, form: str, data_dir: Path) -> int:
    """Write the eval ID with all its runs, or with the run ID, as the API's objects a line each.

    As results, `graders report`, `diff` and `agree` read a run's items, together with its rows. A
    folder has files of rows too; graders evals import reads it, and the objects, back.
    """
    from graders.evals.export import write_folder, write_lines, write_objects  # noqa: PLC0415
    from graders.evals.look import every_run  # noqa: PLC0415

    with opened(data_dir) as kept:
        if form in ("results", "rows"):
            count = write_lines(kept, *run_named(kept, name), output, rows=form == "rows")
            say(f"wrote {output}: {count:,} lines")
            return 0
        if form == "folder" and not isinstance(output, Path):
            raise OptionError(f"{output}: a folder is written on this machine only; copy it there")
        of, run = found(kept, name)
        runs = every_run(kept, of) if run is None else [kept.get_run(of, run)]
        if form == "objects":
            say(f"wrote {output}: {write_objects(kept, of, runs, output):,} objects")
            return 0
        for path in write_folder(kept, of, runs, Path(str(output))):
            click.echo(str(path))
    return 0


@click.command(name="report", short_help="Write the report page of a run, or of two.")
@click.argument("name", metavar="RUN")
@click.option("--with", "other", metavar="RUN", help="Another run of the eval, to stand beside it.")
@click.option("-o", "--output", required=True, metavar="FILE", type=Somewhere(),
              help="HTML file to write.")  # fmt: skip
@data_dir_option
def report(name: str, *, other: str | None, output: Place, data_dir: Path) -> int:
    """Write one offline page on the run RUN: figures, criteria as columns, rows to search."""
    from graders.evals.export import write_whole  # noqa: PLC0415
    from graders.evals.view import EvalView  # noqa: PLC0415
    from graders.report.html.eval import eval_page  # noqa: PLC0415

    with opened(data_dir) as kept:
        of, run = run_named(kept, name)
        view, beside = EvalView(kept.store), None
        if other is not None:
            theirs, second = run_named(kept, other)
            if theirs != of:
                raise OptionError(
                    f"{other} is a run of another eval: only runs of one can stand side by side"
                )
            beside = (kept.get_run(of, second), view.items(of, second))
        page = eval_page(kept.get(of), kept.get_run(of, run), view.items(of, run), beside)
        write_whole(output, [page])
    say(f"wrote {output}")
    return 0
