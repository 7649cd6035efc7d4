"""The folder all workers of one sandbox write in, and the sweeping of folders left behind.

Each sandbox holds a lock on its folder. The kernel drops it when the process ends, however it
ends, so the next sandbox can tell a folder in use from a stale one, across containers too.
"""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from graders.sandbox.boot import command, environment
from graders.sandbox.inside import scratch as inside

__all__ = ["Scratch"]

_PREFIX: Final = "gr-"
_LOCK: Final = "lock"
_UNHELD: Final = "lock.new"
_PATIENCE: Final = 1.0
"""Seconds to remove what a grader left; only a flood of files on a slow disk takes longer."""


class Scratch:
    """One sandbox's folder under the system's temporary folder."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX)).resolve()
        self.path.chmod(0o700)  # whatever the umask
        folder = inside.open_folder(str(self.path))
        try:
            # Under another name until it is held: a sweep just then would take the lock, and the folder.
            self._lock = _locked(folder, _UNHELD, create=True)
            if self._lock is not None:
                os.rename(_UNHELD, _LOCK, src_dir_fd=folder, dst_dir_fd=folder)
        finally:
            os.close(folder)
        self._count = 0

    def folder(self) -> str:
        """Make and return a folder for one worker."""
        self._count += 1
        path = self.path / f"w{self._count}"
        path.mkdir(mode=0o700)
        path.chmod(0o700)  # whatever the umask
        return str(path)

    @staticmethod
    def remove(folder: str) -> bool:
        """Remove a worker's folder, whose processes must be dead; return whether it is gone."""
        if not inside.empty(folder, _PATIENCE, last=_LOCK):
            return False  # the rest goes with the whole
        with contextlib.suppress(OSError):
            os.rmdir(folder)  # noqa: PTH106
        return True

    def close(self) -> None:
        """Remove everything; what takes long is left to a process of its own."""
        if self._lock is None and not self.path.exists():
            return
        if not self.remove(str(self.path)) and self._lock is not None:
            _remove_later(self.path, self._lock)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _remove_later(path: Path, lock: int) -> None:
    """Start a process that removes the folder and holds its lock until then.

    Should it die, the next sweep goes on.
    """
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        subprocess.run(
            [*command(sys.executable), "remove", str(path), _LOCK],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            pass_fds=(lock,), start_new_session=True, timeout=20, check=False, cwd="/",
            env=environment("/", ""),
        )  # fmt: skip


def _locked(folder: int, name: str, *, create: bool) -> int | None:
    """Return an open descriptor that holds the folder's lock, or None when somebody else does."""
    import fcntl  # noqa: PLC0415  (absent on Windows, where no level is available)

    how = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | (os.O_CREAT if create else 0)
    try:
        opened = os.open(name, how, 0o600, dir_fd=folder)
    except OSError:
        return None
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(opened)
        return None
    return opened


def sweep() -> None:
    """Remove the folders of sandboxes whose process is gone.

    Other users may write in the temporary folder, so a name there is looked up once; from then
    on everything goes through the descriptor of what was found.
    """
    try:
        root = os.open(tempfile.gettempdir(), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        for name in os.listdir(root):  # noqa: PTH208  (a descriptor)
            if name.startswith(_PREFIX):
                with contextlib.suppress(OSError):
                    _sweep(name, root)
    finally:
        os.close(root)


def _sweep(name: str, root: int) -> None:
    folder = inside.open_folder(name, root)
    try:
        found = os.fstat(folder)
        # Ours, and nobody else ever could write in it.
        if found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
            return
        lock = _locked(folder, _LOCK, create=False)
        if lock is None:
            return
        try:
            # Never through a link: rmdir takes an empty folder of that name, and no other.
            if inside.clear(folder, _PATIENCE, last=_LOCK):
                os.rmdir(name, dir_fd=root)
        finally:
            os.close(lock)
    finally:
        os.close(folder)
