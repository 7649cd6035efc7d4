"""Sending rows to servers that grade them, as endpoint graders ask: allowed hosts only.

A row goes nowhere that the user has not named, and no variable of the environment goes where it was
not named with the host. Tries, waits and limits are those of the wire that judges are asked over.
"""

from __future__ import annotations

import asyncio
import math
import os
import re
import threading
import uuid
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

from graders import jsontext
from graders.calls import ChatError, EndpointCall, EndpointReply
from graders.errors import NotAllowedError, UnavailableError, quoted, shown
from graders.models.completion import bad_field
from graders.models.option import JudgeOptions
from graders.wire.answer import HttpAnswer
from graders.wire.endpoint import ApiKey, ServerAddress
from graders.wire.exchange import Wire, WireError
from graders.wire.fault import error_of_status
from graders.wire.field import FieldError
from graders.wire.loop import GivenUpError, Loop, all_or_none
from graders.wire.stats import JudgeStats

__all__ = ["EndpointClient"]

_LONGEST: Final = 1 << 20
"""Bytes of a request and of a reply, as the service has it."""
_TRIES: Final = 4
"""The service tries three times more."""
_MOST_SERVERS: Final = 16
"""Servers that connections are kept to: who may name a host may still name any path there."""
_VARIABLE: Final = re.compile(r"\$\{(\w+)\}")


class _Headers(ApiKey):
    """The headers of one grader, never shown; whole values and variables in them are redacted."""

    __slots__ = ("_headers", "_secrets")

    def __init__(self, headers: Mapping[str, str], secrets: Mapping[str, str]) -> None:
        super().__init__("")
        self._headers = dict(headers)
        self._secrets = [ApiKey(value) for value in {*headers.values(), *secrets.values()}]

    def header(self, auth: object) -> dict[str, str]:  # noqa: ARG002
        """Return the headers."""
        return dict(self._headers)

    def redact(self, text: str) -> str:
        """Return a text without them."""
        for secret in self._secrets:
            text = secret.redact(text)
        return text


@dataclass(slots=True)
class _Server:
    """A wire to one grader's server, and when the next row may go there."""

    wire: Wire
    key: _Headers
    rate_limit: float
    free_at: float = 0.0
    users: int = 0
    queue: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def turn(self, longest: float) -> bool:
        """Wait until the rate allows another request; False where that is not within `longest` s."""
        async with self.queue:  # In turn: whoever is given up while it waits takes no turn.
            now = asyncio.get_running_loop().time()
            if self.free_at - now > longest:
                return False
            await asyncio.sleep(max(0.0, self.free_at - now))
            self.free_at = max(now, self.free_at) + 1 / self.rate_limit
            return True


async def _close_all(servers: OrderedDict[tuple[Any, ...], _Server]) -> None:
    """Close the wires to all servers, and know none of them any more."""
    while servers:
        await servers.popitem()[1].wire.close()


class EndpointClient:
    """Performs what endpoint graders ask.

    Args:
        options: which hosts may be sent rows, and how servers are asked.
    """

    def __init__(self, options: JudgeOptions) -> None:
        self.options = options
        self.stats = JudgeStats(server="endpoints")
        self._starting = threading.Lock()
        self._loop: Loop | None = None
        self._servers: OrderedDict[tuple[Any, ...], _Server] = OrderedDict()

    def agree(self, call: EndpointCall) -> None:
        """Return if rows may be sent there.

        Raises:
            NotAllowedError: the host was not named, or a variable that a header wants not with it.
            UnavailableError: such a variable is not set.
        """
        self._headers(call)

    def perform(
        self, call: EndpointCall, stop: threading.Event | None = None
    ) -> list[EndpointReply]:
        """Return one reply a row, in order.

        Args:
            call: the rows.
            stop: set from another thread once nobody waits for the replies: requests under way are
                broken off, and every reply is an error.

        Raises:
            UnavailableError: rows may not be sent there.
        """
        headers = self._headers(call)
        if not call.items:
            return []
        if self.options.cache == "offline":
            error = ChatError(
                "offline", "--offline asks nobody, and replies of endpoints are not kept"
            )
            return [EndpointReply(None, error) for _ in call.items]
        with self._starting:
            if self._loop is None:
                self._loop = Loop("graders-endpoint", self)
                self._loop.at_end(partial(_close_all, self._servers))
            loop = self._loop
        try:
            return loop.run(self._perform(call, headers), stop)
        except GivenUpError as reason:
            error = ChatError("deadline", f"there is no score: {reason}")
            return [EndpointReply(None, error) for _ in call.items]

    def close(self) -> None:
        """Close connections. Whoever waits gets errors; whoever asks afterwards opens them again."""
        with self._starting:
            if self._loop is not None:
                self._loop.close()
                self._loop = None

    def _headers(self, call: EndpointCall) -> _Headers:
        """Return what is sent along with rows, the environment's variables in their places."""
        parts = urlsplit(call.url)
        host, port = (parts.hostname or "").lower(), parts.port
        named = f"{host}:{port}" if port else host
        allowed = self.options.allow_endpoint.get(named, self.options.allow_endpoint.get(host))
        if allowed is None:
            raise NotAllowedError(
                f"an endpoint grader would send rows to {shown(named)}; if that is right, allow it "
                f"by --allow-endpoint {shown(named)}"
            )
        secrets: dict[str, str] = {}
        for value in call.headers.values():
            for name in _VARIABLE.findall(value):
                if name not in allowed:
                    raise NotAllowedError(
                        f"a header wants the variable {name} of the environment; if that is right, "
                        f"allow it by --allow-endpoint {shown(named)}={','.join([*allowed, name])}"
                    )
                if name not in os.environ:
                    raise UnavailableError(f"a header wants the variable {name}, which is not set")
                secrets[name] = os.environ[name].strip()
                if not (secrets[name].isascii() and secrets[name].isprintable()):
                    raise UnavailableError(f"the variable {name} holds characters no header has")
        filled = {
            name: _VARIABLE.sub(lambda found: secrets[found[1]], value)
            for name, value in call.headers.items()
        }
        return _Headers(filled, secrets)

    async def _perform(self, call: EndpointCall, headers: _Headers) -> list[EndpointReply]:
        server = self._server(call, headers)
        replies = [EndpointReply(None)] * len(call.items)

        async def work(row: int) -> None:
            sample, item = call.samples[row], call.items[row]
            replies[row] = await self._row(server, sample, item)

        server.users += 1
        try:
            await self._close_idle()
            await all_or_none([asyncio.create_task(work(row)) for row in range(len(replies))])
        finally:
            server.users -= 1
        return replies

    def _server(self, call: EndpointCall, headers: _Headers) -> _Server:
        """Return the server of a call, opened with its first row."""
        known = (call.url, call.rate_limit, *headers.header(None).items())
        if known in self._servers:
            self._servers.move_to_end(known)
        else:
            parts = urlsplit(call.url)
            query = f"?{parts.query}" if parts.query else ""
            url = parts._replace(query="", fragment="").geturl()
            wire = Wire(
                ServerAddress(url, query, "other", headers, "bearer"),
                concurrency=self.options.concurrency, deadline=self.options.deadline,
                attempts=min(self.options.attempts, _TRIES), max_reply=_LONGEST,
                pay_once=self.options.pay_once, stats=self.stats,
            )  # fmt: skip
            self._servers[known] = _Server(wire, headers, call.rate_limit)
        return self._servers[known]

    async def _close_idle(self) -> None:
        """Close the connections to servers beyond the most, those first that were longest unused."""
        idle = [name for name, one in self._servers.items() if not one.users]
        for name in idle[: max(0, len(self._servers) - _MOST_SERVERS)]:
            await self._servers.pop(name).wire.close()

    async def _row(self, server: _Server, sample: Mapping[str, Any], item: Any) -> EndpointReply:
        body = {"sample": sample, "item": item, "trace_id": f"trace_{uuid.uuid4()}"}
        try:
            content = jsontext.encode(body)
        except ValueError as error:
            return EndpointReply(None, ChatError("request", f"the row is no JSON: {error}"))
        if len(content) > _LONGEST:
            message = (
                f"the row has {len(content):,} bytes; an endpoint is sent {_LONGEST:,} at most"
            )
            return EndpointReply(None, ChatError("request", message))
        if not await server.turn(self.options.deadline):
            message = (
                f"the rate of {server.rate_limit:g} requests a second allows none within "
                f"{self.options.deadline:g} s"
            )
            return EndpointReply(None, ChatError("deadline", message))
        try:
            answer = await server.wire.post("", content)
        except WireError as failure:
            return EndpointReply(None, failure.error)
        return _read(answer, server.key)


def _read(answer: HttpAnswer, key: ApiKey) -> EndpointReply:
    """Return what an answer says: `{"score": number}`, with whatever else beside it."""
    if answer.status >= 300:
        return EndpointReply(None, replace(error_of_status(answer, key), kind="server"))
    details = answer.text(key)
    try:
        value = answer.read()
    except FieldError as fault:
        return EndpointReply(None, bad_field(fault, key, details))
    except ValueError:
        message = "the endpoint's answer is not JSON"
        return EndpointReply(None, ChatError("server", message, details))
    score = value.get("score") if isinstance(value, dict) else None
    if isinstance(score, bool) or not isinstance(score, int | float) or not _is_finite(score):
        if not isinstance(value, dict):
            got = f"it is {quoted(value, 60)}"
        else:
            got = f"the score is {quoted(score, 60)}" if "score" in value else "there is no score"
        message = f'the endpoint answers {{"score": number}}, and here {got}'
        return EndpointReply(None, ChatError("server", key.redact(message), details))
    return EndpointReply(float(score))


def _is_finite(score: float) -> bool:
    try:
        return math.isfinite(score)
    except OverflowError:  # An integer that no float holds.
        return False
