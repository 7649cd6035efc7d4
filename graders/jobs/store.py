"""A store: one folder that holds everything, shared safely by several processes."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path
from typing import Final, Self

from graders.files.database import Database
from graders.files.disk import Ballast, faults
from graders.files.file import Files
from graders.files.quota import Quota
from graders.files.upload import Uploads
from graders.jobs.job import Jobs
from graders.jobs.permission import Permissions
from graders.privacy import close_to_others, exposed, private_folder
from graders.wire.error import ApiError

__all__ = ["TRAINING", "Store", "default_data_dir"]

_DATABASE: Final = "graders.sqlite"
_PARTS: Final = ("files", "locks", "uploads")
TRAINING: Final = "training"
"""The folder of what jobs have trained."""

_OURS: Final = ("graders.", "token", TRAINING, *_PARTS)


def default_data_dir() -> Path:
    """Return where jobs and files are kept unless told otherwise."""
    if named := os.environ.get("GRADERS_DATA_DIR"):
        return Path(named)
    home = os.environ.get("XDG_DATA_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(home) if home else Path.home() / ".local" / "share") / "graders"


class Store:
    """Files, jobs and permissions in one folder. Threads and processes may share it.

    Args:
        folder: the folder; made when missing. What stands in it is for its owner alone, and the
            folder itself where it holds nothing else.
        most: bytes that all of it may take; uploads and new jobs beyond are refused, what a job
            that runs writes is not. None for as many as the disk has.

    Attributes:
        folder: the folder.
        ballast: room for saying that there is none.
        warning: that others may open the folder, where they may; else None.
        files: the files.
        uploads: files that come in parts.
        jobs: the jobs.
        permissions: the permissions of checkpoints.

    Raises:
        ApiError: the folder cannot be used, is another user's, or a newer version made it.
    """

    def __init__(self, folder: str | os.PathLike[str], most: int | None = None) -> None:
        self.folder = Path(folder).absolute()
        blobs, locks, uploads = (self.folder / one for one in _PARTS)
        with faults(self.folder):
            for one in (self.folder, blobs, locks):
                private_folder(one)
            _check_owners(self.folder)
            for one in (blobs, locks, uploads):
                close_to_others(one)
            if all(one.name.startswith(_OURS) for one in self.folder.iterdir()):
                close_to_others(self.folder)
        self.ballast = Ballast(self.folder / "graders.reserve")
        self.ballast.keep()
        self.warning = exposed(self.folder, "the store")
        self.database = Database(self.folder / _DATABASE)
        self._quota = quota = Quota(most, self.database.path, uploads, self.folder / TRAINING)
        self.files = Files(self.database, blobs, quota)
        self.uploads = Uploads(self.files, uploads, self.database, quota)
        self.jobs = Jobs(self.database, locks, quota)
        self.permissions = Permissions(self.database, quota)

    def check_room(self, base: sqlite3.Connection) -> None:
        """Refuse to make anything more in a store that is too large.

        Raises:
            ApiError: it is (413).
        """
        self._quota.check(base)

    def close(self) -> None:
        """Close what is open; threads that still use the store open it again."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _check_owners(folder: Path) -> None:
    """Refuse a store in which another user could read, or has put, what is ours.

    Raises:
        ApiError: something in it is another user's, or the database is a link.
    """
    if os.name == "nt":
        return
    mine = os.geteuid()
    # The administrator may look after a folder of somebody else, such as a mounted one.
    trusted = {0, mine, folder.stat().st_uid} if mine == 0 else {0, mine}
    if (owner := folder.stat().st_uid) not in trusted:
        raise _foreign(folder, f"belongs to another user (uid {owner})")
    for name in (_DATABASE, f"{_DATABASE}-wal", f"{_DATABASE}-shm", *_PARTS):
        path = folder / name
        try:
            found = path.lstat()
        except FileNotFoundError:
            continue
        if found.st_uid not in trusted:
            raise _foreign(path, f"belongs to another user (uid {found.st_uid})")
        if stat.S_ISLNK(found.st_mode) and name not in _PARTS:
            raise _foreign(path, "is a symbolic link")


def _foreign(path: Path, what: str) -> ApiError:
    return ApiError(503, f"{path} {what}; name a folder of your own by --data-dir", "server_error")
