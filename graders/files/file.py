"""Files: streamed to disk, checksummed, listed, deleted.

A blob is named by its id, never by what somebody outside calls it. It is written beside under
another name, brought to the disk, renamed, and then stands in the table; what a killed process left
without an entry is swept away later.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Final

from graders.errors import nearest, quoted
from graders.files.database import Database
from graders.files.disk import faults, new_file
from graders.files.identifier import is_identifier, new_identifier
from graders.files.quota import Quota
from graders.privacy import close_to_others
from graders.wire.error import ApiError, conflict, no_file, refused
from graders.wire.page import is_descending, page, size_of

__all__ = ["LIMIT", "PURPOSES", "Files", "lasts_of"]

LIMIT: Final = 512 << 20
"""Bytes of the largest file, as the hosted service has it."""

PURPOSES: Final = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
RESULTS: Final = "fine-tune-results"
_BATCH_SECONDS: Final = 30 * 86400
_SHORTEST: Final = 3600
_LONGEST: Final = 30 * 86400
_PIECE: Final = 1 << 20
_LEFT_OVER: Final = 3600.0  # Seconds after which what no entry knows is nobody's upload any more.
_LONGEST_NAME: Final = 1024
UNFINISHED: Final = ("validating_files", "queued", "running", "paused", "in_progress")


class Files:
    """The files of a store.

    Args:
        database: the tables.
        folder: where the blobs are.
        quota: what all of the store may take.
    """

    def __init__(self, database: Database, folder: Path, quota: Quota) -> None:
        self._database = database
        self._folder = folder
        self._quota = quota
        self.sweep()

    def create(
        self,
        content: IO[bytes] | Iterable[bytes],
        *,
        filename: str,
        purpose: Any,
        expires_after: Mapping[str, Any] | None = None,
        limit: int = LIMIT,
        replaced: int = 0,
        name: str | None = None,
    ) -> dict[str, Any]:
        """Return the object of a new file.

        Args:
            content: a binary stream, or pieces of bytes; read once, a piece at a time.
            filename: what its owner calls it; only shown, never a path.
            purpose: one of PURPOSES.
            expires_after: `{"anchor": "created_at", "seconds": 3600 to 2592000}`.
            limit: bytes it may have.
            replaced: bytes that the store has already and gives up for it.
            name: the id that it brings along; None for a new one.

        Raises:
            ApiError: purpose or expires_after are wrong (400), it or the store is too large (413),
                or it cannot be written (503, 507).
        """
        if purpose not in PURPOSES:
            near = nearest(purpose, PURPOSES) if isinstance(purpose, str) else None
            hint = f"did you mean {near}?" if near else f"it is one of {', '.join(PURPOSES)}"
            raise refused(f"{quoted(purpose)} is no purpose of a file; {hint}", "purpose")
        lasts = lasts_of(expires_after)
        if lasts is None and purpose == "batch":
            lasts = _BATCH_SECONDS
        too_much = ApiError(
            413, f"the file is larger than the {limit:,} bytes allowed", param="file",
            code="file_too_large",
        )  # fmt: skip
        free = None if replaced else self._free()
        if free is not None and free < limit:
            limit, too_much = free, self._quota.excess()
        with (
            self.written(content, limit, too_much, name) as (made, size, digest),
            self._database.writing() as base,
        ):
            if not replaced:
                self._quota.check(base, size)
            insert(
                base, made, filename=filename, purpose=purpose, size=size, digest=digest,
                lasts=lasts,
            )  # fmt: skip
        return self.get(made)

    def _free(self) -> int | None:
        """Return how many bytes more the store may take, once what has expired is gone."""
        with self._database.reading() as base:
            free = self._quota.free(base)
        if free is None or free > LIMIT:
            return free
        self.sweep()
        with self._database.reading() as base:
            self._quota.check(base)
            return self._quota.free(base)

    @contextlib.contextmanager
    def written(
        self,
        content: IO[bytes] | Iterable[bytes],
        limit: int | None = None,
        too_much: ApiError | None = None,
        name: str | None = None,
    ) -> Iterator[tuple[str, int, str]]:
        """Write a blob and give its id, size and sha256, to be entered into the table inside.

        Where entering it fails, or it has more bytes than its limit, the blob is taken away again.
        """
        name = name or new_identifier("file-")
        blob, part = self._folder / name, self._folder / f".part-{secrets.token_hex(12)}"
        try:
            size, digest = self._write(part, content, limit, too_much)
            with faults(self._folder):
                part.rename(blob)
                _sync_folder(self._folder)
            yield name, size, digest
        except BaseException:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
                blob.unlink(missing_ok=True)
            raise

    def _write(
        self,
        part: Path,
        content: IO[bytes] | Iterable[bytes],
        limit: int | None,
        too_much: ApiError | None,
    ) -> tuple[int, str]:
        size, digest = 0, hashlib.sha256()
        with new_file(part, of=self._folder) as write:
            for piece in _pieces(content):
                size += len(piece)
                if limit is not None and too_much is not None and size > limit:
                    raise too_much
                digest.update(piece)
                write(piece)
        return size, digest.hexdigest()

    def get(self, name: str) -> dict[str, Any]:
        """Return a file's object.

        Raises:
            ApiError: there is no such file (404).
        """
        with self._database.reading() as base:
            return shape(self._row(base, name))

    def path(self, name: str) -> Path:
        """Return where a file's content stands.

        Raises:
            ApiError: there is no such file (404).
        """
        with self._database.reading() as base:
            found = self._row(base, name)
        path = self._folder / str(found["id"])
        if not path.is_file():
            raise ApiError(
                503, f"the content of {name} was removed from the store's folder", "server_error"
            )
        return path

    def blob(self, name: str) -> Path:
        """Return where a file's content stands or stood, also of one that has expired."""
        return self._folder / name

    def list(
        self,
        after: str | None = None,
        limit: int | None = None,
        order: str | None = None,
        purpose: str | None = None,
    ) -> tuple[list[dict[str, Any]], bool]:
        """Return a page of files, and whether more follow.

        Args:
            after: the id of the last file of the page before.
            limit: 0 to 10,000, which is also the default.
            order: `asc` or `desc` by age; newest first by default.
            purpose: only files of this purpose.

        Raises:
            ApiError: an argument cannot be one (400).
        """
        size, descending = size_of(limit, 10_000, 10_000), is_descending(order)
        where, values = "NOT gone AND (expires_at IS NULL OR expires_at > ?)", [int(time.time())]
        if purpose is not None:
            where, values = f"{where} AND purpose = ?", [*values, _plain(purpose)]
        with self._database.reading() as base:
            rows, more = page(
                base, "file", where, values, after=_plain(after), size=size, descending=descending
            )
        return [shape(row) for row in rows], more

    def find(self, digest: str, purpose: str) -> dict[str, Any] | None:
        """Return the newest file of a purpose that has a sha256 and does not expire."""
        with self._database.reading() as base:
            found = base.execute(
                "SELECT * FROM file WHERE sha256=? AND purpose=? AND NOT gone"
                " AND expires_at IS NULL ORDER BY place DESC LIMIT 1",
                (digest, purpose),
            ).fetchone()
        return None if found is None else shape(found)

    def delete(self, name: str) -> dict[str, Any]:
        """Delete a file and return the hosted confirmation.

        Raises:
            ApiError: there is no such file (404), or a job or run that is not finished uses it (409).
        """
        with self._database.writing() as base:
            found = self._row(base, name)
            user = user_of(base, name)
            if user is not None:
                raise conflict(
                    f"the {user['what']} {user['id']}, which is {user['status']}, uses {name}; cancel it "
                    "first, or wait for its end",
                    "id",
                    "file_in_use",
                )
            base.execute("UPDATE file SET gone=1 WHERE place=?", (found["place"],))
        self._remove(name)
        return {"id": name, "object": "file", "deleted": True}

    def _row(self, base: sqlite3.Connection, name: str) -> sqlite3.Row:
        found = live(base, name)
        if found is None:
            raise no_file(name)
        return found

    def _remove(self, name: str) -> None:
        with contextlib.suppress(OSError):
            (self._folder / name).unlink(missing_ok=True)

    def sweep(self) -> None:
        """Take away what has expired, and what a killed process left behind."""
        now = time.time()
        with self._database.reading() as base:
            expired = base.execute(
                "SELECT id FROM file WHERE NOT gone AND expires_at <= ?", (int(now),)
            ).fetchall()
        for row in expired:
            with self._database.writing() as base:
                unused = user_of(base, row["id"]) is None
                if unused:
                    base.execute("UPDATE file SET gone=1 WHERE id=?", (row["id"],))
            if unused:
                self._remove(row["id"])
        try:
            with os.scandir(self._folder) as found:
                entries = [(one.name, one.stat(follow_symlinks=False)) for one in found]
        except OSError:
            return  # Somebody else is deleting: there is nothing to sweep for us.
        with self._database.reading() as base:
            for name, about in entries:
                if about.st_mode & 0o077:  # From a time when the umask was trusted.
                    close_to_others(self._folder / name)
                known = base.execute("SELECT 1 FROM file WHERE id=? AND NOT gone", (name,))
                if now - about.st_mtime > _LEFT_OVER and known.fetchone() is None:
                    self._remove(name)


def live(base: sqlite3.Connection, name: Any) -> sqlite3.Row | None:
    """Return a file's row; None where there is none, or none any more."""
    if not isinstance(name, str) or not is_identifier(name):
        return None
    found: sqlite3.Row | None = base.execute(
        "SELECT * FROM file WHERE id=? AND NOT gone AND (expires_at IS NULL OR expires_at > ?)",
        (name, int(time.time())),
    ).fetchone()
    return found


def insert(
    base: sqlite3.Connection,
    name: str,
    *,
    filename: str,
    purpose: str,
    size: int,
    digest: str,
    lasts: int | None = None,
) -> None:
    """Enter a file into the table."""
    now = int(time.time())
    base.execute(
        "INSERT INTO file (id, created_at, filename, purpose, bytes, sha256, expires_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            name, now, _plain(filename)[:_LONGEST_NAME], purpose, size, digest,
            None if lasts is None else now + lasts,
        ),
    )  # fmt: skip


def user_of(base: sqlite3.Connection, name: str) -> sqlite3.Row | None:
    """Return what uses a file and is not finished: a job, or a run of an eval; None where nothing does."""
    marks = ", ".join("?" * len(UNFINISHED))
    query = (
        f"SELECT 'job' AS what, id, status FROM job WHERE ? IN (training_file, validation_file) AND status IN ({marks})"  # noqa: S608
        f" UNION ALL SELECT 'run', id, status FROM run WHERE file=? AND status IN ({marks})"
    )
    found: sqlite3.Row | None = base.execute(query, (name, *UNFINISHED) * 2).fetchone()
    return found


def shape(row: sqlite3.Row) -> dict[str, Any]:
    """Return a file as the API shows it."""
    return {
        "id": row["id"],
        "object": "file",
        "bytes": row["bytes"],
        "created_at": row["created_at"],
        "filename": row["filename"],
        "purpose": row["purpose"],
        "status": "processed",
        "status_details": None,
        "expires_at": row["expires_at"],
        "sha256": row["sha256"],
    }


def _plain(text: str | None) -> Any:
    """Return a text as SQLite can hold it: without half surrogates."""
    return None if text is None else str(text).encode(errors="replace").decode()


def lasts_of(expires_after: Any) -> int | None:
    """Return for how many seconds a file is kept, None for ever."""
    if expires_after is None:
        return None
    if not isinstance(expires_after, Mapping) or expires_after.get("anchor") != "created_at":
        raise refused(
            'expires_after is an object with anchor "created_at" and seconds',
            "expires_after.anchor" if isinstance(expires_after, Mapping) else "expires_after",
        )
    seconds = expires_after.get("seconds")
    whole = isinstance(seconds, int) and not isinstance(seconds, bool)
    if not whole or not _SHORTEST <= int(str(seconds)) <= _LONGEST:
        raise refused(
            f"seconds is a whole number from {_SHORTEST:,} to {_LONGEST:,}, got {quoted(seconds)}",
            "expires_after.seconds",
        )
    return int(str(seconds))


def _pieces(content: IO[bytes] | Iterable[bytes]) -> Iterator[bytes]:
    read = getattr(content, "read", None)
    if read is None:
        yield from content
        return
    try:
        while piece := read(_PIECE):
            yield piece
    except OSError as error:
        raise refused(f"the upload cannot be read: {error.strerror or error}", "file") from None


def _sync_folder(folder: Path) -> None:
    """Bring a rename to the disk, where the system lets a folder be opened."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
