"""`/v1/evals`: evals, their runs, and the output items of those."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from graders.evals.store import EvalStore
from graders.server.route.file import listed
from graders.server.state import json_body, json_response, number, query_of, state_of, stored
from graders.server.trace import traceparent

__all__ = [
    "cancel_run", "create", "create_run", "delete", "delete_run", "list_evals", "list_items",
    "list_runs", "retrieve", "retrieve_item", "retrieve_run", "update",
]  # fmt: skip

_MOST: Final = 100


async def create(request: Request) -> Response:
    """Create an eval."""
    return json_response(await stored(_evals(request).create, await json_body(request)), 201)


async def list_evals(request: Request) -> Response:
    """List evals, the oldest first unless asked otherwise."""
    return await _page(request, _evals(request).list, "order_by")


async def retrieve(request: Request) -> Response:
    """Describe one eval."""
    return json_response(await stored(_evals(request).get, _eval(request)))


async def update(request: Request) -> Response:
    """Change an eval's name or metadata."""
    changed = await stored(_evals(request).update, _eval(request), await json_body(request))
    return json_response(changed)


async def delete(request: Request) -> Response:
    """Remove an eval with its runs."""
    return json_response(await stored(_evals(request).delete, _eval(request)))


async def create_run(request: Request) -> Response:
    """Create a run; it begins when its turn comes."""
    made = await stored(
        _evals(request).create_run, _eval(request), await json_body(request),
        traceparent=traceparent(request),
    )  # fmt: skip
    state_of(request).wake()
    return json_response(_with_url(request, made), 201)


async def list_runs(request: Request) -> Response:
    """List an eval's runs, the oldest first unless asked otherwise."""
    return await _page(request, _evals(request).list_runs, "status", _eval(request))


async def retrieve_run(request: Request) -> Response:
    """Describe one run."""
    found = await stored(_evals(request).get_run, *_run(request))
    return json_response(_with_url(request, found))


async def cancel_run(request: Request) -> Response:
    """End a run; SDKs of 1.x and 2.x post to the run itself."""
    changed = await stored(_evals(request).cancel_run, *_run(request))
    state_of(request).wake()
    return json_response(_with_url(request, changed))


async def delete_run(request: Request) -> Response:
    """Remove a run with its output items."""
    return json_response(await stored(_evals(request).delete_run, *_run(request)))


async def list_items(request: Request) -> Response:
    """List a run's output items, in the order of its rows unless asked otherwise."""
    return await _page(request, _evals(request).list_items, "status", *_run(request))


async def retrieve_item(request: Request) -> Response:
    """Describe one output item."""
    item = request.path_params["item"]
    return json_response(await stored(_evals(request).get_item, *_run(request), item))


async def _page(
    request: Request, find: Callable[..., tuple[list[dict[str, Any]], bool]], word: str, *of: str
) -> Response:
    """Return a page of a list; `word` is the parameter that this list has and others have not."""
    query = query_of(request)
    data, has_more = await stored(
        find,
        *of,
        after=query.get("after") or None,
        limit=number(request, "limit", 20, _MOST),
        order=query.get("order"),
        **{word: query.get(word)},
    )
    return json_response(listed([_with_url(request, one) for one in data], has_more=has_more))


def _with_url(request: Request, shown: dict[str, Any]) -> dict[str, Any]:
    """Return a run with the address of its report at this server; anything else as it is."""
    path = shown.get("report_url")
    return {**shown, "report_url": f"{request.base_url}{path[1:]}"} if path else shown


def _evals(request: Request) -> EvalStore:
    return EvalStore(state_of(request).store)


def _eval(request: Request) -> str:
    return str(request.path_params["id"])


def _run(request: Request) -> tuple[str, str]:
    return _eval(request), str(request.path_params["run"])
