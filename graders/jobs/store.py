"""A store: one folder that holds everything, shared safely by several processes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, Self

from graders.jobs.database import Database, unusable
from graders.jobs.file import Files
from graders.jobs.job import Jobs
from graders.jobs.permission import Permissions
from graders.jobs.upload import Uploads

__all__ = ["Store", "default_data_dir"]

_PRIVATE: Final = 0o700


def default_data_dir() -> Path:
    """Return where jobs and files are kept unless told otherwise."""
    if named := os.environ.get("GRADERS_DATA_DIR"):
        return Path(named)
    home = os.environ.get("XDG_DATA_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(home) if home else Path.home() / ".local" / "share") / "graders"


class Store:
    """Files, jobs and permissions in one folder. Threads and processes may share it.

    Args:
        folder: the folder; made when missing, for its owner alone.

    Attributes:
        folder: the folder.
        files: the files.
        uploads: files that come in parts.
        jobs: the jobs.
        permissions: the permissions of checkpoints.

    Raises:
        ApiError: the folder cannot be used, or a newer version made it.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder).absolute()
        blobs, locks = self.folder / "files", self.folder / "locks"
        try:
            for one in (self.folder, blobs, locks):
                one.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        except OSError as error:
            raise unusable(self.folder, error) from None
        self.database = Database(self.folder / "graders.sqlite")
        self.files = Files(self.database, blobs)
        self.uploads = Uploads(self.files, self.folder / "uploads")
        self.jobs = Jobs(self.database, locks)
        self.permissions = Permissions(self.database)

    def close(self) -> None:
        """Close what is open; threads that still use the store open it again."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
