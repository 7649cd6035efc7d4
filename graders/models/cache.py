"""Replies on disk: one SQLite file that many processes read and write at once."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, Self

from graders.errors import UnavailableError
from graders.privacy import exposed, private_file, private_folder
from graders.sqlite import log_ahead, sqlite_problem

__all__ = ["ReplyCache"]

_VERSION: Final = 1
_BUSY_SECONDS: Final = 60.0


def _close(base: sqlite3.Connection, process: int) -> None:
    if os.getpid() != process:
        return  # After a fork it is the parent's still; SQLite forbids to touch it.
    with contextlib.suppress(sqlite3.Error):
        base.close()


def _problem(error: Exception) -> str:
    return sqlite_problem(error)[1] if isinstance(error, sqlite3.Error) else str(error)


class ReplyCache:
    """A map of request keys to replies, kept in a file for its owner alone.

    A reply stands under the request that was sent. Where that is not the one that was wanted, for
    the server refused a parameter, the cache says under the wanted one what was left out.

    A file that others may open stays as it is, for somebody may share it on purpose; a warning is
    logged where it is written to.

    Safe for many processes and threads. An entry is on its way to the disk when `put` returns; a
    killed process loses none, a power cut may lose the last ones and nothing else.

    Args:
        path: the file; made when missing, unless read only.
        read_only: whether nothing is ever written, not even beside the file.

    Raises:
        UnavailableError: the file cannot be opened or is something else.
    """

    is_far = False

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self._lock = threading.Lock()
        try:
            self._base = self._open(read_only=read_only)
        except (sqlite3.Error, OSError) as error:
            raise UnavailableError(
                f"the cache {path} cannot be opened: {_problem(error)}"
            ) from None
        # Who forgets to close it leaves nothing open, not even for Python's own warning.
        self._closed = weakref.finalize(self, _close, self._base, os.getpid())

    def _open(self, *, read_only: bool) -> sqlite3.Connection:
        place = self.path.resolve()
        if read_only:
            if not place.is_file():
                raise OSError("there is no such file")
            # A file that nobody writes to can be read where nothing may be written beside it.
            journal = place.with_name(place.name + "-wal")
            mode = "mode=ro" if journal.exists() else "mode=ro&immutable=1"
            address = f"{place.as_uri()}?{mode}"
        else:
            private_folder(place.parent)
            if not private_file(place) and (warning := exposed(place, "the cache")):
                logging.getLogger(__name__).warning("warning: %s", warning)
            address = f"{place.as_uri()}?mode=rwc"
        base = sqlite3.connect(
            address, uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            if not read_only:
                log_ahead(base, _BUSY_SECONDS)
                base.execute("PRAGMA synchronous=NORMAL")
                base.execute(
                    "CREATE TABLE IF NOT EXISTS reply"
                    " (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID"
                )
                base.execute(
                    "CREATE TABLE IF NOT EXISTS refusal"
                    " (key BLOB PRIMARY KEY, names TEXT NOT NULL) WITHOUT ROWID"
                )
                base.execute(f"PRAGMA user_version={_VERSION}")
            base.execute("SELECT value FROM reply WHERE key=?", (b"",)).fetchone()
        except BaseException:
            base.close()
            raise
        return base

    def get(self, key: bytes) -> bytes | None:
        """Return the reply to a request, None where there is none."""
        with self._lock:
            try:
                row = self._base.execute("SELECT value FROM reply WHERE key=?", (key,)).fetchone()
            except sqlite3.Error as error:
                raise UnavailableError(
                    f"the cache {self.path} cannot be read: {_problem(error)}"
                ) from None
        return bytes(row[0]) if row else None

    def refused(self, key: bytes) -> list[str]:
        """Return the parameters that a request was refused for; [] where it was not refused."""
        with self._lock:
            try:
                row = self._base.execute("SELECT names FROM refusal WHERE key=?", (key,)).fetchone()
            except sqlite3.OperationalError:  # A file of an older version, open to be read.
                return []
            except sqlite3.Error as error:
                raise UnavailableError(
                    f"the cache {self.path} cannot be read: {_problem(error)}"
                ) from None
        return str(row[0]).split() if row else []

    def put(
        self, key: bytes, value: bytes, *, wanted: bytes | None = None, without: Iterable[str] = ()
    ) -> None:
        """Keep the reply to a request.

        Args:
            key: the request as it was sent.
            value: the reply.
            wanted: the request as it should have been sent, and was refused.
            without: the parameters that it was refused for.
        """
        wanted = key if wanted is None else wanted
        with self._lock:
            try:
                self._base.execute("BEGIN IMMEDIATE")
                if wanted == key:
                    self._base.execute("DELETE FROM refusal WHERE key=?", (key,))
                else:  # A reply that an older version kept under what was not sent goes.
                    self._base.execute("DELETE FROM reply WHERE key=?", (wanted,))
                    names = " ".join(sorted(without))
                    self._base.execute(
                        "INSERT OR REPLACE INTO refusal VALUES (?, ?)", (wanted, names)
                    )
                self._base.execute("INSERT OR REPLACE INTO reply VALUES (?, ?)", (key, value))
                self._base.execute("COMMIT")
            except sqlite3.Error as error:
                if self._base.in_transaction:
                    self._base.rollback()
                raise UnavailableError(
                    f"the cache {self.path} cannot be written: {_problem(error)}"
                ) from None

    def values(self) -> Iterator[bytes]:
        """Yield every reply, in no order; for whoever has the file to himself."""
        for row in self._base.execute("SELECT value FROM reply"):
            yield bytes(row[0])

    def __len__(self) -> int:
        with self._lock:
            return int(self._base.execute("SELECT count(*) FROM reply").fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._closed()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
