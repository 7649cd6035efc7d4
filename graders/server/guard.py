"""What every request passes: who may ask, from where, and what is written down about it.

A page of another site can make a browser send requests to this machine, and by DNS rebinding even
read the answers. So the Host must be ours and an Origin, where there is one, the page's own.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import re
import secrets
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graders import jsontext
from graders.server.log import Log
from graders.server.meter import Meter
from graders.server.option import ServeOptions, is_loopback
from graders.server.protocol import CONNECTION, Guarded
from graders.server.trace import Trace
from graders.wire.error import ApiError

__all__ = ["ROUTE", "Guard", "connection_of", "error_response", "retry_headers"]

ROUTE: Final = "graders.route"
"""The key of a request's scope under which the path stands that its route was told."""

_OPEN: Final = frozenset({"/", "/healthz", "/readyz", "/favicon.ico"})
_PAGE: Final = re.compile("/evals/[^/]+/runs/[^/]+")  # The same for all runs: it holds no data.
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "DELETE", "PUT", "PATCH", "OPTIONS"})


def error_response(error: ApiError) -> Response:
    """Return the answer that says an error, in the hosted service's envelope."""
    headers = retry_headers(error.status)
    if error.code in ("ambiguous_length", "server_busy"):
        headers["connection"] = "close"
    if error.status == 401:
        headers["www-authenticate"] = "Bearer"
    body = jsontext.encode(error.body())
    return Response(body, error.status, headers, "application/json")


def retry_headers(status: int) -> dict[str, str]:
    """Return what tells clients whether, and when, to send the same request again."""
    if status in (429, 503):
        return {"retry-after": "1"}
    if status in (501, 504):
        return {"x-should-retry": "false"}  # The SDKs' own header: it would end the same.
    if status in (408, 413):
        return {"connection": "close"}  # What is still to come of the request is not waited for.
    return {}


class Guard:
    """Lets through what may come in; numbers, counts and logs everything.

    Args:
        app: what answers.
        options: how the server is run.
        meter: counts.
        log: writes down.
        trace: makes spans; None where nobody wants any.
    """

    def __init__(
        self, app: ASGIApp, options: ServeOptions, meter: Meter, log: Log, trace: Trace | None
    ) -> None:
        self._app = app
        self._trace = trace
        self._token = options.token.encode()
        self._hosts = {one.lower() for one in (*options.allowed_hosts, options.host)}
        # Browsers have no token to give; but those of the server's own user may need none.
        self._any_host = bool(options.token) and not options.trusts_own
        self._meter = meter
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"].startswith(("http://", "https://")):  # As a proxy is asked.
            scope["path"] = urlsplit(scope["path"]).path or "/"
        began = time.perf_counter()
        identity = "req_" + secrets.token_hex(12)
        sent: dict[str, Any] = {"status": 0, "bytes": 0}
        scope.setdefault("state", {})["said"] = None
        if self._trace is not None:
            self._trace.expect(scope)

        async def finish(message: Message) -> None:
            if message["type"] == "http.response.start":
                sent["status"] = message["status"]
                headers = MutableHeaders(raw=message.setdefault("headers", []))
                headers["x-request-id"] = identity
                headers["openai-processing-ms"] = str(round(1000 * (time.perf_counter() - began)))
                connection = connection_of(scope)
                if connection is not None and not connection.known:
                    headers["connection"] = "close"  # What strangers send on is not worth a look.
                headers.setdefault("x-content-type-options", "nosniff")
                headers.setdefault("cache-control", "no-store")
                headers.setdefault("referrer-policy", "no-referrer")
            elif message["type"] == "http.response.body":
                sent["bytes"] += len(message.get("body", b""))
            await send(message)

        try:
            await self._answer(scope, receive, finish, sent)
        except Exception as error:
            self._log.write("fault", "error", id=identity, kind=type(error).__name__)
            raise
        finally:
            self._write_down(scope, identity, sent, time.perf_counter() - began)

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, sent: Mapping[str, Any]
    ) -> None:
        """Answer a request, also where that fails or the server ends meanwhile."""
        try:
            if (refused := self._refusal(scope)) is not None:
                await error_response(refused)(scope, receive, send)
            else:
                await self._app(scope, receive, send)
        except asyncio.CancelledError:
            # The server ends, and has waited for this one as long as it may.
            if not sent["status"]:
                said = "the server was told to stop before this was done; send the request again"
                fault = ApiError(503, said, type="server_error", code="server_stopping")
                await error_response(fault)(scope, receive, send)
        except Exception as error:
            if not sent["status"]:
                said = f"the request failed with {type(error).__name__}; this is the server's fault"
                fault = ApiError(500, said, type="server_error", code="internal_error")
                await error_response(fault)(scope, receive, send)
            raise

    def _refusal(self, scope: Scope) -> ApiError | None:
        headers = Headers(scope=scope)
        if "transfer-encoding" in headers and "content-length" in headers:
            # A proxy before this server may go by the other one, and take the rest for a request.
            return ApiError(
                400, "the request has both Transfer-Encoding and Content-Length",
                code="ambiguous_length",
            )  # fmt: skip
        connection = connection_of(scope)
        shown = self._shows_token(headers)
        if shown and connection is not None:
            connection.places.know(connection)
        if connection is not None and connection.guest and not _is_open(scope):
            return ApiError(
                503, "all places are at work; try again in a moment", type="server_error",
                code="server_busy",
            )  # fmt: skip
        host = headers.get("host", "")
        if not (self._any_host or shown or self._is_ours(host)):
            return ApiError(
                403,
                "this server answers to its own names only; name another by --allow-host",
                code="host_not_allowed",
            )
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return ApiError(
                403, "pages of other origins may not ask this server", code="origin_not_allowed"
            )
        if headers.get("sec-fetch-site") == "cross-site" and not _is_open(scope):
            return ApiError(
                403, "pages of other sites may not ask this server", code="origin_not_allowed"
            )
        trusted = connection is not None and connection.trusted
        if not self._token or shown or trusted or _is_open(scope):
            return None
        said = "the token is wrong" if _given(headers) else "a token is required"
        return ApiError(
            401, f"{said}: send it as Authorization: Bearer", code="invalid_api_key",
        )  # fmt: skip

    def _shows_token(self, headers: Headers) -> bool:
        given = [one.encode("utf-8", "replace") for one in _given(headers)]
        return bool(self._token) and any(hmac.compare_digest(one, self._token) for one in given)

    def _is_ours(self, host: str) -> bool:
        name = host.lower()
        if not name.endswith("]") and ":" in name:
            name = name.rpartition(":")[0]
        return name.strip("[]") in self._hosts or is_loopback(name)

    def _write_down(
        self, scope: Scope, identity: str, sent: Mapping[str, Any], seconds: float
    ) -> None:
        route = scope.get(ROUTE) or "other"
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._meter.request(route, method, sent["status"], seconds)
        if self._trace is not None:
            scope["state"]["request_id"] = identity
            self._trace.add(scope, route, method, sent["status"], seconds)
        self._log.write(
            "request",
            id=identity,
            method=method,
            route=route,
            status=sent["status"],
            ms=round(1000 * seconds, 1),
            bytes=sent["bytes"],
            client=(scope.get("client") or ("",))[0],
            body=scope["state"].get("said"),
        )


def connection_of(scope: Scope) -> Guarded | None:
    """Return the connection that a request came by, where it is one of this server's own."""
    found: Guarded | None = scope.get("extensions", {}).get(CONNECTION)
    return found


def _is_open(scope: Scope) -> bool:
    """Whether anyone may ask for a path, without the token and from pages of other sites."""
    return scope["path"] in _OPEN or _PAGE.fullmatch(scope["path"]) is not None


def _given(headers: Headers) -> list[str]:
    """Return the tokens that a request shows, right or wrong.

    A client that knows addresses alone, such as OpenRLHF's, is given one as `http://:TOKEN@host`, and sends
    it as a password.
    """
    scheme, _, given = headers.get("authorization", "").partition(" ")
    found = [given.strip()] if scheme.lower() == "bearer" else []
    if scheme.lower() == "basic":
        with contextlib.suppress(ValueError):  # Not base64.
            user, _, password = (
                base64.b64decode(given, validate=True).decode("latin-1").partition(":")
            )
            found.append(password or user)
    return found + ([headers["api-key"]] if "api-key" in headers else [])
