"""Jobs: created, listed, cancelled, paused and resumed; their events and checkpoints.

All of a job is in the store. What a job becomes next is one transaction, with the events that say
so, so that a process killed at any instant has either said and done it, or neither.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from graders import jsontext
from graders.files import file as files
from graders.files.database import Database
from graders.files.identifier import is_identifier, new_identifier
from graders.files.lock import Claim
from graders.files.quota import Quota
from graders.inspection.lint import Target
from graders.jobs.request import JobRequest
from graders.wire.error import no_job, refused
from graders.wire.page import Page, page, size_of

__all__ = ["AGAIN", "FINISHED", "NOTE", "RUNNABLE", "Jobs", "Level", "progress_of", "say"]

RUNNABLE: Final = ("validating_files", "queued", "running")
FINISHED: Final = ("succeeded", "failed", "cancelled")
AGAIN: Final = (
    "disk_full", "out_of_memory", "process_lost", "training_failed", "training_unavailable",
)  # fmt: skip
"""The codes of jobs that train and failed for want of something: with that they can be resumed."""

TRAINED: Final = (
    "Trained on this machine by graders; the hosted service trains by rules of its own."
)
NOTE: Final = "A local dry run: rollouts were graded as the job would grade them, and no weights were trained."
Level = Literal["info", "warn", "error"]


class Jobs:
    """The jobs of a store.

    Args:
        database: the tables.
        locks: the folder of the locks.
        quota: what all of the store may take.
    """

    def __init__(self, database: Database, locks: Path, quota: Quota) -> None:
        self._quota = quota
        self._database = database
        self._locks = locks

    def create(
        self,
        body: Any,
        *,
        served: bool = True,
        target: Target = "local",
        trains: bool = False,
        traceparent: str = "",
    ) -> dict[str, Any]:
        """Return the object of a new job, which waits for whoever runs it.

        Args:
            body: the body of `fine_tuning.jobs.create`.
            served: whether servers run it; else only who asks for it by name, with options of
                their own.
            target: the service whose rules its verdict is to count; `local` for none's.
            trains: whether the job trains its model; else it is a dry run.
            traceparent: the span of the request that creates it; "" for none.

        Raises:
            ApiError: the body has faults, or names a file that is not there (400), or the store is
                too large (413).
        """
        request = JobRequest.parse(body, trains=trains)
        name, now = new_identifier("ftjob-"), int(time.time())
        with self._database.writing() as base:
            self._quota.check(base)
            for param in ("training_file", "validation_file"):
                _check_file(base, getattr(request, param), param)
            made = base.execute(
                "INSERT INTO job (id, created_at, status, served, training_file, validation_file,"
                " request, training, traceparent)"
                " VALUES (?, ?, 'validating_files', ?, ?, ?, ?, ?, ?)",
                (
                    name, now, served, request.training_file, request.validation_file,
                    encoded({**request.to_dict(), "target": target}),
                    encoded({}) if trains else None, traceparent,
                ),
            )  # fmt: skip
            place = int(made.lastrowid or 0)
            for key, value in (request.metadata or {}).items():
                base.execute(
                    "INSERT INTO job_metadata VALUES (?, ?, ?)",
                    (_exact(key), _exact(value), place),
                )
            say(base, place, f"Created fine-tuning job: {name}")
            for one in () if trains else request.integrations or ():
                project = one["wandb"]["project"]
                say(
                    base, place,
                    f"The {one['type']} integration is not contacted by a dry run; project "
                    f"{project} gets nothing", level="warn",
                )  # fmt: skip
            also = f" and validation file: {request.validation_file}"
            says = f"Validating training file: {request.training_file}"
            say(base, place, says + (also if request.validation_file else ""))
            return shape(_row(base, name))

    def get(self, name: str) -> dict[str, Any]:
        """Return a job's object.

        Raises:
            ApiError: there is no such job (404).
        """
        with self._database.reading() as base:
            return shape(_row(base, name))

    def list(
        self,
        after: str | None = None,
        limit: int | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Page:
        """Return a page of jobs, newest first, and whether more follow.

        Args:
            after: the id of the last job of the page before.
            limit: 0 to 100; 20 by default.
            metadata: only jobs with all of these pairs.

        Raises:
            ApiError: an argument cannot be one (400).
        """
        size = size_of(limit, 20, 100)
        where, values = "1", list[Any]()
        for key, value in (metadata or {}).items():
            where += " AND place IN (SELECT job FROM job_metadata WHERE name=? AND value=?)"
            values += [_exact(key), _exact(value)]
        with self._database.reading() as base:
            rows, more = page(base, "job", where, values, after=_plain(after), size=size)
        return [shape(row) for row in rows], more

    def cancel(self, name: str) -> dict[str, Any]:
        """Cancel a job and return its object; what was graded so far is kept.

        Raises:
            ApiError: there is no such job (404), or it is finished (400).
        """
        with self._database.writing() as base:
            row = _row(base, name)
            _check_unfinished(row, "cancelled")
            base.execute(
                "UPDATE job SET status='cancelled', finished_at=?, estimated_finish=NULL"
                " WHERE place=?",
                (int(time.time()), row["place"]),
            )
            say(base, row["place"], "The job was cancelled")
            return shape(_row(base, name))

    def pause(self, name: str) -> dict[str, Any]:
        """Pause a job and return its object; whoever runs it stops before the next step.

        Raises:
            ApiError: there is no such job (404), or it is paused already or finished (400).
        """
        with self._database.writing() as base:
            row = _row(base, name)
            _check_unfinished(row, "paused")
            if row["status"] == "paused":
                raise refused(f"the job {name} is paused already", code="job_not_pausable")
            base.execute(
                "UPDATE job SET status='paused', estimated_finish=NULL WHERE place=?",
                (row["place"],),
            )
            say(base, row["place"], "The job was paused")
            return shape(_row(base, name))

    def resume(self, name: str, *, served: bool = True) -> dict[str, Any]:
        """Let a paused job go on where it was, and return its object.

        One that trains and failed for want of room, memory or the like goes on from its last
        checkpoint.

        Args:
            name: its id.
            served: whether servers run it from now on.

        Raises:
            ApiError: there is no such job (404), or it is neither (400).
        """
        with self._database.writing() as base:
            row = _row(base, name)
            if row["status"] != "paused" and not _can_be_tried_again(row):
                raise refused(
                    f"the job {name} is {row['status']}; only a paused job can be resumed",
                    code="job_not_resumable",
                )
            base.execute(
                "UPDATE job SET status='queued', served=?, finished_at=NULL, error=NULL, verdict=NULL"
                " WHERE place=?",
                (served, row["place"]),
            )
            say(base, row["place"], "The job was resumed")
            return shape(_row(base, name))

    def events(self, name: str, after: str | None = None, limit: int | None = None) -> Page:
        """Return a page of a job's events, newest first, and whether more follow.

        Raises:
            ApiError: there is no such job (404), or an argument cannot be one (400).
        """
        size = size_of(limit, 20, 100)
        with self._database.reading() as base:
            place = _row(base, name)["place"]
            rows, more = page(base, "event", "job=?", [place], after=_plain(after), size=size)
        return [_shape_event(row) for row in rows], more

    def checkpoints(self, name: str, after: str | None = None, limit: int | None = None) -> Page:
        """Return a page of a job's checkpoints, newest first, and whether more follow.

        Raises:
            ApiError: there is no such job (404), or an argument cannot be one (400).
        """
        size = size_of(limit, 10, 100)
        with self._database.reading() as base:
            row = _row(base, name)
            rows, more = page(
                base, "checkpoint", "job=? AND NOT gone", [row["place"]],
                after=_plain(after), size=size,
            )  # fmt: skip
        return [_shape_checkpoint(one, row) for one in rows], more

    def last_event(self, name: str) -> str:
        """Return what a job has said last; "" where it has said nothing.

        Raises:
            ApiError: there is no such job (404).
        """
        with self._database.reading() as base:
            found = base.execute(
                "SELECT message FROM event WHERE job=? ORDER BY place DESC LIMIT 1",
                (_row(base, name)["place"],),
            ).fetchone()
        return "" if found is None else str(found["message"])

    def runnable(self, *, trains: bool = False) -> Sequence[str]:
        """Return the ids of the jobs that wait for a server or are run by one, oldest first.

        Args:
            trains: whether of those that train, or of dry runs.
        """
        given = "NOT NULL" if trains else "NULL"
        marks = ", ".join("?" * len(RUNNABLE))
        with self._database.reading() as base:
            query = (
                f"SELECT id FROM job WHERE served AND training IS {given}"  # noqa: S608
                f" AND status IN ({marks}) ORDER BY place"
            )
            rows = base.execute(query, RUNNABLE).fetchall()
        return [row["id"] for row in rows]

    def claim(self, name: str, *, inherited: int | None = None) -> Claim:
        """Return the right to run a job; `held` says whether it was free.

        Args:
            name: its id.
            inherited: a descriptor that holds the right, from the process that started this one.

        Raises:
            ApiError: there is no such job (404).
        """
        with self._database.reading() as base:
            name = _row(base, name)["id"]
        return Claim(self._locks / name, inherited=inherited)


def say(
    base: sqlite3.Connection,
    place: int,
    message: str,
    *,
    level: Level = "info",
    data: Mapping[str, Any] | None = None,
    kind: Literal["message", "metrics"] = "message",
) -> None:
    """Enter an event of a job."""
    base.execute(
        "INSERT INTO event (id, job, created_at, level, message, type, data)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            new_identifier("ftevent-"), place, int(time.time()), level, _plain(message), kind,
            encoded(dict(data or {})),
        ),
    )  # fmt: skip


def shape(row: sqlite3.Row) -> dict[str, Any]:
    """Return a job as the API shows it, with what a dry run, or training here, adds."""
    request = jsontext.decode(row["request"])
    method, kind = request["method"], request["kind"]
    if row["hyperparameters"] is not None:
        method[kind]["hyperparameters"] = jsontext.decode(row["hyperparameters"])
    supervised = method[kind]["hyperparameters"] if kind == "supervised" else {}
    done = row["status"] in FINISHED
    return {
        "id": row["id"],
        "object": "fine_tuning.job",
        **_shape_run(row, request),
        "created_at": row["created_at"],
        "finished_at": row["finished_at"],
        "status": row["status"],
        "model": request["model"],
        "fine_tuned_model": row["fine_tuned_model"],
        "organization_id": "org-local",
        "training_file": row["training_file"],
        "validation_file": row["validation_file"],
        "result_files": jsontext.decode(row["result_files"]),
        "trained_tokens": (row["trained_tokens"] or 0) if done else None,
        "error": None if row["error"] is None else jsontext.decode(row["error"]),
        "hyperparameters": supervised,
        "method": method,
        "seed": request["seed"],
        "estimated_finish": row["estimated_finish"],
        "integrations": request["integrations"],
        "metadata": request["metadata"],
        "user_provided_suffix": request["suffix"],
        # Not in the API reference, but in real answers:
        "eval_id": None,
        "shared_with_openai": False,
    }


def progress_of(job: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a job's object says of its run: weights_trained, note, step, total_steps, verdict."""
    found: Mapping[str, Any] = job.get("training") or job["dry_run"]
    return found


def _shape_run(row: sqlite3.Row, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the API does not have: how far a job is, and whether it is a dry run."""
    verdict = None if row["verdict"] is None else jsontext.decode(row["verdict"])
    steps = {"step": row["step"], "total_steps": row["total_steps"]}
    if row["training"] is None:
        target = request.get("target", "local")
        told = {"verdict": verdict, "target": target, "weights_trained": False, "note": NOTE}
        return {"dry_run": {**told, **steps}}
    plan = jsontext.decode(row["training"])
    shown = {name: plan[name] for name in ("base", "full", "settings") if name in plan}
    trained = {"weights_trained": row["step"] > 0, "note": TRAINED, "verdict": verdict}
    return {"dry_run": None, "training": {**trained, **steps, **shown}}


def encoded(value: Any) -> str:
    """Return a JSON value as text."""
    return jsontext.encode(value).decode()


def _row(base: sqlite3.Connection, name: Any) -> sqlite3.Row:
    found: sqlite3.Row | None = None
    if isinstance(name, str) and is_identifier(name):
        found = base.execute("SELECT * FROM job WHERE id=?", (name,)).fetchone()
    if found is None:
        raise no_job(str(name))
    return found


def _check_file(base: sqlite3.Connection, name: str | None, param: str) -> None:
    if name is None:
        return
    found = files.live(base, name)
    if found is None:
        raise refused(
            f"{param}: there is no file {name!a:.140}; upload it first, with purpose fine-tune",
            param, "invalid_file_id",
        )  # fmt: skip
    if found["purpose"] != "fine-tune":
        raise refused(
            f"{param}: the file {name} has the purpose {found['purpose']}; a job reads files of "
            "purpose fine-tune",
            param,
            "invalid_file_purpose",
        )


def _can_be_tried_again(row: sqlite3.Row) -> bool:
    """Return whether a job trains and failed for want of something that may be there now."""
    if row["training"] is None or row["status"] != "failed":
        return False
    return jsontext.decode(row["error"] or "{}").get("code") in AGAIN


def _check_unfinished(row: sqlite3.Row, what: str) -> None:
    if row["status"] in FINISHED:
        raise refused(
            f"the job {row['id']} is {row['status']} and cannot be {what} any more",
            code="job_already_finished",
        )


def _shape_event(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "object": "fine_tuning.job.event",
        "created_at": row["created_at"],
        "level": row["level"],
        "message": row["message"],
        "type": row["type"],
        "data": jsontext.decode(row["data"]),
    }


def _shape_checkpoint(row: sqlite3.Row, job: sqlite3.Row) -> dict[str, Any]:
    trains = job["training"] is not None
    return {
        "id": row["id"],
        "object": "fine_tuning.job.checkpoint",
        "created_at": row["created_at"],
        "fine_tuned_model_checkpoint": row["name"],
        "fine_tuning_job_id": job["id"],
        "step_number": row["step"],
        "metrics": jsontext.decode(row["metrics"]),
        "weights_trained": trains,
        "note": TRAINED if trains else NOTE,
    }


def _plain(text: str | None) -> Any:
    """Return a text as SQLite can hold it: without half surrogates."""
    return None if text is None else str(text).encode(errors="replace").decode()


def _exact(text: str) -> bytes:
    """Return a text as bytes that keep all of it, for comparing."""
    return str(text).encode("utf-8", "surrogatepass")
