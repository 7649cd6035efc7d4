"""Files and folders for their owner alone: 0600 and 0700, whatever the umask.

Where a platform has no such modes (Windows), what is made is as private as its folder.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import stat
from pathlib import Path
from typing import Final

__all__ = ["FILE", "FOLDER", "close_to_others", "exposed", "opener", "private_file", "private_folder"]  # fmt: skip

FILE: Final = 0o600
FOLDER: Final = 0o700
_OTHERS: Final = 0o077
_BESIDE: Final = ("", "-wal", "-shm", "-journal")
"""What SQLite puts beside a database; it gives new ones the mode of the database itself."""


def private_folder(path: Path) -> None:
    """Make a folder, and the parents it lacks, with mode 0700; one that is there stays as it is.

    Raises:
        OSError: it cannot be made, or something else has its name.
    """
    path = path.absolute()
    missing = [one for one in (path, *path.parents) if not one.exists()]
    for folder in reversed(missing):
        with contextlib.suppress(FileExistsError):  # Another process was faster.
            folder.mkdir(FOLDER)
            _set_mode(folder, FOLDER)
    if not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))


def private_file(path: Path) -> bool:
    """Make an empty file of mode 0600 unless there is one; return whether it was made.

    An empty file is an empty database to SQLite. No descriptor of it is opened where that can be
    helped, for to close one takes away the locks that this process holds on the same file.

    Raises:
        OSError: it cannot be made.
    """
    try:
        os.mknod(path, FILE | stat.S_IFREG)
    except FileExistsError:
        return False
    except (OSError, AttributeError):  # macOS leaves it to root, Windows has none.
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE))
        except FileExistsError:
            return False
    _set_mode(path, FILE)
    return True


def opener(path: str, flags: int) -> int:
    """Open a file, made with mode 0600 where it is new: `open(path, "xb", opener=opener)`.

    Raises:
        OSError: it cannot be opened.
    """
    descriptor = os.open(path, flags | getattr(os, "O_CLOEXEC", 0), FILE)
    if flags & os.O_CREAT and hasattr(os, "fchmod"):
        # A umask may have taken from its owner's rights; one that was there may be open to others.
        try:
            if stat.S_IMODE(os.fstat(descriptor).st_mode) != FILE:
                os.fchmod(descriptor, FILE)
        except OSError:
            os.close(descriptor)
            raise
    return descriptor


def exposed(path: Path, name: str) -> str | None:
    """Return the warning about a file or folder that other users may open, None where none may.

    Args:
        path: the file or folder.
        name: what it is, such as `the cache`.
    """
    found = _mode(path.resolve())
    if found is None or not found & _OTHERS:
        return None
    right = FOLDER if path.is_dir() else FILE
    return (
        f"{name} {path} is open to other users of this machine (its mode is "
        f"{stat.S_IMODE(found):04o}); close it by: chmod {right:o} {shlex.quote(str(path))}"
    )


def close_to_others(path: Path) -> None:
    """Take others' rights from a file, what SQLite has beside it, or a folder, where they have any.

    One that is somebody else's stays as it is; `exposed` then says so.
    """
    for end in _BESIDE:
        one = path.with_name(path.name + end) if end else path
        found = _mode(one)
        if found is not None and found & _OTHERS and not stat.S_ISLNK(found):
            with contextlib.suppress(OSError):
                one.chmod(stat.S_IMODE(found) & ~_OTHERS)


def _mode(path: Path) -> int | None:
    """Return the mode of a path, None where there is none or it means nothing."""
    if os.name == "nt":
        return None
    try:
        return path.lstat().st_mode
    except OSError:
        return None


def _set_mode(path: Path, mode: int) -> None:
    """Set the mode of what was just made, where the umask took from it."""
    found = _mode(path)
    if found is not None and stat.S_IMODE(found) & 0o777 != mode:
        path.chmod(mode)
