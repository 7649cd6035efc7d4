"""What a store keeps, and taking away what is old: never what work that is not finished needs."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from graders.files.file import RESULTS, user_of
from graders.jobs.job import FINISHED
from graders.jobs.store import TRAINING, Store
from graders.wire.error import ApiError

__all__ = ["KINDS", "KeptItem", "Kind", "kept", "remove", "remove_run"]

Kind = Literal["files", "results", "jobs", "runs", "calls"]
KINDS: Final[tuple[Kind, ...]] = ("files", "results", "jobs", "runs", "calls")
_OVER: Final = ("completed", "failed", "canceled")
_TABLES: Final = ("job_metadata", "event", "step", "rollout", "grade")
_IDLE: Final = 2 * 3600.0  # Seconds after which parts of an upload cannot be completed any more.


@dataclass(frozen=True, slots=True)
class KeptItem:
    """One thing that a store keeps.

    Attributes:
        kind: uploaded files and parts of files, results of jobs, jobs, runs of evals, or calls of
            models that were recorded.
        id: its id.
        name: what its owner calls it.
        bytes: what it takes; 0 for a job or a run, whose entries the database holds.
        at: when it was made, or the job or run finished; seconds since 1970.
        needed: whether work needs it that is not finished, or it is such work.
    """

    kind: Kind
    id: str
    name: str
    bytes: int
    at: int
    needed: bool


def kept(store: Store) -> Iterator[KeptItem]:
    """Yield everything a store keeps, the oldest of each kind first."""
    with store.database.reading() as base:
        for row in base.execute("SELECT * FROM file WHERE NOT gone ORDER BY place").fetchall():
            kind: Kind = "results" if row["purpose"] == RESULTS else "files"
            needed = user_of(base, row["id"]) is not None
            yield KeptItem(
                kind, row["id"], row["filename"], row["bytes"], row["created_at"], needed
            )
        for row in base.execute("SELECT * FROM job ORDER BY place").fetchall():
            at = row["finished_at"] or row["created_at"]
            yield KeptItem("jobs", row["id"], row["status"], 0, at, row["status"] not in FINISHED)
        query = "SELECT * FROM run WHERE NOT gone ORDER BY place"
        for row in base.execute(query).fetchall():
            at, needed = row["finished_at"] or row["created_at"], row["status"] not in _OVER
            yield KeptItem("runs", row["id"], row["name"] or row["status"], 0, at, needed)
        query = "SELECT id, model, created_at, length(request) + length(response) AS size FROM stored ORDER BY place"
        for row in base.execute(query).fetchall():
            yield KeptItem("calls", row["id"], row["model"], row["size"], row["created_at"], False)
    with contextlib.suppress(OSError):
        for place in sorted((store.folder / "uploads").iterdir()):
            with contextlib.suppress(OSError):
                at = place.stat().st_mtime
                size = sum(part.stat().st_size for part in place.iterdir())
                needed = time.time() - at < _IDLE
                yield KeptItem("files", place.name, "(an upload in parts)", size, int(at), needed)


def remove(store: Store, things: Sequence[KeptItem]) -> list[KeptItem]:
    """Take these away and return those that are gone; what is needed meanwhile stays."""
    gone = [one for one in things if not one.needed and _remove(store, one)]
    if any(one.kind in ("jobs", "runs", "calls") for one in gone):
        with contextlib.suppress(ApiError, sqlite3.Error):
            _shrink(store)
    return gone


def _remove(store: Store, one: KeptItem) -> bool:
    try:
        if one.kind == "jobs":
            return _remove_job(store, one.id)
        if one.kind == "runs":
            return _remove_run(store, one.id)
        if one.kind == "calls":
            with store.database.writing() as base:
                return base.execute("DELETE FROM stored WHERE id=?", (one.id,)).rowcount == 1
        if one.id.startswith("upload_"):
            shutil.rmtree(store.folder / "uploads" / one.id)
        else:
            store.files.delete(one.id)
    except (ApiError, OSError):
        return False
    return True


def _remove_job(store: Store, name: str) -> bool:
    with store.jobs.claim(name) as claim:
        if not claim.held:
            return False
        with store.database.writing() as base:
            row = base.execute("SELECT * FROM job WHERE id=?", (name,)).fetchone()
            if row is None or row["status"] not in FINISHED:
                return False
            place: Any = (row["place"],)
            base.execute(
                "DELETE FROM permission WHERE checkpoint IN (SELECT place FROM checkpoint WHERE job=?)",
                place,
            )
            for table in (*_TABLES, "checkpoint"):
                base.execute(f"DELETE FROM {table} WHERE job=?", place)  # noqa: S608
            base.execute("DELETE FROM job WHERE place=?", place)
        shutil.rmtree(store.folder / TRAINING / name, ignore_errors=True)
        claim.release(finished=True)
    return True


def _remove_run(store: Store, name: str) -> bool:
    with store.database.writing() as base:
        row = base.execute("SELECT * FROM run WHERE id=? AND NOT gone", (name,)).fetchone()
        if row is None or row["status"] not in _OVER:
            return False
        remove_run(base, row["place"])
    return True


def remove_run(base: sqlite3.Connection, place: int) -> None:
    """Take a run's items and answers away; whoever runs it stops when it looks next."""
    for table in ("item", "answer"):
        base.execute(f"DELETE FROM {table} WHERE run=?", (place,))  # noqa: S608
    base.execute("UPDATE run SET gone=1, source='{}', status='canceled' WHERE place=?", (place,))


def _shrink(store: Store) -> None:
    """Give the disk what the database does not need any more, unless others are busy with it."""
    with contextlib.closing(sqlite3.connect(store.database.path, timeout=1.0)) as base:
        base.execute("VACUUM")
        base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
