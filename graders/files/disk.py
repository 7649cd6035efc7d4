"""The disk beneath a store: files that are whole or not there, and what went wrong in a sentence."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from graders.privacy import close_to_others, opener, private_file
from graders.sqlite import sqlite_problem
from graders.wire.error import ApiError

__all__ = ["ENOUGH", "Ballast", "faults", "has_room", "new_file", "unusable"]

_NO_ROOM: Final = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})
# SQLite's codes.
_READ_ONLY: Final = 8
_UNREADABLE: Final = 10
_FULL: Final = 13
_UNOPENED: Final = 14
_NO_DESCRIPTOR: Final = frozenset({errno.EMFILE, errno.ENFILE})
_LEAST: Final = 64 << 10
"""Bytes below which SQLite may not even open its files."""
_BALLAST: Final = 256 << 10


ENOUGH: Final = 1 << 20
"""Bytes that make it worth a try to go on with a job that waits for room."""


class Ballast:
    """Room that is kept so that a full disk can still be told of; given up once, then kept anew.

    Args:
        path: the file that takes the room.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def keep(self) -> None:
        """Take the room, where there is some."""
        if not hasattr(os, "posix_fallocate"):
            return
        with contextlib.suppress(OSError):
            private_file(self._path)
            close_to_others(self._path)
            if self._path.stat().st_size < _BALLAST and has_room(self._path, ENOUGH):
                with self._path.open("r+b") as file:
                    os.posix_fallocate(file.fileno(), 0, _BALLAST)

    def give_up(self) -> None:
        """Leave the room to whoever writes next."""
        with contextlib.suppress(OSError):
            os.truncate(self._path, 0)


@contextlib.contextmanager
def new_file(path: Path, *, of: Path) -> Iterator[Callable[[bytes], None]]:
    """Make a file for its owner alone and give what writes into it; then it is on the disk.

    Where anything fails it is taken away again, whatever it holds by then.

    Args:
        path: the file; nothing may have its name.
        of: what a fault is said of, such as the store's folder.

    Raises:
        ApiError: it cannot be written (503, 507).
    """
    with faults(of):
        # Without a buffer: what a buffer still holds fails again, and elsewhere, when it is closed.
        target = open(path, "xb", buffering=0, opener=opener)  # noqa: SIM115  (Path.open has none)

    def write(piece: bytes) -> None:
        view = memoryview(piece)
        with faults(of):
            while view:
                view = view[target.write(view) :]

    try:
        with target:
            yield write
            with faults(of):
                os.fsync(target.fileno())
    except BaseException:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def faults(path: Path) -> Iterator[None]:
    """Say in a sentence what the system says of a path of the store.

    Raises:
        ApiError: in place of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise unusable(path, error) from None


def unusable(path: Path, error: Exception) -> ApiError:
    """Return the error of a store that cannot be read or written, by its true reason."""
    code, problem = sqlite_problem(error)
    number = getattr(error, "errno", None)
    reason = getattr(error, "strerror", None) or problem
    unclear = code in (_UNREADABLE, _UNOPENED)  # SQLite keeps the system's word.
    if number in _NO_DESCRIPTOR or (unclear and not _has_descriptor()):
        return ApiError(
            503, "this process has as many files open as it may (ulimit -n); try again",
            "server_error", code="too_many_open_files",
        )  # fmt: skip
    if number in _NO_ROOM or code == _FULL or (unclear and not has_room(path)):
        return ApiError(
            507, f"the store {path} cannot be used: {reason}; make room and go on: nothing is lost",
            "server_error", code="storage",
        )  # fmt: skip
    hint = ""
    if code in (_READ_ONLY, _UNOPENED):
        hint = "; its folder has to be writable, also for looking at it"
    return ApiError(503, f"the store {path} cannot be used: {reason}{hint}", "server_error")


def has_room(path: Path, size: int = _LEAST) -> bool:
    """Whether a disk has so many bytes left, and an inode, as far as it says."""
    try:
        found = os.statvfs(path if path.is_dir() else path.parent)
    except (OSError, AttributeError):  # AttributeError: Windows has no such call.
        return True
    inodes = found.f_favail > 0 or not found.f_files  # Some file systems do not count them.
    return inodes and found.f_bavail * found.f_frsize >= size


def _has_descriptor() -> bool:
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno not in _NO_DESCRIPTOR
    return True
