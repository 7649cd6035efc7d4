"""Drives one worker through rows: feeds, reads, keeps the clock, finds who is to blame.

Does: keeps what is answered; runs the rows that were under way when a runner died once more,
alone, each in a runner of its own history, so that blame is exact. A row runs at most twice.
Does not: trust a runner's word about time, life or other rows.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from graders.calls import PythonCall, PythonError, PythonReply
from graders.sandbox.blame import KILLED, death, hard_timeout
from graders.sandbox.frame import (
    LINGERS,
    ForgedError,
    UnsendableError,
    load_fault,
    reply_of,
    row_bytes,
)  # fmt: skip
from graders.sandbox.limits import Limits
from graders.sandbox.stream import Stream, frame_limit
from graders.sandbox.worker import StartError, WorkerLostError, WorkerProcess

__all__ = ["CallBatch", "Driver", "Pace"]

_MOST_ROWS: Final = 256
_MOST_BYTES: Final = 1 << 20
_AIM_SECONDS: Final = 0.01
_RUNNER_ROWS: Final = 50_000
"""After so many rows a runner is replaced (2 ms), so slow leaks never add up."""
_DEATHS: Final = 3
_BEGIN: Final = b"g"


class Pace:
    """How many rows to have under way, from how long rows take: about 10 ms of work."""

    def __init__(self) -> None:
        self.rows = 8
        self._seconds = 0.0

    def learn(self, count: int, seconds: float) -> None:
        """Take note that `count` rows took `seconds` of the grader's time."""
        mean = seconds / count
        self._seconds = mean if not self._seconds else 0.7 * self._seconds + 0.3 * mean
        self.rows = max(1, min(_MOST_ROWS, int(_AIM_SECONDS / max(self._seconds, 1e-6))))

    @property
    def seconds(self) -> float:
        """Mean seconds a row takes, lately."""
        return self._seconds


class CallBatch:
    """The rows of one call, shared by the drivers that work on it."""

    def __init__(self, call: PythonCall, stop: threading.Event | None = None) -> None:
        self.call = call
        self.stopped = stop
        """Set by whoever asked, when the answer is of no use any more."""
        self.replies: list[PythonReply | None] = [None] * len(call.samples)
        self.stop: PythonError | None = None
        self.unloadable = False
        self._cancelled = False
        self.pace = Pace()
        self._next = 0
        self._lock = threading.Lock()

    @property
    def left(self) -> int:
        """How many rows no driver has taken."""
        return len(self.replies) - self._next

    def cancel(self) -> None:
        """End it without the rows that have no reply."""
        self._cancelled = True

    @property
    def cancelled(self) -> bool:
        """Whether it ends without the rows that have no reply."""
        return self._cancelled or (self.stopped is not None and self.stopped.is_set())

    def take(self) -> int | None:
        """Return the next row to do, None when all are taken or the batch is stopped."""
        with self._lock:
            if self._next >= len(self.replies) or self.stop is not None or self.cancelled:
                return None
            self._next += 1
            return self._next - 1

    def refuse(self, fault: PythonError) -> None:
        """Stop: the source does not load, for this row or any."""
        self.stop = fault
        self.unloadable = True

    def settle(self, row: int, reply: PythonReply | PythonError) -> None:
        """Keep a row's reply."""
        self.replies[row] = PythonReply(None, reply) if isinstance(reply, PythonError) else reply


class Driver:
    """One worker at work on a batch, in the thread that calls `run`."""

    def __init__(
        self,
        batch: CallBatch,
        limits: Limits,
        start: Callable[[], WorkerProcess],
        worker: WorkerProcess,
        part: Callable[[], bool],
        *,
        keep: bool,
    ) -> None:
        self.batch = batch
        self.limits = limits
        self.single = worker.isolation == "row"
        self.worker: WorkerProcess | None = worker
        self._start = start
        self._part = part
        self._keeps = keep and not self.single
        self._suspects: deque[int] = deque()
        # A runner that waits since the last batch; unless kept on purpose, it has run nothing.
        kept, worker.kept = worker.kept, None
        self._stream: Stream | None = kept if self._keeps else None
        self._spare: Stream | None = None if self._keeps else kept
        self._losses = 0
        self._idle_deaths = 0

    def run(self) -> None:
        """Work until no row is left."""
        try:
            self._work()
        except BaseException:
            self._drop_worker()  # in the middle of something: not fit for the next batch
            raise

    def _work(self) -> None:
        while True:
            try:
                if self._stream is not None and self.worker is not None:
                    self.worker.hold(self._stream.runner, held=False)
                while self._step():
                    pass
            except WorkerLostError as error:
                self._lost(str(error))
            except StartError as error:
                self.batch.stop = PythonError(
                    "worker_start" if error.kind == "worker_start" else "sandbox_unavailable",
                    str(error),
                )
                self._abandon(self.batch.stop)
            else:
                break
        self._end()

    def _end(self) -> None:
        """Leave nothing that goes on: a runner that has run something ends, or is held."""
        if self.worker is None:
            return
        keep, drop = (self._stream, self._spare) if self._keeps else (self._spare, self._stream)
        self._stream = self._spare = None
        try:
            if keep is not None and (keep.under_way or keep.out or self.batch.stop is not None):
                self.worker.discard(keep.runner)
                keep = None
            if drop is not None:
                self.worker.discard(drop.runner)
            if keep is not None and self._keeps:
                self.worker.hold(keep.runner, held=True)
        except WorkerLostError:
            if keep is not None:
                keep.runner.close()
            self._drop_worker()
        else:
            self.worker.kept = keep

    # -- one turn --------------------------------------------------------------------------

    def _step(self) -> bool:
        """Feed and read once; return whether there is more to do."""
        if self.batch.cancelled or self.batch.stop is not None:
            return False
        stream = self._stream
        if stream is None:
            if not self._suspects and self.batch.left <= 0:
                return False
            stream = self._stream = self._adopted()
        if self._spare is None and not self._keeps:
            self._spare = self._fork()  # is forked while rows run
        self._feed(stream)
        if not stream.under_way and not self._suspects and self.batch.left <= 0:
            return False
        data = stream.wait(self._deadline(stream) - time.monotonic())
        if data is None:
            self._died(stream)
        elif data:
            try:
                self._read(stream, data)
            except ForgedError:
                self._died(stream, forged=True)
        # Whatever it writes or does not: only replies that were accepted have put this back.
        if self._stream is stream and time.monotonic() > self._deadline(stream):
            self._timed_out(stream)
        return True

    def _adopted(self) -> Stream:
        """Return a runner that has run nothing, its clock set, and let it load the source."""
        stream, self._spare = self._spare or self._fork(), None
        if not self.single:
            stream.out += _BEGIN
        stream.begin()
        return stream

    def _fork(self) -> Stream:
        if self.worker is None:
            self.worker = self._start()
        return Stream(self.worker.fork(b"r"), frame_limit(self.limits))

    def _deadline(self, stream: Stream) -> float:
        limits = self.limits
        if not stream.hello:
            return stream.clock + limits.load_seconds + 30.0
        if not stream.loaded and not self.single:
            return stream.clock + limits.load_seconds + limits.grace_seconds
        if not stream.under_way:
            return stream.clock + 3600.0
        return stream.clock + limits.call_seconds + limits.grace_seconds

    def _feed(self, stream: Stream) -> None:
        if not stream.hello or not (stream.loaded or self.single):
            return
        if self.single or self._suspects:
            if not stream.under_way and not (self.single and stream.done):
                self._feed_one(stream)
            return
        room = 2 * self.batch.pace.rows
        if len(stream.under_way) * 2 >= room or len(stream.out) > _MOST_BYTES:
            return
        rows: list[int] = []
        while len(stream.under_way) + len(rows) < room:
            row = self.batch.take()
            if row is None:
                break
            rows.append(row)
            if len(rows) == self.batch.pace.rows or len(stream.out) > _MOST_BYTES:
                # Half a window: the runner answers while the other half is on its way.
                self._write(stream, rows)
                rows = []
        self._write(stream, rows)

    def _feed_one(self, stream: Stream) -> None:
        row = self._suspects.popleft() if self._suspects else self.batch.take()
        if row is not None:
            self._write(stream, [row])

    def _write(self, stream: Stream, rows: list[int]) -> None:
        idle = not stream.under_way
        call = self.batch.call
        for position, row in enumerate(rows):
            try:
                data = row_bytes(
                    call.samples[row], call.items[row], flush=position == len(rows) - 1
                )
            except UnsendableError as error:
                self.batch.settle(row, PythonError("protocol", str(error)))
                continue
            stream.out += data
            stream.under_way.append(row)
        if rows and idle:
            stream.begin()

    def _read(self, stream: Stream, data: bytes) -> None:
        for frame in stream.read(data):
            if not stream.loaded and not self.single:
                fault = load_fault(frame)
                if fault is not None:
                    self.batch.refuse(fault)
                    self._abandon(fault)
                    return
                stream.loaded = True
                stream.begin()
                continue
            if frame == LINGERS and not self.single:
                self._lingers(stream)
                return
            if not 0 < len(frame) <= len(stream.under_way):
                raise ForgedError("more replies than rows")
            replies = [reply_of(value, self.limits.output_bytes) for value in frame]
            self._losses = self._idle_deaths = 0
            self.batch.pace.learn(len(replies), sum(reply.seconds for reply in replies))
            stream.begin()
            tired = False
            for reply in replies:
                row = stream.under_way.popleft()
                kind = reply.error.kind if reply.error else None
                if kind == "memory" and stream.done:
                    # Earlier rows may have used the memory up: once more, alone and fresh.
                    self._suspects.append(row)
                else:
                    self.batch.settle(row, reply)
                stream.done += 1
                # An interrupted call may have left a library in the middle of something.
                tired = tired or kind in ("memory", "timeout")
            if tired or self.single or stream.done > _RUNNER_ROWS:
                self._suspects.extend(stream.under_way)
                self._discard(stream)
                return

    def _lingers(self, stream: Stream) -> None:
        """Something of a row goes on after it: from here on, each row has its own process."""
        if not stream.done:
            raise ForgedError("no row has been answered that could have left something")
        self._suspects.extend(stream.under_way)
        stream.under_way.clear()
        self._discard(stream)
        if self._part():
            self.single = True
            self._keeps = False
            self._drop_worker()

    def _discard(self, stream: Stream) -> None:
        self._stream = None
        if self.worker is not None:
            self.worker.discard(stream.runner)

    # -- blame -----------------------------------------------------------------------------

    def _died(self, stream: Stream, *, forged: bool = False) -> None:
        assert self.worker is not None  # noqa: S101
        self._stream = None
        status, full = self.worker.bury(stream.runner, patient=not forged)
        if forged:
            status = KILLED
        rows = list(stream.under_way)
        if not self.single and not stream.loaded:
            error = death(status, disk_full=full, limits=self.limits, load=True)
            self.batch.refuse(error)
            self._abandon(error)
            return
        error = death(status, disk_full=full, limits=self.limits, load=False)
        if len(rows) == 1 and not stream.done:
            self.batch.settle(rows[0], error)
        elif rows:
            self._suspects.extend(rows)
        else:
            self._idle_death(error)

    def _idle_death(self, error: PythonError) -> None:
        """A runner died with no row to blame; do not respawn for ever."""
        self._idle_deaths += 1
        if self._idle_deaths >= _DEATHS:
            self.batch.stop = error
            self._abandon(error)
        elif error.kind == "resource":
            time.sleep(0.1 * self._idle_deaths)

    def _timed_out(self, stream: Stream) -> None:
        assert self.worker is not None  # noqa: S101
        self._stream = None
        self.worker.bury(stream.runner, patient=False)
        rows = list(stream.under_way)
        if not stream.hello:
            self._idle_death(PythonError("resource", "no process could be started in time"))
        elif not self.single and not stream.loaded:
            error = hard_timeout(self.limits, load=True)
            self.batch.refuse(error)
            self._abandon(error)
        elif len(rows) == 1:
            self.batch.settle(rows[0], hard_timeout(self.limits, load=False))
        else:
            self._suspects.extend(rows)

    def _lost(self, reason: str) -> None:
        """The worker itself is gone: below `standard` a grader can kill it."""
        rows = list(self._stream.under_way) if self._stream is not None else []
        fresh = self._stream is not None and not self._stream.done
        self._drop_worker()
        self._losses += 1
        if len(rows) == 1 and fresh:
            message = f"the worker process was lost during the call: {reason}"
            self.batch.settle(rows[0], PythonError("crash", message))
        else:
            self._suspects.extend(rows)
        if self._losses >= _DEATHS:
            error = PythonError("worker_start", f"the worker process keeps dying: {reason}")
            self.batch.stop = error
            self._abandon(error)

    def _abandon(self, error: PythonError) -> None:
        """Give every row of this driver that has no reply the error."""
        rows = [*self._suspects, *(self._stream.under_way if self._stream else ())]
        self._suspects.clear()
        for row in rows:
            self.batch.settle(row, error)
        if self._stream is not None:
            self._stream.under_way.clear()

    def _drop_worker(self) -> None:
        for stream in (self._stream, self._spare):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.runner.close()
        self._stream = self._spare = None
        if self.worker is not None:
            self.worker.close()
            self.worker = None
