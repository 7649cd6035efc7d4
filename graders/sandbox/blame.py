"""Says in one sentence why a process died."""

from __future__ import annotations

import signal
from typing import Final

from graders.calls import PythonError
from graders.sandbox.inside.scratch import BYTES, FILES
from graders.sandbox.limits import Limits, size

__all__ = ["KILLED", "death", "hard_timeout"]

KILLED: Final = -1001
"""The status the keeper gives for a process that it killed on our word."""

_SIGNALS: Final = {
    "SIGSEGV": "segmentation fault",
    "SIGBUS": "bus error",
    "SIGABRT": "aborted",
    "SIGFPE": "arithmetic fault",
    "SIGILL": "illegal instruction",
}


def death(status: int, *, disk_full: int, limits: Limits, load: bool) -> PythonError:
    """Return the error for a process that ended with `status` (an exit code, or -signal).

    `disk_full` is what it had too much of in its scratch, 0 for nothing.
    """
    what = "loading the source" if load else "the call"
    if disk_full:
        excess = {
            BYTES: f"it wrote more than {size(limits.disk_bytes)} to disk",
            FILES: f"it made more than {limits.disk_files:,} files and folders",
        }.get(disk_full, "it wrote to disk what cannot be measured")
        return PythonError("load" if load else "crash", f"{what} was killed: {excess}")
    if KILLED < status <= -1000 or status < KILLED:
        return PythonError("resource", f"no process could be started (errno {-1000 - status})")
    if status == KILLED:
        return PythonError(
            "load" if load else "crash", f"{what} was killed: it broke into the engine's pipe"
        )
    if status >= 0:
        return PythonError(
            "load" if load else "crash", f"{what} ended its process (exit code {status})"
        )
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    if name == "SIGKILL" and not load:
        limit = size(limits.memory_bytes)
        return PythonError(
            "memory",
            f"{what} was killed by the system, most likely for its memory (limit {limit})",
        )
    meaning = f", {_SIGNALS[name]}" if name in _SIGNALS else ""
    return PythonError("load" if load else "crash", f"{what} crashed the process ({name}{meaning})")


def hard_timeout(limits: Limits, *, load: bool) -> PythonError:
    """Return the error for a process that was killed by the wall clock."""
    if load:
        return PythonError(
            "timeout", f"loading the source timed out after {limits.load_seconds:g} s"
        )
    return PythonError("timeout", f"timed out after {limits.call_seconds:g} s")
