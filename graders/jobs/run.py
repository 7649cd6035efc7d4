"""Running a job, and what becomes of one that cannot be run.

Safe to be killed at any instant: what is in the store is all there is, and a run goes on from that.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http import HTTPStatus
from typing import Any, Final

from graders.api import Grader
from graders.config import load_source
from graders.errors import GradersError
from graders.files.disk import ENOUGH, has_room, unusable
from graders.jobs.dry_run import DryRun, JobProgress
from graders.jobs.evidence import ignores_answer, service_of
from graders.jobs.grading import OutageError
from graders.jobs.job import FINISHED, encoded, say
from graders.jobs.journal import JobStoppedError, Journal
from graders.jobs.option import RunOptions
from graders.jobs.outcome import headline
from graders.jobs.store import Store
from graders.jobs.validation import RefusedError, check_examples, findings_of
from graders.jobs.verdict import refusal
from graders.tracing import work_trace
from graders.wire.error import ApiError, conflict

__all__ = ["How", "JobProgress", "fail_job", "run_job"]

How = Callable[[Store, Journal, RunOptions, Callable[[JobProgress], None]], None]
"""Runs a job from wherever it is; what it raises becomes the job's state."""

_WAITS: Final = "The job waits for room on the disk"


def run_job(
    store: Store,
    name: str,
    options: RunOptions | None = None,
    on_progress: Callable[[JobProgress], None] | None = None,
    *,
    stopping: Callable[[], bool] = lambda: False,
    claimed: int | None = None,
    how: How | None = None,
) -> dict[str, Any]:
    """Run a job until it is finished, paused or cancelled, and return its object.

    Args:
        store: where it is.
        name: its id.
        options: how it is run.
        on_progress: told how far it is.
        stopping: asked now and then whether to leave the rest to another run.
        claimed: the descriptor of the job's claim, where the process that started this one has it.
        how: what runs it, from wherever it is; None for a dry run.

    Raises:
        ApiError: there is no such job (404), another process runs it (409), it needs a model that
            the options do not name (400), or the store cannot be used (503, 507). The job stays as
            it is, to be run again.
    """
    with store.jobs.claim(name, inherited=claimed) as claim:
        if not claim.held:
            raise conflict(f"the job {name} is run by another process", code="job_is_run")
        status = store.jobs.get(name)["status"]
        if status not in FINISHED and status != "paused":
            journal = Journal(store.database, name, store.folder / "files", stopping)
            told = {"graders.job.id": name, "graders.job.method": journal.request["kind"]}
            with (
                work_trace("graders.job", told, journal.traceparent) as trace,
                _room(store, journal),
            ):
                journal.trace = trace
                _run(
                    how or _dry_run, store, journal, options or RunOptions(),
                    on_progress or (lambda _: None),
                )  # fmt: skip
                trace.finish({"graders.status": store.jobs.get(name)["status"]})
        job = store.jobs.get(name)
        claim.release(finished=job["status"] in FINISHED)
    return job


def fail_job(store: Store, name: str, code: str, message: str) -> None:
    """Let a job fail that cannot be run the way this process runs jobs."""
    with store.jobs.claim(name) as claim:
        if claim.held:
            journal = Journal(store.database, name, store.folder / "files")
            _failed(journal, RefusedError(code, message))


def _dry_run(
    store: Store, journal: Journal, options: RunOptions, on_progress: Callable[[JobProgress], None]
) -> None:
    if journal.trains:
        raise RefusedError(
            "training_unavailable",
            "this job trains its model, and this run does not train: say --train",
        )
    if journal.request["kind"] != "reinforcement":
        on_progress(JobProgress("validating_files"))
        _refuse_kind(journal)
        return
    with ExitStack() as stack:
        loaded = load_source(journal.request["body"])
        grader: Grader | None = None
        try:
            grader = Grader(
                loaded, reading=options.reading, python=options.python, judge=options.judge
            )
            stack.callback(grader.close)
            run = DryRun(store, journal, grader, options, on_progress=on_progress, stack=stack)
            run.run()
        except ApiError:
            raise
        except GradersError as error:
            refused = (
                error
                if isinstance(error, RefusedError)
                # The machine or the options lack what the grader needs: another try would, too.
                else RefusedError("grader_unavailable", str(error))
            )
            if grader is not None:
                refused.blind = ignores_answer(loaded, grader.plan)
                refused.findings = refused.findings or findings_of(
                    loaded, grader, options, journal.target
                )
            raise refused from None


def _run(
    how: How,
    store: Store,
    journal: Journal,
    options: RunOptions,
    on_progress: Callable[[JobProgress], None],
) -> None:
    try:
        how(store, journal, options, on_progress)
    except JobStoppedError:
        return
    except OutageError as error:
        _paused(journal, str(error))
    except RefusedError as error:
        try:
            _failed(journal, error)
        except ApiError as full:
            if full.status != HTTPStatus.INSUFFICIENT_STORAGE:
                raise
            store.ballast.give_up()
            _failed(journal, error)


@contextlib.contextmanager
def _room(store: Store, journal: Journal) -> Iterator[None]:
    """Say among the job's events that it waits for room on the disk, and that it goes on."""
    if store.jobs.last_event(journal.name).startswith(_WAITS):
        if not has_room(store.folder, ENOUGH):
            raise unusable(store.folder, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        with journal.change() as base:
            say(base, journal.place, "There is room on the disk again: the job goes on")
    try:
        yield
    except ApiError as error:
        if error.status == 507:
            store.ballast.give_up()
            with contextlib.suppress(ApiError, JobStoppedError), journal.change() as base:
                say(base, journal.place, f"{_WAITS}: {error}", level="warn")
        raise


def _failed(journal: Journal, error: RefusedError) -> None:
    """Let the job fail, unless somebody was faster to pause or cancel it."""
    told = {"code": error.code, "message": str(error), "param": error.param}
    judged = refusal(error.code, str(error), service_of(journal), error.findings, blind=error.blind)
    with contextlib.suppress(JobStoppedError), journal.change() as base:
        for remark in error.remarks:
            say(base, journal.place, remark.message, level=remark.level, data=remark.data)
        base.execute(
            "UPDATE job SET status='failed', finished_at=?, estimated_finish=NULL, error=?,"
            " verdict=? WHERE place=?",
            (int(time.time()), encoded(told), encoded(judged), journal.place),
        )
        verdict = "" if journal.trains else f"Verdict: {headline(judged)}. "
        says = f"{verdict}The job failed ({error.code}): {error}"
        say(base, journal.place, says, level="error", data={"error": told, "verdict": judged})


def _paused(journal: Journal, reason: str) -> None:
    """Pause the job, unless somebody was faster to pause or cancel it."""
    with contextlib.suppress(JobStoppedError), journal.change() as base:
        base.execute(
            "UPDATE job SET status='paused', estimated_finish=NULL WHERE place=?", (journal.place,)
        )
        says = f"The job was paused, for prompts get no answers any more ({reason}); resume it"
        say(base, journal.place, says, level="warn")


def _refuse_kind(journal: Journal) -> None:
    """Check the rows of a job that trains on answers, and say that it goes no further here.

    Raises:
        RefusedError: always.
    """
    kind = journal.request["kind"]
    remarks = check_examples(journal.files(), kind, journal.request["model"])
    raise RefusedError(
        "unsupported_method",
        f"the files are good for a {kind} job; only reinforcement jobs can be dry-run, for a {kind} "
        "job has no grader (--train trains it)",
        "method",
        remarks,
    )
