"""How many requests are on their way at once: fewer after a 429, more again with success.

Additive increase, multiplicative decrease, as TCP does it; a Retry-After holds everyone back.
"""

from __future__ import annotations

import asyncio
from collections import deque

__all__ = ["Gate"]


class Gate:
    """Lets at most `limit` requests through at once; lives in one event loop.

    Args:
        most: the limit to begin with, never exceeded.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.limit = float(most)
        self._inside = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._resume = 0.0
        self._cut = 0.0

    async def enter(self) -> None:
        """Wait for a place, and until nobody asks to wait any more."""
        if self._waiting or self._inside >= self._places:
            place = asyncio.get_running_loop().create_future()
            self._waiting.append(place)
            try:
                await place
            except asyncio.CancelledError:
                if place.done() and not place.cancelled():
                    self.leave()  # It was handed over and is not wanted any more.
                raise
        else:
            self._inside += 1
        try:
            while (wait := self._resume - asyncio.get_running_loop().time()) > 0:  # noqa: ASYNC110  (the time may be moved on while it waits)
                await asyncio.sleep(wait)
        except asyncio.CancelledError:
            self.leave()
            raise

    @property
    def _places(self) -> int:
        return max(1, int(self.limit))

    def leave(self) -> None:
        """Give the place back."""
        self._inside -= 1
        while self._waiting and self._inside < self._places:
            place = self._waiting.popleft()
            if not place.done():
                self._inside += 1
                place.set_result(None)

    def succeeded(self) -> None:
        """Widen by one for each full round of successes."""
        if self.limit < self.most:
            self.limit = min(self.most, self.limit + 1 / self.limit)

    def hold(self, wait: float) -> None:
        """Let nobody through for so many seconds."""
        self._resume = max(self._resume, asyncio.get_running_loop().time() + wait)

    def limited(self, wait: float) -> None:
        """Halve, once for all requests that were on their way together."""
        now = asyncio.get_running_loop().time()
        if now >= self._cut:
            self.limit = max(1.0, self.limit / 2)
            self._cut = now + max(wait, 0.1)
