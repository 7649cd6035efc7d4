"""What SQLite leaves to whoever shares a file: its errors as words of ours, and its log written ahead."""

from __future__ import annotations

import sqlite3
import time
from typing import Final

__all__ = ["log_ahead", "sqlite_problem"]

_PROBLEMS: Final = {
    5: "database is locked",
    6: "database table is locked",
    8: "attempt to write a readonly database",
    10: "disk I/O error",
    11: "database disk image is malformed",
    13: "database or disk is full",
    14: "unable to open database file",
    26: "file is not a database",
}
_LOCKED: Final = (5, 6)


def sqlite_problem(error: Exception) -> tuple[int, str]:
    """Return SQLite's code of an error, 0 for none, and what it means."""
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    return code, _PROBLEMS.get(code, f"SQLite refuses with {type(error).__name__}")


def log_ahead(base: sqlite3.Connection, seconds: float) -> None:
    """Let readers and a writer work beside each other.

    A file's first switch needs it alone, and SQLite does not wait for another's there, whatever the
    connection's timeout: of two processes that open a new file at once, one would fail.

    Args:
        base: a connection.
        seconds: how long to wait for others.

    Raises:
        sqlite3.Error: it cannot be switched.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            base.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if sqlite_problem(error)[0] not in _LOCKED or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
