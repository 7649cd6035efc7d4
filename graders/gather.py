"""Rows that come one at a time put together, and graded in threads of their own.

Who waits no longer says so by cancelling a row's future: a chunk that nobody waits for is broken off.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from threading import Event
from typing import Any, Final, NamedTuple

from graders.grade import Grade

__all__ = ["Gatherer", "Row"]

_MOST: Final = 512
_AT_ONCE: Final = 64
_IDLE: Final = 1.0


class Row(NamedTuple):
    """A row: what a grader sees as `item`, and the answer."""

    item: Any
    sample: Any


class Gatherer:
    """Puts rows that come one at a time together, and has them graded.

    While one chunk is graded the next gathers, so a lone caller waits for nobody, and many at once make
    up each other's chunks. Threads are daemons: a judge that hangs keeps no process from its end.

    Args:
        grade: grades rows; the event is set once nobody waits for any of them.
        beside: whether chunks are graded side by side, for what they ask takes its time.
        window: seconds that a row waits for others to come along with it.
    """

    def __init__(
        self, grade: Callable[[Sequence[Row], Event], list[Grade]], *, beside: bool, window: float
    ) -> None:
        self._grade = grade
        self._window = window
        self._beside = beside
        self._waiting: deque[tuple[Row, Future[Grade]]] = deque()
        self._lock = threading.Lock()
        self._come = threading.Condition(self._lock)
        self._places = threading.Semaphore(_AT_ONCE)
        self._thread: threading.Thread | None = None

    def submit(self, row: Row) -> Future[Grade]:
        """Return the future grade of a row."""
        future: Future[Grade] = Future()
        with self._lock:
            self._waiting.append((row, future))
            if self._thread is None:
                self._thread = self._started(self._collect)
            self._come.notify()
        return future

    def run(self, work: Callable[[], list[Grade]]) -> Future[list[Grade]]:
        """Return what a piece of work gives, done in a thread of its own."""
        future: Future[list[Grade]] = Future()

        def do() -> None:
            _settle(future, work)

        self._started(do)
        return future

    def _started(self, work: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=work, name="graders-reward", daemon=True)
        thread.start()
        return thread

    def _collect(self) -> None:
        while True:
            with self._lock:
                if not self._come.wait_for(lambda: bool(self._waiting), _IDLE):
                    self._thread = None  # The next row starts another.
                    return
                if self._window:
                    self._come.wait_for(lambda: len(self._waiting) >= _MOST, self._window)
                count = min(len(self._waiting), _MOST)
                taken = [self._waiting.popleft() for _ in range(count)]
                chunk = [(row, future) for row, future in taken if not future.cancelled()]
            if self._beside:
                self._places.acquire()
                self._started(lambda chunk=chunk: self._finish(chunk, self._places))  # type: ignore[misc]
            else:
                self._finish(chunk)

    def _finish(
        self, chunk: Sequence[tuple[Row, Future[Grade]]], place: threading.Semaphore | None = None
    ) -> None:
        stop = Event()

        def look(_: object) -> None:
            if all(future.cancelled() for _, future in chunk):
                stop.set()

        for _, future in chunk:
            future.add_done_callback(look)
        try:
            grades = self._grade([row for row, _ in chunk], stop) if chunk else []
            for (_, future), grade in zip(chunk, grades, strict=True):
                if future.set_running_or_notify_cancel():
                    future.set_result(grade)
        except BaseException as error:  # noqa: BLE001  (whoever waits for it is told)
            for _, future in chunk:
                if not future.done() and future.set_running_or_notify_cancel():
                    future.set_exception(error)
        finally:
            if place is not None:
                place.release()


def _settle(future: Future[list[Grade]], work: Callable[[], list[Grade]]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(work())
    except BaseException as error:  # noqa: BLE001  (whoever waits for it is told)
        future.set_exception(error)
