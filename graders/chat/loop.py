"""An event loop in a thread of its own, for callers that have none and want none."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import wait
from typing import Any, Final, TypeVar

__all__ = ["LOOK_SECONDS", "GivenUpError", "Loop", "all_or_none"]

Result = TypeVar("Result")

LOOK_SECONDS: Final = 0.2
"""How often a caller that may be given up looks whether it is."""


class GivenUpError(Exception):
    """Nobody waits any more for what was run; it was cancelled."""


class Loop:
    """Runs coroutines for synchronous callers; whoever is interrupted takes his coroutine along.

    Several threads may use one loop.
    """

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Result], stop: threading.Event | None = None) -> Result:
        """Return what a coroutine gives; on an interruption, cancel it and wait for its end.

        Args:
            work: the coroutine.
            stop: set from another thread once nobody waits for it.

        Raises:
            GivenUpError: `stop` was set before the end.
        """
        done = threading.Event()

        async def watched() -> Result:
            try:
                return await work
            finally:
                done.set()

        future = asyncio.run_coroutine_threadsafe(watched(), self._loop)
        try:
            while stop is not None and not stop.is_set() and not future.done():
                wait([future], LOOK_SECONDS)
            if stop is None or future.done():
                return future.result()
            raise GivenUpError  # noqa: TRY301  (as an interruption, it takes the work along)
        except BaseException:
            if not future.done():
                future.cancel()
                done.wait(10.0)
            raise

    def close(self, last: Callable[[], Coroutine[Any, Any, None]] | None = None) -> None:
        """End whatever runs for other threads, with an exception; then the loop and its thread.

        Args:
            last: gives a coroutine to run in between.
        """
        if self._loop.is_closed():
            return

        async def cancel_others() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        self.run(cancel_others())
        if last is not None:
            self.run(last())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10.0)
        if not self._thread.is_alive():
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()


async def all_or_none(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Wait for all tasks; when one fails, or this is cancelled, end the others first."""
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
