"""Starting processes of our own, which import just what this one would, and end with it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import asyncio

__all__ = ["kill", "program", "settings", "watch_parent"]


def program(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module's `main`; it finds `arguments` in `sys.argv[1:]`.

    Nothing is imported before the path is this process's: the folder it works in may hold a
    `json.py`; `gc` and `sys` are in the interpreter. What is imported stays, so nobody looks through
    it meanwhile for what could be forgotten: that would be a tenth of the start.
    """
    path = [one for one in cast("list[object]", sys.path) if isinstance(one, str)]
    code = (
        f"import gc, sys; sys.path[:] = sys.argv[{len(arguments) + 1}:]; gc.disable(); "
        f"from {module} import main; gc.enable(); main()"
    )
    return [sys.executable, "-c", code, *arguments, *path]


def settings() -> dict[str, Any]:
    """Return how such a process is started, as `Popen` and asyncio take it."""
    return {
        # One of several: none is to start threads for all processors.
        "env": {**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        # Ctrl-C is for this process, which decides what becomes of its workers.
        "process_group": None if os.name == "nt" else 0,
    }


def watch_parent(parent: int) -> None:
    """End this process once the one that started it is gone: nobody waits for what it does."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def kill(process: asyncio.subprocess.Process) -> None:
    """Kill a process, unless its end is known.

    Its own `kill` looks first whether it has ended, and so takes the end from whoever waits for it.
    """
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL if os.name != "nt" else signal.SIGTERM)
