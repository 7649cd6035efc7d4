"""The page of a run, and what it and the playground's Evals ask for: figures, lists, rows."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from graders.evals.view import EvalView, RowQuery
from graders.server.page import run_report
from graders.server.state import json_response, number, query_of, state_of, stored

__all__ = ["evals", "report", "rows", "runs", "sheet"]

_MOST: Final = 100
_DEEPEST: Final = 100_000_000


async def report(_: Request) -> Response:
    """Give the page of a run: one document, the same for all, that asks for the run itself."""
    text, policy = run_report()
    headers = {"content-security-policy": policy, "x-frame-options": "DENY"}
    return Response(text, 200, headers, "text/html; charset=utf-8")


async def evals(request: Request) -> Response:
    """List evals, the newest first, with how many runs they have and how the last one is."""
    return json_response(await stored(_view(request).newest, *_part(request, 20)))


async def runs(request: Request) -> Response:
    """Describe an eval and list its runs, the newest first."""
    of = str(request.path_params["id"])
    return json_response(await stored(_view(request).newest_runs, of, *_part(request, 20)))


async def sheet(request: Request) -> Response:
    """Give the figures of a run; with `with`, those of another one and rows of both."""
    other = query_of(request).get("with") or None
    return json_response(await stored(_view(request).sheet, *_run(request), other))


async def rows(request: Request) -> Response:
    """Give lines of a run's output items: searched, filtered, in the order that is asked for."""
    query = query_of(request)
    skip, limit = _part(request, 50)
    wanted = RowQuery(
        status=query.get("status") or None,
        criterion=query.get("criterion") or None,
        search=query.get("search", ""),
        first=query.get("order") == "first",
        skip=skip,
        limit=limit,
    )
    view = _view(request)
    return json_response(await stored(lambda: view.items(*_run(request)).find(wanted)))


def _part(request: Request, size: int) -> tuple[int, int]:
    return number(request, "skip", 0, _DEEPEST), number(request, "limit", size, _MOST)


def _view(request: Request) -> EvalView:
    return EvalView(state_of(request).store)


def _run(request: Request) -> tuple[str, str]:
    return str(request.path_params["id"]), str(request.path_params["run"])
