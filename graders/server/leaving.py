"""Clients that go before they have their answer: what is done for them ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable
from typing import Any, Final, TypeVar

from starlette.requests import Request

__all__ = ["GONE_STATUS", "unless_gone"]

Result = TypeVar("Result")
GONE_STATUS: Final = 499
"""The status of an answer that nobody reads; the log and the counters do."""


async def unless_gone(request: Request, work: Awaitable[Result]) -> Result | None:
    """Return what work gives; where the client goes before that, end the work and return None."""
    asking = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_left(request))
    both: list[asyncio.Future[Any]] = [asking, leaving]
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        return await asking if asking.done() else None
    finally:
        for one in both:
            one.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await leaving


async def _left(request: Request) -> None:
    """Return when the client of a request, whose body is read, has gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
