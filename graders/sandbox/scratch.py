"""The folder all workers of one sandbox write in, and the sweeping of folders left behind.

Each sandbox holds a lock on its folder. The kernel drops it when the process ends, however it
ends, so the next sandbox can tell a folder in use from a stale one, across containers too.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from graders.sandbox.inside import scratch as inside

__all__ = ["Scratch"]

_PREFIX: Final = "gr-"


class Scratch:
    """One sandbox's folder under the system's temporary folder."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX)).resolve()
        self._lock = _locked(self.path / "lock", create=True)
        self._count = 0

    def folder(self) -> str:
        """Make and return a folder for one worker."""
        self._count += 1
        path = self.path / f"w{self._count}"
        path.mkdir(mode=0o700)
        return str(path)

    @staticmethod
    def remove(folder: str) -> None:
        """Remove a worker's folder; its processes must be dead."""
        # First without recursion: shutil.rmtree dies of a tree 1500 folders deep.
        inside.empty(folder)
        with contextlib.suppress(OSError):
            os.rmdir(folder)  # noqa: PTH106
            return
        subprocess.run(
            ["rm", "-rf", "--", folder], stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Remove everything."""
        if self._lock is None and not self.path.exists():
            return
        self.remove(str(self.path))
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _locked(path: Path, *, create: bool) -> int | None:
    """Return an open descriptor that holds the lock, or None when somebody else does."""
    import fcntl  # noqa: PLC0415  (absent on Windows, where no level is available)

    try:
        opened = os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0), 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(opened)
        return None
    return opened


def sweep() -> None:
    """Remove the folders of sandboxes whose process is gone."""
    root = Path(tempfile.gettempdir())
    for path in root.glob(f"{_PREFIX}*"):
        try:
            if path.is_symlink() or path.stat().st_uid != os.getuid():
                continue
        except OSError:
            continue
        lock = _locked(path / "lock", create=False)
        if lock is not None:
            Scratch.remove(str(path))
            os.close(lock)
