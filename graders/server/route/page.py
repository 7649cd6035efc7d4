"""The page at `/`, what it needs to know, and how the server is."""

from __future__ import annotations

from functools import cache
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from graders.config import schema
from graders.server.example import samples
from graders.server.guard import connection_of
from graders.server.meter import CONTENT_TYPE
from graders.server.openapi import document
from graders.server.page import playground
from graders.server.state import json_response, state_of
from graders.version import __version__
from graders.wire.endpoint import LOCAL, base_url

__all__ = ["config_schema", "health", "icon", "info", "metrics", "openapi", "ready", "root"]


async def root(_: Request) -> Response:
    """Give the page: one document that loads nothing else."""
    text, policy = playground()
    headers = {"content-security-policy": policy, "x-frame-options": "DENY"}
    return Response(text, 200, headers, "text/html; charset=utf-8")


async def icon(_: Request) -> Response:
    """There is no icon; browsers ask all the same."""
    return Response(status_code=204)


async def info(request: Request) -> Response:
    """Tell the page about this server."""
    options, connection = state_of(request).options, connection_of(request.scope)
    server = base_url(options.judge.base_url)
    limits = options.limits
    return json_response(
        {
            "version": __version__,
            "token_required": bool(options.token) and not (connection and connection.trusted),
            "judge": LOCAL if server == LOCAL else urlsplit(server).hostname,
            "jobs": options.jobs,
            "limits": {
                "body_bytes": limits.body_bytes,
                "file_bytes": limits.file_bytes,
                "rows": limits.rows,
            },
            "samples": samples(),
        }
    )


async def config_schema(_: Request) -> Response:
    """Give the JSON Schema of a config, whose words the editor shows at the caret."""
    return json_response(schema())


async def health(_: Request) -> Response:
    """Say that the server is alive."""
    return json_response({"status": "ok", "version": __version__})


async def ready(request: Request) -> Response:
    """Say whether the server can take requests: 503 where too many wait."""
    state = state_of(request)
    waiting = state.pool.waiting
    full = waiting >= state.options.limits.requests
    return json_response(
        {"status": "full" if full else "ok", "waiting": waiting}, 503 if full else 200
    )


async def metrics(request: Request) -> Response:
    """Give all counters to Prometheus."""
    return Response(state_of(request).meter.text(), 200, {"content-type": CONTENT_TYPE})


async def openapi(request: Request) -> Response:
    """Give the description of all endpoints."""
    state = state_of(request)
    return json_response(_document(tuple(state.served), trains=state.local is not None))


@cache
def _document(names: tuple[str, ...], *, trains: bool) -> dict[str, Any]:
    return document(names, trains=trains)
