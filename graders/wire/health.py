"""Whether a server is there at all, so that thousands of calls need not each find out by waiting.

Three calls lost one after the other, with nothing heard between, and the server counts as silent:
one call at a time tries it, the others share that call's end. After five such calls none is made
for a while, and calls fail at once.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

from graders.calls import ChatError

__all__ = ["Health"]

_DOWN_AFTER: Final = 3
_PROBES: Final = 5
_REST_SECONDS: Final = 5.0


class Health:
    """What the calls to one server say about it; lives in one event loop."""

    def __init__(self) -> None:
        self.error = ChatError("unreachable", "the server does not answer")
        self._failed = 0  # Calls lost in a row: 5xx to the last try, or silence.
        self._silent = 0  # Those of them that heard nothing.
        self._probes = 0
        self._rest = 0.0
        self._probe: asyncio.Future[None] | None = None

    @property
    def failing(self) -> bool:
        """Whether so many calls were lost in a row that each further one is tried once."""
        return self._failed >= _DOWN_AFTER

    @property
    def silent(self) -> bool:
        """Whether so many calls heard nothing that it is not worth asking."""
        return self._silent >= _DOWN_AFTER

    def heard(self, *, well: bool) -> None:
        """Take note of an answer of any kind; a good one is `well`."""
        self._silent = self._probes = 0
        if well:
            self._failed = 0

    def lost(self, error: ChatError, *, silent: bool) -> None:
        """Take note of a call that came to nothing."""
        self._failed += 1
        if silent:
            self._silent += 1
            self.error = error

    async def enter(self) -> bool | None:
        """Return whether to ask: True, None to be the call that tries a silent server, or False.

        Whoever gets None calls `leave`.
        """
        while self.silent:
            if self._probe is None:
                if time.monotonic() < self._rest:
                    return False
                self._probe = asyncio.get_running_loop().create_future()
                return None
            await asyncio.shield(self._probe)
            if self.silent:
                return False
        return True

    def leave(self) -> None:
        """End the trying of a silent server."""
        if self.silent:
            self._probes += 1
            if self._probes >= _PROBES:
                self._rest = time.monotonic() + _REST_SECONDS
        probe, self._probe = self._probe, None
        if probe is not None and not probe.done():
            probe.set_result(None)
