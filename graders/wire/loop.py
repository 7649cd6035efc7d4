"""An event loop in a thread of its own, for callers that have none and want none."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import weakref
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

__all__ = ["LEFT", "LOOK_SECONDS", "GivenUpError", "Loop", "all_or_none", "in_thread"]

Result = TypeVar("Result")
_Last = Callable[[], Coroutine[Any, Any, None]]

LOOK_SECONDS: Final = 0.2
"""How often a caller that may be given up looks whether it is."""
LEFT: Final = "nobody waits for it any more"
"""Why something is given up whose `stop` is set."""
_CLOSED: Final = "what asks for it was closed before it came"


class GivenUpError(Exception):
    """What was run was cancelled before its end; the message says why, and calls it `it`."""


@dataclass(frozen=True, slots=True)
class _Begun(Generic[Result]):
    """A coroutine on its way into a loop.

    Attributes:
        tasks: its task, as soon as there is one.
        done: set at its end.
    """

    tasks: list[asyncio.Task[Result]] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)

    def cancel(self) -> None:
        """Cancel it, in its loop: by then it has its task."""
        self.tasks[0].cancel()


class Loop:
    """Runs coroutines for synchronous callers; whoever is interrupted takes his coroutine along.

    Several threads may use one loop.

    Args:
        name: what its thread is called.
        owner: whose loop it is. Who forgets to close it leaves neither thread nor connections behind:
            they end soon after the owner is gone.
    """

    def __init__(self, name: str, owner: object) -> None:
        self._loop = asyncio.new_event_loop()
        self._lock = threading.Lock()
        self._closed = False
        self._at_end: list[_Last] = []
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()
        self._left = weakref.finalize(owner, self._leave, os.getpid())
        self._left.atexit = False  # The thread and its connections end with the process.

    def at_end(self, last: _Last) -> None:
        """Add what gives a coroutine to run before the end; it must not hold the owner."""
        self._at_end.append(last)

    def _run(self) -> None:
        try:
            self._loop.run_forever()
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

    def _leave(self, process: int) -> None:
        """End without waiting: the collector may call this in any thread, also in the loop's own."""
        if process != os.getpid() or self._closed:
            return  # In a fork the thread is the parent's.
        self._closed = True
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._end_alone)

    def _end_alone(self) -> None:
        """Stop once the end is done, in the loop's own thread."""
        self._loop.create_task(self._end()).add_done_callback(lambda _: self._loop.stop())

    def run(self, work: Coroutine[Any, Any, Result], stop: threading.Event | None = None) -> Result:
        """Return what a coroutine gives; on an interruption, cancel it and wait for its end.

        Args:
            work: the coroutine.
            stop: set from another thread once nobody waits for it.

        Raises:
            GivenUpError: `stop` was set before the end, or the loop was closed.
        """
        with self._lock:  # What begins before the end of the loop is ended by it.
            if self._closed:
                work.close()
                raise GivenUpError(_CLOSED)
            begun = self._begin(work)
        return self._result(begun, stop)

    def _begin(self, work: Coroutine[Any, Any, Result]) -> _Begun[Result]:
        begun: _Begun[Result] = _Begun()

        def ended(task: asyncio.Task[Result]) -> None:
            if not task.cancelled():
                task.exception()  # Whoever is interrupted does not ask for it, which asyncio logs.
            begun.done.set()

        def begin() -> None:
            task = self._loop.create_task(work)
            begun.tasks.append(task)
            task.add_done_callback(ended)

        self._loop.call_soon_threadsafe(begin)
        return begun

    def _result(self, begun: _Begun[Result], stop: threading.Event | None = None) -> Result:
        done = begun.done
        try:
            while not done.is_set():
                if stop is not None and stop.is_set():
                    raise GivenUpError(LEFT)  # noqa: TRY301  (as an interruption, it takes the work along)
                done.wait(None if stop is None else LOOK_SECONDS)
        except BaseException:
            with contextlib.suppress(RuntimeError):  # Closed meanwhile: it has ended.
                self._loop.call_soon_threadsafe(begun.cancel)
            done.wait(10.0)
            raise
        (task,) = begun.tasks
        if task.cancelled():
            raise GivenUpError(_CLOSED)
        return task.result()

    def close(self) -> None:
        """End whatever runs for other threads, which are told; then the loop and its thread."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._left.detach()
        try:
            self._result(self._begin(self._end()))
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10.0)

    async def _end(self) -> None:
        """End whatever runs, then what is to be ended last."""
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for last in self._at_end:
            await last()


async def in_thread(call: Callable[..., Result], *args: Any) -> Result:
    """Return what a call gives, without holding up this loop, in a thread of its own.

    `asyncio.to_thread` has as many threads as there are cores and four more; so many calls that wait
    for a judge would keep all others waiting. These end with the process, whatever they wait for.
    """
    future: Future[Result] = Future()

    def work() -> None:
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(call(*args))
            except BaseException as error:  # noqa: BLE001  (whoever awaits it is told)
                future.set_exception(error)

    threading.Thread(target=work, name="graders-call", daemon=True).start()
    return await asyncio.wrap_future(future)


async def all_or_none(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Wait for all tasks; when one fails, or this is cancelled, end the others first."""
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
