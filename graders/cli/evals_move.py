"""`graders evals import`, `compare` and `export`: from the hosted API, against it, and out again."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from graders.cli.evals_store import found, opened, progress, run_named, show
from graders.cli.judge import judge_options
from graders.cli.option import data_dir_option, json_option, python_options, reading_options
from graders.cli.output import say, write_json
from graders.errors import OptionError

if TYPE_CHECKING:
    from graders.api import PythonOptions, Reading
    from graders.evals.compare import Comparison
    from graders.evals.store import EvalStore
    from graders.jobs import RunOptions
    from graders.models import JudgeOptions

__all__ = ["compare", "export", "import_"]

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
@click.argument(
    "paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option("--replace", is_flag=True, help="Take the files' where the store's differs.")
@data_dir_option
@json_option
def import_(paths: Sequence[Path], *, replace: bool, data_dir: Path, as_json: bool) -> int:
    """Read evals, runs, output items and files of rows, and put them into the store.

    PATH is a file, a folder or a zip; what is in it is told by what it holds, not by its name. Ids
    and dates stay. What is in the store already stays as it is, so importing again changes nothing.
    """
    from graders.evals.incoming import bring  # noqa: PLC0415  (SQLite)
    from graders.evals.parcel import Parcel  # noqa: PLC0415
    from graders.evals.run import EvalProgress  # noqa: PLC0415
    from graders.report.evals import import_view  # noqa: PLC0415

    with Parcel.open(paths) as parcel:
        if not (parcel.found or parcel.items or parcel.data):
            for one in (*parcel.broken, *parcel.notes):
                say(one)
            raise OptionError("no eval, run, output item or row is in there")
        with opened(data_dir) as kept, progress() as on_progress:

            def told(done: int, total: int) -> None:
                if on_progress is not None and done % 100 == 0:
                    on_progress(EvalProgress("output items", done, total))

            done = bring(kept.store, parcel, replace=replace, on_item=told)
    if as_json:
        write_json(done.to_dict())
    else:
        show(import_view(done))
    return 1 if done.problems else 0


@click.command(
    name="compare", epilog=_COMPARE, short_help="Grade a run's rows again: old against new."
)
@click.argument("paths", metavar="RUN|PATH...", nargs=-1, required=True)
@click.option("--rows", "most", type=click.IntRange(0, 1000), default=10, show_default=True,
              metavar="N", help="Show so many rows to read first.")  # fmt: skip
@data_dir_option
@json_option
@reading_options
@python_options
@judge_options
def compare(
    paths: Sequence[str], *, most: int, data_dir: Path, as_json: bool, reading: Reading,
    python: PythonOptions, judge: JudgeOptions,
) -> int:  # fmt: skip
    """Grade the rows of RUN again here, and show what of each criterion is equal.

    RUN is a run of the store, or an eval of it for all its runs; PATH is an export, which is read
    and not kept. Criteria that ask a model are compared where --base-url or $OPENAI_BASE_URL names
    a server, or with --offline.
    """
    from graders.jobs import RunOptions  # noqa: PLC0415
    from graders.report.evals import comparison_view  # noqa: PLC0415

    options = RunOptions(python=python, judge=judge, reading=reading)
    faulty, told, lacks = False, list[Any](), list[str]()
    with _where(paths, data_dir) as kept:
        for of, run in _runs(kept, paths):
            done = _compared(kept, of, run, options, most=most)
            if done is None:
                lacks.append(
                    f"the criteria of {run} are not here: import the object of its eval {of} too"
                )
                continue
            faulty |= done.faulty
            if as_json:
                told.append({"eval_id": of, "run_id": run, **done.to_dict()})
            else:
                show(comparison_view(done, f"{run} of {of}"))
                told.append(run)
    if not told:
        raise OptionError(lacks[0] if lacks else "there is no run with output items to compare")
    for one in lacks:
        say(one)
    if as_json:
        write_json(told[0] if len(told) == 1 else {"object": "list", "data": told})
    return 1 if faulty else 0


@contextlib.contextmanager
def _where(paths: Sequence[str], data_dir: Path) -> Iterator[EvalStore]:
    """Open the store that has the runs: the user's, or one of a moment with what files hold."""
    from graders.evals.incoming import bring  # noqa: PLC0415
    from graders.evals.parcel import Parcel  # noqa: PLC0415

    there = [Path(one) for one in paths if "\0" not in one and Path(one).exists()]
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
    kept: EvalStore, of: str, run: str, options: RunOptions, *, most: int
) -> Comparison | None:
    from graders.evals.compare import compare as graded_again  # noqa: PLC0415
    from graders.evals.look import criteria_of_run, items_of  # noqa: PLC0415

    criteria = criteria_of_run(kept, run)
    if not criteria:
        return None
    source: Any = kept.get_run(of, run)["data_source"].get("source")
    rows = source.get("content") if isinstance(source, dict) else None
    asks = bool(
        options.judge.base_url or options.judge.embedding_url or options.judge.cache == "offline"
        or os.environ.get("OPENAI_BASE_URL")
    )  # fmt: skip
    return graded_again(
        items_of(kept, of, run), criteria, options, rows=rows if isinstance(rows, list) else (),
        asks=asks, most=most,
    )  # fmt: skip


@click.command(name="export", short_help="Write an eval out in the API's shape, or as results.")
@click.argument("name", metavar="ID")
@click.option(
    "-o", "--output", metavar="FOLDER", type=click.Path(file_okay=False, path_type=Path),
    help="A new folder.  [default: one named as ID]",
)  # fmt: skip
@click.option(
    "--results", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path),
    help="Write a run's items there as lines of results instead, and its rows beside it.",
)  # fmt: skip
@data_dir_option
def export(name: str, *, output: Path | None, results: Path | None, data_dir: Path) -> int:
    """Write the eval ID with all its runs, or with the run ID, into a folder.

    Its files are what the API gives, and graders evals import reads them back. With --results, the
    items of a run become lines of results, for graders report, diff and agree.
    """
    from graders.evals.export import rows_beside, write_export, write_results  # noqa: PLC0415
    from graders.evals.look import every_run  # noqa: PLC0415

    if output is not None and results is not None:
        raise click.UsageError(
            "-o writes a folder of the API's objects, --results a file: give one."
        )
    with opened(data_dir) as kept:
        if results is not None:
            count = write_results(kept, *run_named(kept, name), results)
            say(f"{count:,} items in {results}, their rows in {rows_beside(results)}")
            return 0
        of, run = found(kept, name)
        runs = every_run(kept, of) if run is None else [kept.get_run(of, run)]
        for path in write_export(kept, of, runs, output or Path(name)):
            click.echo(str(path))
    return 0
