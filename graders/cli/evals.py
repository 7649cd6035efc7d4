"""`graders evals`: evals as the hosted API had them, on the same store that a server uses."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from graders import jsontext
from graders.cli.judge import judge_options
from graders.cli.option import data_dir_option, json_option, python_options, rollout_options
from graders.cli.output import say, write_json
from graders.config import read_document
from graders.errors import OptionError, nearest
from graders.report.terminal import console

if TYPE_CHECKING:
    from graders.evals.store import EvalStore
    from graders.jobs import RunOptions

__all__ = ["evals"]

_EPILOG = """\b
Examples:
  graders evals import exported/
  graders evals list
  graders evals show evalrun_…
  graders evals compare evalrun_…
  graders evals report evalrun_… -o report.html
  graders evals run eval.json run.json -o results.jsonl
  graders evals run eval_… run.json --rollout-url http://127.0.0.1:8080/v1
\b
Exit codes: 0 done; for run: every row has a verdict, for compare: equal where
it has to be; 1 a run failed, rows without a verdict, or a difference; 2 bad
usage; 130 interrupted, to be gone on with by graders evals resume."""

_NAMES: Final = (
    "import", "run", "list", "show", "report", "export", "compare", "resume", "cancel", "delete",
)  # fmt: skip
_PAGE: Final = 100

Function = TypeVar("Function", bound=Callable[..., Any])


class _Group(click.Group):
    """Keeps the order of its commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_NAMES)


@click.group(cls=_Group, epilog=_EPILOG, short_help="Run evals, and bring hosted ones in.")
def evals() -> None:
    """Run evals as the hosted API did, bring hosted ones in, and compare old with new.

    Everything is kept in one folder, which `graders serve` shares.
    """


def _run_options(function: Function) -> Function:
    """Add how a run is run; the command gets it as one `options` argument."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        from graders.jobs import RunOptions  # noqa: PLC0415  (SQLite, the linter)

        said = {name: kwargs.pop(name) for name in ("rollout", "python", "judge")}
        return function(*args, options=RunOptions(**said), **kwargs)

    for add in (judge_options, python_options, rollout_options):
        wrapped = add(wrapped)
    return wrapped  # type: ignore[return-value]


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[EvalStore]:
    from graders.evals.store import EvalStore  # noqa: PLC0415
    from graders.jobs import Store  # noqa: PLC0415  (SQLite, the linter)

    with Store(folder) as store:
        if store.warning is not None:
            say(f"warning: {store.warning}")
        yield EvalStore(store)


@contextlib.contextmanager
def _named(store: EvalStore, name: str) -> Iterator[None]:
    """Name the nearest eval or run where there is none of that id."""
    from graders.jobs import ApiError  # noqa: PLC0415

    try:
        yield
    except ApiError as error:
        if error.status != 404:
            raise
        known = [one["id"] for one in store.list(limit=_PAGE, order="desc")[0]]
        known += [run["id"] for of in known for run in store.list_runs(of, limit=_PAGE)[0]]
        near = nearest(name, known)
        hint = f"did you mean {near}?" if near else "graders evals list shows what there is"
        raise OptionError(f"{error}; {hint}") from None


@evals.command(name="import", short_help="Bring exported evals, runs, items and rows in.")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True,
                type=click.Path(exists=True, path_type=Path))  # fmt: skip
@data_dir_option
@json_option
def import_(paths: tuple[Path, ...], *, data_dir: Path, as_json: bool) -> int:
    """Bring in what PATHs hold: files of any layout, folders, .zip, .gz.

    Evals, runs and output items as the API or the dashboard gives them, files of rows,
    promptfoo's results. Ids and dates stay; doing it again changes nothing.
    """
    from graders.evals.exported import read_exports  # noqa: PLC0415
    from graders.evals.move import bring  # noqa: PLC0415

    found = read_exports(paths)
    with _opened(data_dir) as store:
        brought = bring(store, found)
    for note in brought.notes:
        say(note)
    if as_json:
        write_json(
            {
                "new": dict(brought.new),
                "known": dict(brought.known),
                "runs": brought.runs,
                "notes": brought.notes,
            }
        )
        return 0
    kinds = sorted({*brought.new, *brought.known})
    for kind in kinds:
        known = f", {brought.known[kind]:,} there already" if brought.known[kind] else ""
        click.echo(f"{kind}: {brought.new[kind]:,} new{known}")
    for runs in brought.runs.values():
        for run in runs[:3]:
            say(f"graders evals show {run}    graders evals compare {run}")
    return 0


@evals.command(name="run", short_help="Run an eval here.")
@click.argument("eval_", metavar="EVAL")
@click.argument("run_", metavar="RUN")
@click.option("-o", "--output", metavar="FILE", type=click.Path(path_type=Path),
              help="Write result lines there, as graders score does.")  # fmt: skip
@data_dir_option
@json_option
@_run_options
def run(
    eval_: str,
    run_: str,
    *,
    output: Path | None,
    data_dir: Path,
    as_json: bool,
    options: RunOptions,
) -> int:
    """Run EVAL over RUN: bodies of evals.create and evals.runs.create as JSON or YAML, or ids.

    In RUN, the file of a jsonl source may be named by its path. A run that was interrupted goes
    on with: graders evals resume.
    """
    with _opened(data_dir) as store:
        with _named(store, eval_):
            of = eval_ if _is_id(eval_, "eval_") else _made(store.create, eval_)["id"]
            body = read_document(run_)
            _put_file(store, body, Path(run_).parent if run_ != "-" else Path())
            made = _refused(functools.partial(store.create_run, of, served=False), body)
        say(f"eval {of}, run {made['id']}")
        return _run_here(store, of, made["id"], options, output, as_json=as_json)


def _is_id(text: str, prefix: str) -> bool:
    return text.startswith(prefix) and not Path(text).exists()


def _made(create: Callable[[Any], dict[str, Any]], source: str) -> dict[str, Any]:
    return _refused(create, read_document(source))


def _refused(create: Callable[[Any], dict[str, Any]], body: Any) -> dict[str, Any]:
    """Return what was created; of a body with several faults, all are said."""
    from graders.jobs import ApiError  # noqa: PLC0415

    try:
        return create(body)
    except ApiError as error:
        for fault in error.faults[1:]:
            say(f"{fault.path}: {fault.message}")
        raise OptionError(str(error)) from None


def _put_file(store: EvalStore, body: Any, beside: Path) -> None:
    """Put the file that a run's source names by its path into the store, and name it by its id."""
    data = body.get("data_source") if isinstance(body, dict) else None
    source = data.get("source") if isinstance(data, dict) else None
    if not isinstance(source, dict) or source.get("type") != "file_id":
        return
    name = source.get("id")
    paths = [
        one
        for one in (beside / str(name), Path(str(name)))
        if isinstance(name, str) and one.is_file()
    ]
    if paths:
        with paths[0].open("rb") as stream:
            made = store.store.files.create(stream, filename=paths[0].name, purpose="evals")
        say(f"{paths[0]} is {made['id']} in the store")
        source["id"] = made["id"]


def _run_here(
    store: EvalStore, of: str, name: str, options: RunOptions, output: Path | None, *, as_json: bool
) -> int:
    from graders.evals.run import run_eval  # noqa: PLC0415

    try:
        with _progress() as tell:
            done = run_eval(
                store,
                name,
                options,
                None if tell is None else (lambda now: tell(now.done, now.total)),
            )
    except KeyboardInterrupt:
        say(f"interrupted; graders evals resume {name} goes on")
        return 130
    if output is not None:
        _write(output, _results(store, of, name))
    _show_run(store, done, as_json=as_json)
    return 0 if done["status"] == "completed" and not done["result_counts"]["errored"] else 1


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[int, int], None] | None]:
    """Show progress on standard error; nothing where nobody looks."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich import progress as bars  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415

    columns = (bars.BarColumn(bar_width=20), bars.MofNCompleteColumn(), bars.TimeRemainingColumn())
    with bars.Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("", total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total or None)


def _items(store: EvalStore, of: str, name: str) -> Iterator[dict[str, Any]]:
    after = None
    while True:
        items, more = store.list_items(of, name, after, _PAGE)
        yield from items
        if not more:
            return
        after = items[-1]["id"]


def _results(store: EvalStore, of: str, name: str) -> Iterator[bytes]:
    """Yield a line of results for each output item, as `graders score` writes them."""
    from graders.evals.result import result_line  # noqa: PLC0415

    for item in _items(store, of, name):
        yield jsontext.encode(result_line(item)) + b"\n"


def _write(path: Path, lines: Iterator[bytes]) -> None:
    """Write a file that appears whole or not at all."""
    part = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            file.writelines(lines)
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise OptionError(f"{path} cannot be written: {error.strerror or error}") from None
    say(f"wrote {path}")


@evals.command(name="list", short_help="List evals, the newest first.")
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True, metavar="N",
              help="List so many at most.")  # fmt: skip
@click.option("--after", metavar="ID", help="Go on after this one.")
@data_dir_option
@json_option
def list_(*, limit: int, after: str | None, data_dir: Path, as_json: bool) -> int:
    """List evals, the newest first."""
    from graders.report.evals import evals_view  # noqa: PLC0415

    with _opened(data_dir) as store:
        found, more = store.list(after, limit, "desc")
    if as_json:
        write_json({"object": "list", "data": found, "has_more": more})
    else:
        console(sys.stdout).print(evals_view(found, more=more), crop=False, soft_wrap=True)
    return 0


@evals.command(name="show", short_help="Show an eval with its runs, or a run.")
@click.argument("name", metavar="ID")
@data_dir_option
@json_option
def show(name: str, *, data_dir: Path, as_json: bool) -> int:
    """Show the eval ID with its runs, or the run ID with the rows to read first."""
    from graders.report.evals import eval_view  # noqa: PLC0415

    with _opened(data_dir) as store, _named(store, name):
        if not name.startswith("eval_"):
            _show_run(store, store.get_run(store.eval_of(name), name), as_json=as_json)
            return 0
        one, runs = store.get(name), store.list_runs(name, limit=_PAGE, order="desc")[0]
        if as_json:
            write_json({**one, "runs": runs})
        else:
            console(sys.stdout).print(eval_view(one, runs), crop=False, soft_wrap=True)
    return 0


def _show_run(store: EvalStore, done: dict[str, Any], *, as_json: bool) -> None:
    from graders.report.evals import run_view  # noqa: PLC0415

    if as_json:
        write_json(done)
        return
    first = [
        item
        for status in ("error", "fail")
        for item in store.list_items(done["eval_id"], done["id"], limit=5, status=status)[0]
    ]
    console(sys.stdout).print(run_view(done, first), crop=False, soft_wrap=True)


@evals.command(name="report", short_help="Write the report page of a run, or of two.")
@click.argument("name", metavar="RUN")
@click.option("--with", "other", metavar="RUN", help="Another run of the eval, to stand beside it.")
@click.option("-o", "--output", required=True, metavar="FILE", type=click.Path(path_type=Path),
              help="HTML file to write.")  # fmt: skip
@data_dir_option
def report(name: str, *, other: str | None, output: Path, data_dir: Path) -> int:
    """Write one offline page on the run RUN: figures, criteria as columns, rows to search."""
    from graders.evals.view import EvalView  # noqa: PLC0415
    from graders.report.html.eval import eval_page  # noqa: PLC0415

    with _opened(data_dir) as store, _named(store, name):
        of, view = store.eval_of(name), EvalView(store.store)
        if other is not None and store.eval_of(other) != of:
            raise OptionError(
                f"{other} is a run of another eval: only runs of one can stand side by side"
            )
        beside = None if other is None else (store.get_run(of, other), view.items(of, other))
        page = eval_page(store.get(of), store.get_run(of, name), view.items(of, name), beside)
        _write(output, iter([page]))
    return 0


@evals.command(name="export", short_help="Write a run out: objects, result lines, rows.")
@click.argument("name", metavar="RUN")
@click.option("-o", "--output", required=True, metavar="FILE", type=click.Path(path_type=Path),
              help="File to write.")  # fmt: skip
@click.option("--as", "form", type=click.Choice(["objects", "results", "rows"]), default="objects", show_default=True,
              help="The API's objects, result lines for graders report and diff, or rows.")  # fmt: skip
@data_dir_option
def export(name: str, *, output: Path, form: str, data_dir: Path) -> int:
    """Write the run RUN out as JSON Lines: its eval, itself and its output items as the API has them.

    As result lines, `graders report`, `diff` and `agree` read it, together with its rows.
    """
    with _opened(data_dir) as store, _named(store, name):
        of = store.eval_of(name)
        if form == "results":
            _write(output, _results(store, of, name))
        elif form == "rows":
            from graders.evals.result import row_of  # noqa: PLC0415

            _write(
                output, (jsontext.encode(row_of(one)) + b"\n" for one in _items(store, of, name))
            )
        else:
            heads = [store.get(of), store.get_run(of, name)]
            _write(
                output, (jsontext.encode(one) + b"\n" for one in (*heads, *_items(store, of, name)))
            )
    return 0


@evals.command(name="compare", short_help="Grade a run's rows again and compare.")
@click.argument("name", metavar="RUN")
@click.option("--judges", is_flag=True, help="Ask models again, too.")
@data_dir_option
@json_option
@_run_options
def compare(name: str, *, judges: bool, data_dir: Path, as_json: bool, options: RunOptions) -> int:
    """Grade the rows of RUN again here, and show what is equal to the last bit and what is not."""
    from graders.evals.compare import compare as compare_run  # noqa: PLC0415
    from graders.report.evals import comparison_view  # noqa: PLC0415

    with _opened(data_dir) as store, _named(store, name), _progress() as tell:
        found = compare_run(store, name, options, judges=judges, on_progress=tell)
    if as_json:
        write_json(found.to_dict())
    else:
        console(sys.stdout).print(comparison_view(found), crop=False, soft_wrap=True)
    return 1 if found.differs else 0


@evals.command(name="resume", short_help="Go on with a run that was interrupted or failed.")
@click.argument("name", metavar="RUN")
@click.option("-o", "--output", metavar="FILE", type=click.Path(path_type=Path),
              help="Write result lines there, as graders score does.")  # fmt: skip
@data_dir_option
@json_option
@_run_options
def resume(
    name: str, *, output: Path | None, data_dir: Path, as_json: bool, options: RunOptions
) -> int:
    """Go on with the run RUN where it was, here."""
    with _opened(data_dir) as store:
        with _named(store, name):
            of = store.eval_of(name)
            store.resume_run(of, name, served=False)
        return _run_here(store, of, name, options, output, as_json=as_json)


@evals.command(name="cancel", short_help="Cancel a run.")
@click.argument("name", metavar="RUN")
@data_dir_option
@json_option
def cancel(name: str, *, data_dir: Path, as_json: bool) -> int:
    """Cancel the run RUN; what was graded is kept."""
    with _opened(data_dir) as store, _named(store, name):
        _show_run(store, store.cancel_run(store.eval_of(name), name), as_json=as_json)
    return 0


@evals.command(name="delete", short_help="Delete an eval with its runs, or a run.")
@click.argument("name", metavar="ID")
@click.option("--yes", is_flag=True, help="Do not ask.")
@data_dir_option
def delete(name: str, *, yes: bool, data_dir: Path) -> int:
    """Delete the eval ID with all of its runs, or the run ID."""
    with _opened(data_dir) as store, _named(store, name):
        of = None if name.startswith("eval_") else store.eval_of(name)
        if of is None:
            store.get(name)
        if not yes and not click.confirm(f"delete {name}?", err=True):
            return 1
        if of is None:
            store.delete(name)
        else:
            store.delete_run(of, name)
    click.echo(f"deleted {name}")
    return 0
