"""How much a store may take on its disk, whoever fills it and however."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import Final

from graders.wire.error import ApiError

__all__ = ["Quota"]

_LEAST: Final = 16 << 10
"""Bytes that a file counts for at least: as many as file systems have for each inode."""


class Quota:
    """What a store may take: its files, the parts of uploads, its database, and what was trained.

    Args:
        limit: bytes; None for as many as the disk has.
        database: the database's file.
        uploads: the folder of files that come in parts.
        training: the folder of models.
    """

    def __init__(self, limit: int | None, database: Path, uploads: Path, training: Path) -> None:
        self._limit, self._database = limit, database
        self._uploads, self._training = uploads, training

    def used(self, base: sqlite3.Connection) -> int:
        """Return how many bytes the store takes; what is still being written is not in it."""
        query = "SELECT coalesce(sum(max(bytes, ?)), 0) FROM file WHERE NOT gone"
        total = int(base.execute(query, (_LEAST,)).fetchone()[0])
        for end in ("", "-wal"):
            with contextlib.suppress(OSError):
                total += self._database.with_name(self._database.name + end).stat().st_size
        return total + _size(self._uploads) + _whole_size(self._training)

    def free(self, base: sqlite3.Connection) -> int | None:
        """Return how many bytes more the store may take, None for any number."""
        return None if self._limit is None else max(self._limit - self.used(base), 0)

    def check(self, base: sqlite3.Connection, more: int = 0) -> None:
        """Refuse what would be too much; inside a transaction that writes, nobody comes between.

        Args:
            base: a connection.
            more: how many bytes are to be added, in one file; 0 for an entry of the database.

        Raises:
            ApiError: the store takes as much as it may (413).
        """
        free = self.free(base)
        if free is not None and free < max(more, _LEAST):
            raise self.excess()

    def excess(self) -> ApiError:
        """Return the error of a store that takes as much as it may."""
        return ApiError(
            413, f"the store may take {self._limit or 0:,} bytes (--max-stored) and has no room for "
            "this; delete files or models, or old files by: graders data clear", code="storage_quota_exceeded",
        )  # fmt: skip


def _size(folder: Path) -> int:
    """Return what a folder of uploads takes; parts that are still coming begin with a dot."""
    total = 0
    with contextlib.suppress(OSError), os.scandir(folder) as uploads:
        for upload in uploads:
            total += 2 * _LEAST  # Its folder and its description.
            with contextlib.suppress(OSError), os.scandir(upload.path) as parts:
                for part in parts:
                    if part.name.startswith("part_"):
                        total += max(part.stat(follow_symlinks=False).st_size, _LEAST)
    return total


def _whole_size(folder: Path) -> int:
    """Return what all files in a folder take, and in the folders in it."""
    total = 0
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for one in entries:
            if one.is_dir(follow_symlinks=False):
                total += _whole_size(Path(one.path))
                continue
            with contextlib.suppress(OSError):  # What is being trained comes and goes.
                total += max(one.stat(follow_symlinks=False).st_size, _LEAST)
    return total
