"""A runner's two pipes as the engine uses them: rows going out, frames coming in, and a clock.

Does: never blocks longer than it is told, whatever is at the other end. Does not: judge (see `driver`).
"""

from __future__ import annotations

import os
import select
import time
from collections import deque
from typing import Any, Final

from graders.calls import PythonError
from graders.sandbox.blame import KILLED, death, hard_timeout
from graders.sandbox.frame import ForgedError, Frames
from graders.sandbox.limits import Limits
from graders.sandbox.worker import TURN_SECONDS, RunnerProcess, WorkerProcess

__all__ = ["Stream", "ask", "frame_limit"]

_BYTES_A_SECOND: Final = 4e6
"""So slow a machine may be at taking in a long row before that is held against the row's time."""


class Stream:
    """A runner's two pipes, what is on its way in them, and its clock."""

    def __init__(self, runner: RunnerProcess, frame_limit: int) -> None:
        self.runner = runner
        self.frames = Frames(frame_limit)
        self.out = bytearray()
        self.hello = False
        self.loaded = False
        self.under_way: deque[int] = deque()
        self.done = 0
        self.clock = time.monotonic()
        """From when on the runner's next word is awaited; no byte of the runner's own moves it."""
        self._poll = select.poll()
        self._poll.register(runner.reply, select.POLLIN)
        self._writing = False

    def begin(self) -> None:
        """Await the runner's next word from now on, or from when it can have read what is sent."""
        self.clock = time.monotonic() + len(self.out) / _BYTES_A_SECOND

    def wait(self, seconds: float) -> bytes | None:
        """Write what can be written; return what came, b"" for nothing yet, None for the end."""
        self._write()
        events = self._poll.poll(max(0, min(seconds, TURN_SECONDS)) * 1000)
        for descriptor, event in events:
            if descriptor == self.runner.reply and event & (select.POLLIN | select.POLLHUP):
                try:
                    return os.read(descriptor, 1 << 18) or None
                except BlockingIOError:
                    continue
        return b""

    def _write(self) -> None:
        while self.out:
            try:
                with memoryview(self.out) as view:
                    sent = os.write(self.runner.data, view[: 1 << 18])
            except BlockingIOError:
                break
            except BrokenPipeError:
                self.out.clear()  # the reply pipe tells how it ended
                break
            del self.out[:sent]
        if bool(self.out) != self._writing:
            self._writing = bool(self.out)
            if self._writing:
                self._poll.register(self.runner.data, select.POLLOUT)
            else:
                self._poll.unregister(self.runner.data)

    def read(self, data: bytes) -> list[list[Any]]:
        """Return the frames that `data` completes, the greeting taken off."""
        if not self.hello:
            if data[:1] != b"\x01":
                raise ForgedError("no greeting")
            self.hello = True
            self.begin()
            data = data[1:]
        return self.frames.feed(data)


def frame_limit(limits: Limits) -> int:
    """Return the longest frame a runner has reason to write."""
    # A control character of output is six characters of JSON; two streams a row.
    return (2 << 20) + 16 * limits.output_bytes


def ask(worker: WorkerProcess, kind: bytes, limits: Limits) -> list[Any] | PythonError:
    """Return the one frame of a runner that is asked for a scan (`s`) or a check (`c`)."""
    stream = Stream(worker.fork(kind), frame_limit(limits))
    deadline = time.monotonic() + limits.load_seconds + limits.grace_seconds
    try:
        while time.monotonic() < deadline:
            worker.still_wanted()
            data = stream.wait(deadline - time.monotonic())
            if data is None:
                status, full = worker.bury(stream.runner, patient=True)
                return death(status, disk_full=full, limits=limits, load=True)
            if data:
                frames = stream.read(data)
                if frames:
                    return frames[0]
        return hard_timeout(limits, load=True)
    except ForgedError:
        return death(KILLED, disk_full=False, limits=limits, load=True)
    finally:
        if stream.runner.reply >= 0:
            worker.discard(stream.runner)
