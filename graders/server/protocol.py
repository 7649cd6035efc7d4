"""HTTP/1.1 connections that nobody holds open by sending nothing, or by reading nothing."""

from __future__ import annotations

from typing import Any, Final, Literal, cast

import h11
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from graders import jsontext
from graders.server.option import RequestLimits
from graders.server.places import Places
from graders.wire.error import ApiError

__all__ = ["CONNECTION", "PACE", "Guarded"]

CONNECTION: Final = "graders.connection"
"""Where in a scope's extensions its connection stands."""

PACE: Final = 64 << 10
"""Bytes that a client has to send or to read in the time it has for that."""

Owed = Literal["head", "body", "reading"]
"""What a client owes: the head or the body of a request, or to read what it was sent."""


class Guarded(H11Protocol):
    """A connection that knows since when its client owes what, and ends where that is too long.

    Args:
        limits: how long a client may take.
        places: of which it has one.
        peer: who is at its other end.
        trusted: whether it needs no token.
        settings: what its base needs.

    Attributes:
        peer: who is at its other end.
        known: whether it has shown the token, or needs none.
        trusted: whether it needs none.
        guest: whether it may only ask after the server's health.
    """

    def __init__(
        self, *, limits: RequestLimits, places: Places, peer: str, trusted: bool, **settings: Any
    ) -> None:
        super().__init__(**settings)
        self.limits = limits
        self.places = places
        self.peer = peer
        self.known = self.trusted = trusted
        self.guest = False
        self._gone = False
        self._owed: Owed | None = None
        self._since = self.loop.time()
        self._mark = 0
        self._inner = self.app
        self.app = cast("Any", self._answer)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("extensions", {})[CONNECTION] = self
        await cast("Any", self._inner)(scope, receive, send)

    # What the transport tells.

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a request."""
        super().connection_made(transport)
        if self._gone:
            transport.abort()
        else:
            self._turn()

    def data_received(self, data: bytes) -> None:
        """Take in what came."""
        super().data_received(data)
        if self._owed == "body":
            self._mark += len(data)
            if self._mark >= PACE:
                self._begin()
        self._turn()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request, of which bytes may be here already."""
        super().on_response_complete()
        self._turn()

    def pause_writing(self) -> None:
        """Begin to wait until the client has read some."""
        super().pause_writing()
        self._turn()

    def resume_writing(self) -> None:
        """Go on."""
        super().resume_writing()
        self._turn()

    def connection_lost(self, exc: Exception | None) -> None:
        """Free the place."""
        self._gone = True
        self.places.remove(self)
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

    # What the server asks.

    def leave(self) -> None:
        """Close at once, whatever is unsent."""
        self._gone = True
        if self.transport is not None:
            self.transport.abort()

    def look(self) -> None:
        """Close where the client has owed something for too long; called now and then."""
        self._turn()
        if self._owed is None or self._owed == "body":
            return  # Bodies have their reader, who gives up by itself and says so.
        waited = self.loop.time() - self._since
        if self._owed == "head":
            if waited > self.limits.header_seconds:
                self.leave()
            return
        if self._mark - (unsent := self._unsent()) >= PACE:
            self._begin()
            self._mark = unsent
        elif waited > self.limits.write_seconds:
            self.leave()

    def _turn(self) -> None:
        """Note whose turn it is now."""
        if self._gone or self.transport is None:
            return
        owed = self._owes()
        if owed != self._owed or owed is None:
            self._owed = owed
            self._begin()

    def _begin(self) -> None:
        self._since = self.loop.time()
        self._mark = self._unsent() if self._owed == "reading" else 0
        if self._owed is None:
            self.places.work_for(self)
        else:
            self.places.wait_for(self)

    def _owes(self) -> Owed | None:
        cycle = cast("Any", self.cycle)
        if self.flow.write_paused or self.transport.is_closing():
            return "reading"
        if cycle is None or cycle.response_complete:
            return "reading" if self.transport.get_write_buffer_size() else "head"
        return "body" if cycle.more_body and not cycle.response_started else None

    def _unsent(self) -> int:
        """Return how many bytes the client has not taken yet, as far as can be told."""
        ours = self.transport.get_write_buffer_size()
        try:
            import fcntl  # noqa: PLC0415  (not on Windows)
            import termios  # noqa: PLC0415

            number = self.transport.get_extra_info("socket").fileno()
            systems = fcntl.ioctl(number, termios.TIOCOUTQ, b"\0\0\0\0")
        except (ImportError, AttributeError, OSError):
            return ours
        return ours + int.from_bytes(systems, "little")
