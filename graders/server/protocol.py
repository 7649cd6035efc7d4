"""HTTP/1.1 connections that cannot be held open by sending nothing, or a byte now and then."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from graders import jsontext
from graders.jobs.error import ApiError
from graders.server.option import Limits

__all__ = ["Guarded", "guarded"]


class Guarded(H11Protocol):
    """Closes a connection whose request's head does not arrive in time.

    Attributes:
        limits: how long that is, and how many connections there may be.
    """

    limits = Limits()
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a request."""
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            transport.abort()  # Others are being served; this one may come again.
        else:
            self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        """Take in what came."""
        super().data_received(data)
        self._turn()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request, of which bytes may be here already."""
        super().on_response_complete()
        self._turn()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP in the envelope of all errors."""
        body = jsontext.encode(ApiError(400, msg.rstrip("."), code="invalid_http").body())
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        for event in (
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _turn(self) -> None:
        if not self._is_between():
            self._stop_waiting()
        elif self._head_timer is None:
            self._wait_for_head()

    def _is_between(self) -> bool:
        """Whether no request is being answered: its head is still to come."""
        cycle = cast("Any", self.cycle)
        return cycle is None or cycle.response_complete

    def _wait_for_head(self) -> None:
        self._head_timer = self.loop.call_later(self.limits.header_seconds, self._give_up)

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        if self._is_between() and not self.transport.is_closing():
            self.transport.abort()


def guarded(limits: Limits) -> type[Guarded]:
    """Return the protocol of connections under these limits."""
    return type("Guarded", (Guarded,), {"limits": limits})
