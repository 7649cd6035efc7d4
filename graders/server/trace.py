"""Spans of requests, where OpenTelemetry is configured: how each was answered, and the rows graded for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Scope

from graders.errors import GradersError
from graders.server.log import Log
from graders.tracing import RequestTrace, Span, is_configured, missing, traceparent_of

__all__ = ["FACTS", "Trace", "trace_of", "traceparent"]

FACTS: Final = "facts"
"""The key of a request's state under which stands what was counted of its answer."""
_BEGIN: Final = "begin_span"
_BEGUN: Final = "span"
_UNTOLD: Final = frozenset({"/healthz", "/readyz", "/metrics", "/favicon.ico"})
"""Routes that are asked every few seconds by whoever watches the server."""
_LONGEST: Final = 200


class Trace:
    """Makes a span of each request, by the conventions for HTTP servers (opentelemetry.io/docs/specs/semconv/http).

    Args:
        spans: makes them.
    """

    def __init__(self, spans: RequestTrace) -> None:
        self._spans = spans

    def expect(self, scope: Scope) -> None:
        """Let the span of a request that has just come be begun, where `traceparent` is asked for it."""
        scope["state"][_BEGIN] = partial(self._begin, scope, time.time_ns())

    def _begin(self, scope: Scope, began: int) -> str:
        state = scope["state"]
        if _BEGUN not in state:
            state[_BEGUN] = self._spans.begin(scope["method"], began, Headers(scope=scope))
        return traceparent_of(state[_BEGUN])

    def add(self, scope: Scope, route: str, method: str, status: int, seconds: float) -> None:
        """Tell of a request that was answered just now; it goes on with the trace that it names."""
        if route in _UNTOLD:
            return
        headers = Headers(scope=scope)
        told: dict[str, Any] = {
            "http.request.method": method if method != "other" else "_OTHER",
            "url.path": scope["path"][:_LONGEST],
            "url.scheme": scope.get("scheme", "http"),
            "http.response.status_code": status,
            "graders.request.id": scope["state"].get("request_id", ""),
        }
        if route != "other":
            told["http.route"] = route
        if scope.get("client"):
            told["client.address"] = scope["client"][0]
        facts: Mapping[str, Any] = scope["state"].get(FACTS) or {}
        if "type" in facts:
            told |= {
                "graders.grader.type": facts["type"],
                "graders.rows": facts["rows"],
                "graders.rows.failed": facts["failed"],
                "gen_ai.usage.input_tokens": facts["tokens"].get("prompt_tokens", 0),
                "gen_ai.usage.output_tokens": facts["tokens"].get("completion_tokens", 0),
            }
        failed = str(status) if status >= 500 or not status else ""
        if failed:
            told["error.type"] = failed
        ended = time.time_ns()
        self._spans.add(
            Span(
                f"{method} {route}" if route != "other" else method, ended - round(1e9 * seconds), ended, told,
                "server", failed=failed, inner=tuple(map(Span.of, facts.get("spans", ()))),
            ),
            headers,
            scope["state"].get(_BEGUN),
        )  # fmt: skip

    def close(self, log: Log) -> None:
        """Send what is left, and write down what was lost."""
        if lost := self._spans.close():
            log.write("trace", "warning", message=lost)


def traceparent(request: Request) -> str:
    """Return what names the span of a request, for what it creates; "" where there are no spans."""
    begin: Callable[[], str] = request.scope["state"].get(_BEGIN, str)
    return begin()


def trace_of(log: Log) -> Trace | None:
    """Return what makes spans of requests; None where nobody wants any, or, as the log says, they cannot be made."""
    if not is_configured():
        return None
    try:
        if not (why := missing()):
            return Trace(RequestTrace())
    except GradersError as error:
        why = str(error)
    log.write("trace", "warning", message=f"no trace: {why}")
    return None
