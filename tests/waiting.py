"""How tests wait and measure so that a slow or busy machine changes nothing.

What must come is waited for, with a patience that only a hang exceeds; what must be quick is
measured in CPU time of this process, to which neighbours add nothing.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

import pytest

__all__ = [
    "PATIENCE", "at_most", "children_of", "command_of", "interrupt_waits", "is_gone", "until",
]  # fmt: skip

PATIENCE: Final = 300.0  # Seconds: what has not come by then never will.

Found = TypeVar("Found")


def until(looked_for: Callable[[], Found]) -> Found:
    """Look until there is something, anything true, and return it."""
    began = time.monotonic()
    while not (found := looked_for()):
        waited = time.monotonic() - began
        assert waited < PATIENCE, "what this test waits for does not come"
        # A look costs CPU time, here and where it is a request: whoever has waited long looks less.
        time.sleep(min(max(waited / 20, 0.005), 0.5))
    return found


def interrupt_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupt the main thread as it begins to wait, at the worst moment.

    Between giving its lock back and waiting, a condition of Python's is left without it, and raises for that.
    """
    release = threading.Condition._release_save  # type: ignore[attr-defined]

    def interrupted(condition: threading.Condition) -> None:
        release(condition)
        if threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt

    monkeypatch.setattr(threading.Condition, "_release_save", interrupted)


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started and not buried yet."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # A thread that has just ended.
            found += map(int, path.read_text().split())
    return found


def command_of(pid: int) -> bytes:
    """Return the words a process was started with; none of one that is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def is_gone(pid: int) -> bool:
    """Whether a process has ended, though nobody may have asked for its exit code yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


@contextlib.contextmanager
def at_most(seconds: float = 30.0) -> Iterator[None]:
    """Fail where what is done inside takes this process more CPU time than that.

    The bound is hundreds of times what it takes, and far below what a fault would: work that
    grows with the square of a large input, or never ends.
    """
    began = time.process_time()
    yield
    assert time.process_time() - began < seconds
