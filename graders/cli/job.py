"""`graders job`: fine-tuning jobs as dry runs, on the same store that a server uses."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from graders.cli.face import Face, face_options
from graders.cli.help import Command, Flag
from graders.cli.judge import judge_options
from graders.cli.option import (
    data_dir_option,
    file_name,
    json_option,
    place_of,
    python_options,
    rollout_options,
)
from graders.cli.output import progress_bar, say, write_json
from graders.cli.train import train_options
from graders.cli.usage import Somewhere
from graders.config import read_document
from graders.errors import OptionError, nearest
from graders.remote import Place, here, named
from graders.report.terminal import number, write_view

if TYPE_CHECKING:
    from graders.errors import Fault
    from graders.inspection.lint import Target
    from graders.jobs import JobProgress, RunOptions, Store
    from graders.training import TrainingOptions

__all__ = ["job"]

_EPILOG = """\b
Examples:
  graders job run body.json --training train.jsonl --validation valid.jsonl
  graders job run body.json --rollout-url http://127.0.0.1:8080/v1
  graders job list
  graders job show ftjob-…
  graders job resume ftjob-…

BODY is what fine_tuning.jobs.create takes, as JSON or YAML; its training_file and
validation_file are ids of files in the store, or paths.

Exit codes: 0 would run, 1 would be refused, 3 would run but teach nothing, 4 not
known, for something is missing here (answers, a model, a key), 2 bad usage, 130
interrupted, paused or cancelled."""

_POLL_SECONDS: Final = 0.5
_MOST_EVENTS: Final = 100

Function = TypeVar("Function", bound=Callable[..., Any])


class _Group(click.Group):
    """Keeps the order of its commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(self.commands)


@click.group(cls=_Group, epilog=_EPILOG, short_help="Dry-run fine-tuning jobs, and look at them.")
def job() -> None:
    """Dry-run reinforcement fine-tuning jobs: check the files, grade rollouts step by step.

    No weights are trained, unless --train says so. Everything is kept in one folder, which `graders serve` shares.
    """


def _run_options(function: Function) -> Function:
    """Add how a job is run; the command gets them as one `options` argument."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        from graders.jobs import RunOptions  # noqa: PLC0415  (SQLite, the linter)

        said = {name: kwargs.pop(name) for name in ("rollout", "python", "judge")}
        return function(*args, options=RunOptions(**said), **kwargs)

    for add in (judge_options, python_options, rollout_options):
        wrapped = add(wrapped)
    return wrapped  # type: ignore[return-value]


_id_argument = click.argument("name", metavar="ID")


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[Store]:
    from graders.jobs import Store  # noqa: PLC0415  (SQLite, the linter)

    with Store(folder) as store:
        if store.warning is not None:
            say(f"warning: {store.warning}")
        yield store


@contextlib.contextmanager
def _named(store: Store, name: str) -> Iterator[None]:
    """Name the nearest job where there is none of that id."""
    from graders.jobs import ApiError  # noqa: PLC0415

    try:
        yield
    except ApiError as error:
        if error.code != "fine_tune_not_found":
            raise
        known, _ = store.jobs.list(limit=100)
        near = nearest(name, [one["id"] for one in known])
        hint = f"; did you mean {near}?" if near else "; graders job list shows what there is"
        raise OptionError(f"{error}{hint}") from None


@job.command(
    name="run",
    cls=Command,
    first=("training_file", "validation_file", "train", "rollout_url", "rollout_model", "train_model", "data_dir", "base_url", "model_map", "as_json"),
    short_help="Create a job and run it here.",
)  # fmt: skip
@click.argument("body", metavar="BODY", type=file_name)
@click.option(
    "--training", "training_file", metavar="FILE", type=Somewhere(exists=True, dir_okay=False),
    help="The training file, in place of the body's.", cls=Flag, group="Rows and samples",
)  # fmt: skip
@click.option(
    "--validation", "validation_file", metavar="FILE", type=Somewhere(exists=True, dir_okay=False),
    help="The validation file, in place of the body's.", cls=Flag, group="Rows and samples",
)  # fmt: skip
@click.option(
    "--target", type=click.Choice(["local", "openai", "azure"]), default="local", show_default=True,
    help="Where the job is to go: a service's rules and dates count, or none's.",
    cls=Flag, group="Checks",
)  # fmt: skip
@data_dir_option
@face_options
@train_options
@_run_options
def run(
    body: str,
    *,
    training_file: Place | None,
    validation_file: Place | None,
    target: Target,
    data_dir: Path,
    face: Face,
    training: TrainingOptions | None,
    options: RunOptions,
) -> int:
    """Create a job from BODY, run it to its end, and show its verdict.

    Interrupted, it can be gone on with: graders job resume. Files are put into the store once.
    """
    from graders.jobs import ApiError  # noqa: PLC0415
    from graders.training import create_job  # noqa: PLC0415

    request = read_document(body)
    if not isinstance(request, dict):
        raise OptionError(f"{body}: the body of a job is an object")
    with _opened(data_dir) as store:
        beside, put = named(body).parent if body != "-" else Path(), list[str]()
        for use, given in (("training_file", training_file), ("validation_file", validation_file)):
            path = given or _path_of(store, request.get(use), beside)
            if path is not None:
                request[use] = _put(store, path)
                put.append(f"{use} {path} is {request[use]} in the store")
        try:
            # A server on this store has options of its own: this job is to have these.
            if training is None:
                name = store.jobs.create(request, served=False, target=target)["id"]
            else:
                name = create_job(store, request, training, served=False)["id"]
        except ApiError as error:
            if not error.faults:
                raise
            return _refused(request, error.faults, target, face)
        for line in (f"job {name}", *put):
            say(line)
        return _run_here(store, name, _with(options, training), face=face, follow=True)


def _refused(request: dict[str, Any], faults: Sequence[Fault], target: Target, face: Face) -> int:
    """Tell that a body is none that a service takes; there is no job then."""
    from graders.jobs.outcome import EXIT_CODES  # noqa: PLC0415
    from graders.jobs.verdict import body_refusal  # noqa: PLC0415
    from graders.report.job import verdict_view  # noqa: PLC0415

    judged = body_refusal(faults, target)
    first, run_ = faults[0], {"verdict": judged, "target": target, "weights_trained": False}
    told = {
        "id": None, "object": "fine_tuning.job", "dry_run": run_, "status": "failed",
        "model": request.get("model"),
        "error": {"code": first.code, "message": first.message, "param": first.path},
    }  # fmt: skip
    face.write(verdict_view(judged), told, "graders job", sys.stdout)
    return EXIT_CODES["would_be_refused"]


def _with(options: RunOptions, training: TrainingOptions | None) -> RunOptions:
    """Return how a job is run, with how it is trained."""
    from graders.training import TrainRun  # noqa: PLC0415

    if training is None:
        return options
    said = {one.name: getattr(options, one.name) for one in fields(options)}
    return TrainRun(training=training, **said)


def _path_of(store: Store, value: Any, beside: Place) -> Place | None:
    """Return the file that a body names by path; None where it names an id, or nothing."""
    from graders.jobs import ApiError  # noqa: PLC0415

    if not isinstance(value, str) or not value or "\0" in value:
        return None
    try:
        store.files.get(value)
    except ApiError:
        return place_of(value, beside)
    return None


def _put(store: Store, place: Place) -> str:
    """Put a file into the store, unless it is there already; return its id."""
    if not place.is_file():
        raise OptionError(f"{place} is no file that can be read twice; name a regular one")
    try:
        with here(place) as path, path.open("rb") as source:
            digest = hashlib.file_digest(source, "sha256").hexdigest()
            known = store.files.find(digest, "fine-tune")
            if known is not None:
                return str(known["id"])
            source.seek(0)
            made = store.files.create(source, filename=path.name, purpose="fine-tune")
    except OSError as error:
        raise OptionError(f"{place} cannot be read: {error.strerror or error}") from None
    return str(made["id"])


def _run_here(store: Store, name: str, options: RunOptions, *, face: Face, follow: bool) -> int:
    """Run a job in this process; where another one has it, follow it or say so."""
    from graders.jobs import ApiError  # noqa: PLC0415
    from graders.jobs.outcome import EXIT_CODES  # noqa: PLC0415
    from graders.training import train_job  # noqa: PLC0415

    try:
        with progress_bar("starting", _told) as on_progress:
            try:
                done = train_job(store, name, options, on_progress)
            except ApiError as error:
                if error.code != "job_is_run":
                    raise
                if not follow:
                    say(f"{error}, and goes on there")
                    return 0
                say(f"{error}; following it")
                done = _followed(store, name, on_progress)
    except KeyboardInterrupt:
        say(f"interrupted; graders job resume {name} goes on")
        return 130
    _show(store, done, face)
    if done["status"] == "paused":
        say(f"paused; graders job resume {name} goes on")
        return 130
    if done["dry_run"] is None:
        return 0 if done["status"] == "succeeded" else 1
    verdict = done["dry_run"]["verdict"]
    return 130 if verdict is None else EXIT_CODES.get(verdict["outcome"], 1)


def _followed(
    store: Store, name: str, on_progress: Callable[[JobProgress], None] | None
) -> dict[str, Any]:
    """Return a job that another process runs, once it goes on no more."""
    from graders.jobs import JobProgress  # noqa: PLC0415
    from graders.jobs.job import progress_of  # noqa: PLC0415

    while True:
        found = store.jobs.get(name)
        run_ = progress_of(found)
        if on_progress is not None:
            on_progress(JobProgress(found["status"], run_["step"], run_["total_steps"] or 0))
        if found["finished_at"] is not None or found["status"] == "paused":
            return found
        time.sleep(_POLL_SECONDS)


def _show(store: Store, found: dict[str, Any], face: Face) -> None:
    from graders.report.job import job_view  # noqa: PLC0415

    results = [str(store.files.blob(one)) for one in found["result_files"]]
    if found["fine_tuned_model"] is not None:
        from graders.training.trained import folder_of  # noqa: PLC0415

        results.append(str(folder_of(store, found["id"]) / "model"))
    face.write(job_view(found, results), found, f"graders job: {found['id']}", sys.stdout)


def _told(now: JobProgress) -> dict[str, Any]:
    """Return what the bar shows of a job."""
    text = now.status.replace("_", " ")
    if now.total_steps:
        text += f" · step {now.step:,}/{now.total_steps:,}"
    if now.train_mean is not None:
        text += f" · train {number(now.train_mean)}"
    if now.valid_mean is not None:
        text += f" · valid {number(now.valid_mean)}"
    return {"total": now.total_steps or None, "completed": now.step, "description": text}


def _pairs(_: click.Context, __: click.Parameter, values: Sequence[str]) -> dict[str, str]:
    found = {}
    for value in values:
        name, equals, other = value.partition("=")
        if not equals:
            raise click.BadParameter(f"{value!r} is not NAME=VALUE, such as team=search")
        found[name] = other
    return found


@job.command(name="list", short_help="List jobs, the newest first.")
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True, metavar="N",
              help="List so many at most.")  # fmt: skip
@click.option("--after", metavar="ID", help="Go on after this one.")
@click.option("--metadata", multiple=True, metavar="NAME=VALUE", callback=_pairs,
              help="Only jobs with this pair; may be given several times.")  # fmt: skip
@data_dir_option
@json_option
def list_jobs(
    *, limit: int, after: str | None, metadata: dict[str, str], data_dir: Path, as_json: bool
) -> int:
    """List jobs, the newest first."""
    from graders.report.job import jobs_view  # noqa: PLC0415

    with _opened(data_dir) as store:
        found, more = store.jobs.list(after, limit, metadata)
    if as_json:
        write_json({"object": "list", "data": found, "has_more": more})
    else:
        write_view(jobs_view(found, more=more), sys.stdout)
    return 0


@job.command(name="show", short_help="Show a job and its verdict.")
@_id_argument
@data_dir_option
@face_options
def show(name: str, *, data_dir: Path, face: Face) -> int:
    """Show where the job ID stands and, once it is finished, its verdict."""
    with _opened(data_dir) as store, _named(store, name):
        _show(store, store.jobs.get(name), face)
    return 0


@job.command(name="events", short_help="Show what a job has said.")
@_id_argument
@click.option("--limit", type=click.IntRange(1, _MOST_EVENTS), default=_MOST_EVENTS,
              show_default=True, metavar="N", help="Show the last N.")  # fmt: skip
@click.option("--after", metavar="EVENT", help="Show those before this one.")
@data_dir_option
@json_option
def events(name: str, *, limit: int, after: str | None, data_dir: Path, as_json: bool) -> int:
    """Show the events of the job ID, the oldest first; with --json the newest first, as the API."""
    from graders.report.job import events_view  # noqa: PLC0415

    with _opened(data_dir) as store, _named(store, name):
        found, more = store.jobs.events(name, after, limit)
    if as_json:
        write_json({"object": "list", "data": found, "has_more": more})
    else:
        write_view(events_view(found[::-1], more=more), sys.stdout)
    return 0


@job.command(name="pause", short_help="Pause a job before its next step.")
@_id_argument
@data_dir_option
@face_options
def pause(name: str, *, data_dir: Path, face: Face) -> int:
    """Pause the job ID: whoever runs it stops before its next step."""
    with _opened(data_dir) as store, _named(store, name):
        _show(store, store.jobs.pause(name), face)
    return 0


@job.command(
    name="resume",
    cls=Command,
    first=("data_dir", "rollout_url", "rollout_model", "base_url", "model_map", "sandbox", "as_json"),
    short_help="Go on with a job that was paused or interrupted.",
)  # fmt: skip
@_id_argument
@data_dir_option
@face_options
@train_options
@_run_options
def resume(
    name: str,
    *,
    data_dir: Path,
    face: Face,
    training: TrainingOptions | None,
    options: RunOptions,
) -> int:
    """Go on with the job ID where it was: here, unless another process runs it."""
    with _opened(data_dir) as store:
        with _named(store, name):
            found = store.jobs.get(name)
        if found["dry_run"] is None and training is None:
            raise OptionError(f"the job {name} trains its model; to go on with it, say --train too")
        if found["status"] == "paused" or found["finished_at"] is not None:
            store.jobs.resume(name, served=False)  # Of a finished job it says why not.
        return _run_here(store, name, _with(options, training), face=face, follow=False)


@job.command(name="cancel", short_help="Cancel a job.")
@_id_argument
@data_dir_option
@face_options
def cancel(name: str, *, data_dir: Path, face: Face) -> int:
    """Cancel the job ID; whoever runs it stops before its next step."""
    with _opened(data_dir) as store, _named(store, name):
        _show(store, store.jobs.cancel(name), face)
    return 0
