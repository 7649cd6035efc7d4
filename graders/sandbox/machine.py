"""What of this machine's limits keeps a sandbox from starting, said by the limit's name."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

__all__ = ["named"]

_FEWEST = 64
"""Open files with which a sandbox starts."""


def named(reason: str) -> str:
    """Return why a worker did not start, by the limit that is behind it where that is known.

    Args:
        reason: what the system said.
    """
    if _says(reason, errno.EMFILE, errno.ENFILE):
        return (
            f"this process may have {_open_files()} open files, too few for a sandbox; "
            f"allow at least {_FEWEST} (ulimit -n)"
        )
    if _says(reason, errno.ENOMEM) or "MemoryError" in reason:
        return (
            "there is too little memory for a sandbox; see the limit on address space (ulimit -v)"
        )
    if _says(reason, errno.EAGAIN):
        return "no more processes may be started; see the limit on processes (ulimit -u)"
    if _says(reason, errno.ENOSPC, errno.EDQUOT):
        return (
            f"the folder for scratch files, {tempfile.gettempdir()}, is full; TMPDIR names another"
        )
    if _says(reason, errno.EACCES) and (mask := _umask()) & 0o700:
        return f"the umask {mask:04o} takes the rights to new files from their own user; set one such as 022"
    return reason


def _says(reason: str, *numbers: int) -> bool:
    return any(os.strerror(one) in reason or f"[Errno {one}]" in reason for one in numbers)


def _open_files() -> str:
    try:
        import resource  # noqa: PLC0415  (absent on Windows; with few open files it may not load)

        return f"only {resource.getrlimit(resource.RLIMIT_NOFILE)[0]:,}"
    except (ImportError, OSError):
        return "only few"


def _umask() -> int:
    """Return the umask without changing it, as there may be other threads; 0 where it is unknown."""
    try:
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    except (OSError, ValueError, IndexError):
        pass
    return 0
