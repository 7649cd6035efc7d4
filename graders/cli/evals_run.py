"""`graders evals run` and `resume`: a run of an eval in this process."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from graders.cli.evals_store import found, nearest_id, opened, run_options, show, told
from graders.cli.help import Command, Flag
from graders.cli.option import brought, data_dir_option, file_name, json_option, place_of
from graders.cli.output import progress_bar, say, write_json
from graders.cli.usage import Somewhere
from graders.config import read_document
from graders.errors import OptionError, nearest_path
from graders.remote import Place, here, named, same

if TYPE_CHECKING:
    from graders.evals.store import EvalStore
    from graders.jobs import RunOptions

__all__ = ["resume", "run"]

_OUTPUT = click.option(
    "-o", "--output", metavar="FILE", type=Somewhere(dir_okay=False),
    help="Write the items there as lines of results, and their rows beside it, for report, diff and agree.", cls=Flag, group="Results",
)  # fmt: skip


@click.command(
    name="run",
    cls=Command,
    first=("data", "output", "data_dir", "rollout_url", "base_url", "model_map", "sandbox", "as_json"),
    short_help="Run an eval here, without a server.",
)  # fmt: skip
@click.argument("of", metavar="EVAL")
@click.argument("body", metavar="[RUN]", type=file_name, required=False)
@click.option(
    "--data", metavar="FILE", type=Somewhere(exists=True, dir_okay=False),
    help='JSON Lines of {"item": …} to run over, in place of the rows of RUN.', cls=Flag, group="Rows and samples",
)  # fmt: skip
@_OUTPUT
@data_dir_option
@json_option
@run_options
def run(
    of: str, body: str | None, *, data: Place | None, output: Place | None, data_dir: Path,
    as_json: bool, options: RunOptions,
) -> int:  # fmt: skip
    """Run EVAL over the rows of RUN, and show how many items passed each criterion.

    A run of the store named as RUN is run again as a new one. Interrupted, a run can be gone on
    with: graders evals resume. Files are put into the store once.
    """
    from graders.jobs import ApiError  # noqa: PLC0415

    if body is None and data is None:
        raise click.UsageError("RUN says what is run over; --data names a file of rows instead.")
    read = [named(one) for one in (of, body) if one] + ([] if data is None else [data])
    if output is not None and any(same(output, one) for one in read):
        raise OptionError(f"{output} is what is read; the results would replace it")
    with opened(data_dir) as kept:
        try:
            request = _request(kept, body, data)
            eval_id = _eval(kept, of)
            name = kept.create_run(eval_id, request, served=False)["id"]
        except ApiError as error:
            for fault in error.faults:
                say(f"{fault.path}: {fault.message}")
            if error.faults:
                return 2
            raise
        say(f"run {name} of {eval_id}")
        return _run_here(kept, name, options, output, as_json=as_json)


def _eval(kept: EvalStore, text: str) -> str:
    """Return the id of an eval that is named by id, or by a file with its object or its body."""
    from graders.evals.move import pieces  # noqa: PLC0415
    from graders.jobs import ApiError  # noqa: PLC0415

    try:
        return str(kept.get(text)["id"])
    except ApiError:
        path = _file(text)
    if path is None:
        _, other = _maybe(kept, text)
        hint = f"; {text} is a run" if other else _hint(kept, text, "eval")
        raise OptionError(f"no such eval, and no such file: {text}{hint}")
    value = read_document(text)
    there = [one for one in pieces(value) if one.kind == "eval" and "id" in one.value]
    if not there:
        return str(kept.create(value)["id"])
    if len(there) > 1:
        raise OptionError(f"{path} holds {len(there)} evals: import them, and name one by its id")
    return _imported(kept, path)


def _imported(kept: EvalStore, place: Place) -> str:
    from graders.evals.incoming import bring  # noqa: PLC0415
    from graders.evals.parcel import Parcel  # noqa: PLC0415

    with ExitStack() as stack:
        parcel = stack.enter_context(Parcel.open(brought([place], stack)))
        done = bring(kept.store, parcel)
    for one in done.notes:
        say(f"note: {one}")
    return next(iter(done.runs_of))


def _maybe(kept: EvalStore, name: str) -> tuple[str | None, str | None]:
    try:
        return found(kept, name)
    except OptionError:
        return None, None


def _hint(kept: EvalStore, text: str, table: str) -> str:
    if Path(text).suffix in (".json", ".yaml", ".yml"):
        near = nearest_path(Path(text), Path.is_file)
        return f"; did you mean {near}?" if near else ""
    return nearest_id(kept, text, table)


def _file(text: str) -> Place | None:
    if text == "-" or "\0" in text:
        return Path(text) if text == "-" else None
    place = named(text)
    return place if place.is_file() else None


def _request(kept: EvalStore, body: str | None, data: Place | None) -> dict[str, Any]:
    """Return the body of a new run: that of a file, or what a run of the store was over."""
    request: dict[str, Any] = {"data_source": {"type": "jsonl"}}
    beside: Place = Path()
    if body is not None:
        of, name = _maybe(kept, body)
        if of is not None and name is None:
            raise OptionError(f"{body} is an eval; RUN is a run of it, or the body of one")
        if of is not None and name is not None:
            value: Any = kept.get_run(of, name)
        else:
            path = _file(body)
            if path is None:
                raise OptionError(
                    f"no such run, and no such file: {body}{_hint(kept, body, 'run')}"
                )
            value, beside = read_document(body), path.parent
        if not isinstance(value, dict):
            raise OptionError(f"{body}: the body of a run is an object with a data_source")
        request = _body_of(value)
    source = request.get("data_source")
    if data is not None:
        if not isinstance(source, dict):
            raise OptionError(f"{body}: the body of a run has a data_source")
        request["data_source"] = {**source, "source": {"type": "file_id", "id": _put(kept, data)}}
    elif isinstance(source, dict) and isinstance(source.get("source"), dict):
        inner = source["source"]
        there = _path_of(kept, inner.get("id"), beside)
        if there is not None:
            inner = {**inner, "id": _put(kept, there)}
            request["data_source"] = {**source, "source": inner}
    return request


def _body_of(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return what makes a new run of a run's object; a body is what it is."""
    if value.get("object") != "eval.run" and "id" not in value:
        return dict(value)
    return {name: value[name] for name in ("name", "metadata", "data_source") if value.get(name)}


def _path_of(kept: EvalStore, value: Any, beside: Place) -> Place | None:
    """Return the file that a body names by path; None where it names an id, or nothing."""
    from graders.jobs import ApiError  # noqa: PLC0415

    if not isinstance(value, str) or not value or "\0" in value:
        return None
    try:
        kept.store.files.get(value)
    except ApiError:
        return place_of(value, beside)
    return None


def _put(kept: EvalStore, place: Place) -> str:
    """Put a file into the store, unless it is there already; return its id."""
    files = kept.store.files
    try:
        with here(place) as path, path.open("rb") as source:
            digest = hashlib.file_digest(source, "sha256").hexdigest()
            known = files.find(digest, "evals")
            if known is not None:
                return str(known["id"])
            source.seek(0)
            made = files.create(source, filename=path.name, purpose="evals")
    except OSError as error:
        raise OptionError(f"{place} cannot be read: {error.strerror or error}") from None
    say(f"{place} is {made['id']} in the store")
    return str(made["id"])


def _run_here(
    kept: EvalStore, name: str, options: RunOptions, output: Place | None, *, as_json: bool
) -> int:
    """Run a run in this process and show what became of it."""
    from graders.evals.export import rows_beside, write_lines  # noqa: PLC0415
    from graders.evals.look import to_read  # noqa: PLC0415
    from graders.evals.run import run_eval  # noqa: PLC0415
    from graders.report.evals import run_view  # noqa: PLC0415

    try:
        with progress_bar("starting", told) as on_progress:
            done = run_eval(kept, name, options, on_progress)
    except KeyboardInterrupt:
        say(f"interrupted; graders evals resume {name} goes on")
        return 130
    if output is not None:
        count = write_lines(kept, done["eval_id"], name, output, rows=False)
        write_lines(kept, done["eval_id"], name, rows_beside(output), rows=True)
        say(f"{count:,} items in {output}, their rows in {rows_beside(output)}")
    if as_json:
        write_json(done)
    else:
        show(run_view(done, to_read(kept, done)))
    return 0 if done["status"] == "completed" and not done["result_counts"]["errored"] else 1


@click.command(
    cls=Command,
    first=("output", "data_dir", "rollout_url", "base_url", "model_map", "sandbox", "as_json"),
    name="resume",
    short_help="Go on with a run that failed, was canceled or interrupted.",
)
@click.argument("name", metavar="RUN")
@_OUTPUT
@data_dir_option
@json_option
@run_options
def resume(
    name: str, *, output: Place | None, data_dir: Path, as_json: bool, options: RunOptions
) -> int:
    """Go on with RUN where it was: here, unless another process runs it."""
    from graders.evals.store import FINISHED  # noqa: PLC0415

    with opened(data_dir) as kept:
        of, run_id = found(kept, name)
        if run_id is None:
            raise OptionError(f"{name} is an eval; a run of it is gone on with")
        if kept.get_run(of, run_id)["status"] in FINISHED:
            kept.resume_run(of, run_id, served=False)
        return _run_here(kept, run_id, options, output, as_json=as_json)
