"""`/v1/fine_tuning/alpha/graders`, and the page's own way to grade and lint."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from graders.server.frame import Answer
from graders.server.guard import retry_headers
from graders.server.state import body_of, state_of

__all__ = ["answered", "explain", "lint", "run", "unless_gone", "validate"]

_JSON: Final = "application/json"


async def run(request: Request) -> Response:
    """Grade one sample."""
    return await _ask(request, "run")


async def validate(request: Request) -> Response:
    """Say what is wrong with a grader, or give it back with its name filled in."""
    return await _ask(request, "validate")


async def explain(request: Request) -> Response:
    """Grade one sample and tell how the grade came about."""
    return await _ask(request, "explain")


async def lint(request: Request) -> Response:
    """Return what the linter finds in a grader."""
    return await _ask(request, "lint")


async def _ask(request: Request, task: str) -> Response:
    pool = state_of(request).pool
    return answered(request, await unless_gone(request, pool.ask(task, await body_of(request))))


def answered(request: Request, answer: Answer) -> Response:
    """Return a grading process's answer as HTTP's, and count it."""
    if answer.facts:
        state_of(request).meter.grade(answer.facts)
    return Response(answer.body, answer.status, retry_headers(answer.status), _JSON)


async def unless_gone(request: Request, work: Coroutine[Any, Any, Answer]) -> Answer:
    """Return the answer; where the client goes before it is there, end the work for it."""
    asking = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_left(request))
    both: list[asyncio.Future[Any]] = [asking, leaving]
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not asking.done():
            return Answer(499)  # Nobody reads it; the log and the counters do.
        return await asking
    finally:
        for one in both:
            one.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await leaving


async def _left(request: Request) -> None:
    """Return when the client of a request, whose body is read, has gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
