"""`/v1/fine_tuning/alpha/graders`, and the page's own way to grade and lint."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from graders.server.frame import Answer
from graders.server.guard import retry_headers
from graders.server.leaving import GONE_STATUS, unless_gone
from graders.server.state import body_of, state_of
from graders.server.trace import FACTS

__all__ = ["answered", "explain", "figures", "lint", "rows", "run", "validate"]

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


async def rows(request: Request) -> Response:
    """Grade rows, and return what each got and what they show of the grader."""
    return await _ask(request, "rows")


async def figures(request: Request) -> Response:
    """Return the figures of rewards, as the command line gives them."""
    return await _ask(request, "figures")


async def _ask(request: Request, task: str) -> Response:
    pool = state_of(request).pool
    return answered(request, await unless_gone(request, pool.ask(task, await body_of(request))))


def answered(request: Request, answer: Answer | None) -> Response:
    """Return a grading process's answer as HTTP's, and count it; None where its client has gone."""
    answer = answer or Answer(GONE_STATUS)
    if answer.facts:
        request.scope["state"][FACTS] = answer.facts
        if "type" in answer.facts:
            state_of(request).meter.grade(answer.facts)
    return Response(answer.body, answer.status, retry_headers(answer.status), _JSON)
