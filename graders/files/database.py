"""One SQLite file that several processes and threads share: connections, transactions, schema."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from graders.files.disk import faults, unusable
from graders.privacy import close_to_others, private_file
from graders.sqlite import log_ahead
from graders.wire.error import ApiError

__all__ = ["VERSION", "Database"]

VERSION: Final = 4
_BUSY_SECONDS: Final = 60.0

# What was said to be done stays done through a power cut: synchronous=FULL. A place in a list is a
# number that is never given out again, so paging goes on after a row that was deleted meanwhile.
_JOBS: Final = """
CREATE TABLE file (
    place INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, created_at INTEGER NOT NULL,
    filename TEXT NOT NULL, purpose TEXT NOT NULL, bytes INTEGER NOT NULL, sha256 TEXT NOT NULL,
    expires_at INTEGER, gone INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE job (
    place INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, created_at INTEGER NOT NULL,
    status TEXT NOT NULL, served INTEGER NOT NULL, training_file TEXT NOT NULL, validation_file TEXT,
    request TEXT NOT NULL, validated INTEGER NOT NULL DEFAULT 0, begun_at INTEGER,
    hyperparameters TEXT, resolved TEXT, findings TEXT, step INTEGER NOT NULL DEFAULT 0, total_steps INTEGER,
    estimated_finish INTEGER, finished_at INTEGER, error TEXT,
    result_files TEXT NOT NULL DEFAULT '[]', verdict TEXT
);
CREATE INDEX job_by_status ON job (status, place);
CREATE TABLE job_metadata (
    name BLOB NOT NULL, value BLOB NOT NULL, job INTEGER NOT NULL, PRIMARY KEY (name, value, job)
) WITHOUT ROWID;
CREATE TABLE event (
    place INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, job INTEGER NOT NULL,
    created_at INTEGER NOT NULL, level TEXT NOT NULL, message TEXT NOT NULL, type TEXT NOT NULL,
    data TEXT NOT NULL
);
CREATE INDEX event_of_job ON event (job, place);
CREATE TABLE checkpoint (
    place INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, job INTEGER NOT NULL,
    created_at INTEGER NOT NULL, step INTEGER NOT NULL, name TEXT UNIQUE NOT NULL,
    metrics TEXT NOT NULL, reward REAL, gone INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX checkpoint_of_job ON checkpoint (job, place);
CREATE TABLE permission (
    place INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, created_at INTEGER NOT NULL,
    checkpoint INTEGER NOT NULL, project TEXT NOT NULL, gone INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX permission_of_checkpoint ON permission (checkpoint, place);
CREATE TABLE step (
    job INTEGER NOT NULL, step INTEGER NOT NULL, train_mean REAL, valid_mean REAL,
    PRIMARY KEY (job, step)
) WITHOUT ROWID;
CREATE TABLE rollout (
    job INTEGER NOT NULL, split INTEGER NOT NULL, draw INTEGER NOT NULL, line INTEGER NOT NULL,
    sample INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (job, split, draw, line, sample)
) WITHOUT ROWID;
CREATE TABLE grade (
    job INTEGER NOT NULL, split INTEGER NOT NULL, draw INTEGER NOT NULL, line INTEGER NOT NULL,
    sample INTEGER NOT NULL, reward REAL, body TEXT NOT NULL, seconds REAL NOT NULL,
    PRIMARY KEY (job, split, draw, line, sample)
) WITHOUT ROWID;
"""
# An item's place is its row's number in the run, so that pages come in the order of the rows however
# they were graded.
_EVALS: Final = """
CREATE TABLE eval (
    place INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL, name TEXT NOT NULL, metadata TEXT, source TEXT NOT NULL,
    criteria TEXT NOT NULL, gone INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE run (
    place INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, created_at INTEGER NOT NULL,
    eval INTEGER NOT NULL, status TEXT NOT NULL, served INTEGER NOT NULL, name TEXT NOT NULL,
    metadata TEXT, model TEXT, source TEXT NOT NULL, criteria TEXT NOT NULL, file TEXT, stored_until INTEGER,
    counts TEXT NOT NULL, error TEXT, finished_at INTEGER, imported INTEGER NOT NULL DEFAULT 0,
    gone INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX run_of_eval ON run (eval, place);
CREATE INDEX run_by_status ON run (status, place);
CREATE TABLE answer (
    run INTEGER NOT NULL, place INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (run, place)
) WITHOUT ROWID;
CREATE TABLE item (
    run INTEGER NOT NULL, place INTEGER NOT NULL, id TEXT UNIQUE NOT NULL,
    created_at INTEGER NOT NULL, status TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (run, place)
);
CREATE INDEX item_by_status ON item (run, status, place);
CREATE TABLE stored (
    place INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, created_at INTEGER NOT NULL,
    kind TEXT NOT NULL, model TEXT NOT NULL, metadata TEXT, request TEXT NOT NULL, response TEXT NOT NULL,
    gone INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX stored_by_kind ON stored (kind, place);
"""
# A job that trains has a plan, a dry run has none.
_TRAINING: Final = """
ALTER TABLE job ADD COLUMN training TEXT;
ALTER TABLE job ADD COLUMN fine_tuned_model TEXT;
ALTER TABLE job ADD COLUMN trained_tokens INTEGER;
ALTER TABLE step ADD COLUMN metrics TEXT;
CREATE INDEX job_by_fine_tuned_model ON job (fine_tuned_model)
"""
# The span of the request that created it, as `traceparent` names it.
_ASKED: Final = """
ALTER TABLE job ADD COLUMN traceparent TEXT;
ALTER TABLE run ADD COLUMN traceparent TEXT
"""
_SCHEMAS: Final = (_JOBS, _EVALS, _TRAINING, _ASKED)
"""What each version added."""


class _Held:
    """A thread's connection, closed when its thread ends."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def close(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self.connection.close()

    def __del__(self) -> None:
        self.close()


class Database:
    """The tables of a store. Each thread has a connection of its own.

    Args:
        path: the file; made when missing.

    Raises:
        ApiError: it cannot be opened, is something else, or was made by a newer version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mine = threading.local()
        self._all: weakref.WeakSet[_Held] = weakref.WeakSet()
        self._lock = threading.Lock()
        with faults(path):
            private_file(path)
            close_to_others(path)
            self._file = _identity(path)
        with self.writing() as base:
            self._prepare(base)

    def _prepare(self, base: sqlite3.Connection) -> None:
        version = base.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise ApiError(
                500,
                f"{self.path} was made by a newer version of graders (its schema is {version}, "
                f"this one reads {VERSION}); update graders, or name another folder",
                "server_error",
            )
        if version == 0 and base.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise ApiError(
                500, f"{self.path} is the database of another program; name another folder",
                "server_error",
            )  # fmt: skip
        for added in _SCHEMAS[version:]:
            for statement in added.split(";"):
                base.execute(statement)
        base.execute(f"PRAGMA user_version={VERSION}")

    def close(self) -> None:
        """Close every thread's connection."""
        with self._lock:
            held = list(self._all)
        for one in held:
            one.close()
        self._mine = threading.local()

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give a connection whose queries see one state of the store."""
        with self._faults():
            base = self._connection()
            if base.in_transaction:
                yield base
                return
            base.execute("BEGIN")
            try:
                yield base
            finally:
                base.rollback()

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give a connection that nobody else writes beside; all of it is kept, or nothing."""
        with self._faults():
            base = self._connection()
            base.execute("BEGIN IMMEDIATE")
            try:
                yield base
                base.commit()
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    base.rollback()
                raise

    def _connection(self) -> sqlite3.Connection:
        self._check_there()
        held: _Held | None = getattr(self._mine, "held", None)
        if held is None or self._mine.process != os.getpid():
            held = _Held(self._connected())
            self._mine.held, self._mine.process = held, os.getpid()
            with self._lock:
                self._all.add(held)
        return held.connection

    def _check_there(self) -> None:
        """Refuse to write what nobody would find: the file may be removed while it is open.

        Raises:
            ApiError: it is gone, or another one has its name.
        """
        with contextlib.suppress(OSError):
            if _identity(self.path) == self._file:
                return
        raise ApiError(
            503, f"the store {self.path} was removed or replaced while it was in use; start again",
            "server_error",
        )  # fmt: skip

    def _connected(self) -> sqlite3.Connection:
        base = sqlite3.connect(
            f"{self.path.as_uri()}?mode=rw", uri=True, timeout=_BUSY_SECONDS, isolation_level=None,
            check_same_thread=False,
        )  # fmt: skip
        try:
            base.row_factory = sqlite3.Row
            log_ahead(base, _BUSY_SECONDS)
            base.execute("PRAGMA synchronous=FULL")
            base.execute("PRAGMA cache_size=-256")  # kB; every thread has a cache of its own.
        except BaseException:
            base.close()
            raise
        return base

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        """Say in a sentence what SQLite says."""
        try:
            yield
        except sqlite3.Error as error:
            raise unusable(self.path, error) from None


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino
