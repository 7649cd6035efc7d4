"""Sending a request until it is answered: places, tries, waits, and ends to everything.

What a model has answered is never asked for again: once the headers of a success are here, the
request counts as billed, and a fault after them is an error. Connection faults before them, 5xx
and 429 are tried again, with jitter, inside one deadline for the whole call.
"""

from __future__ import annotations

import asyncio
import email.utils
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Final

from graders.calls import ChatError
from graders.errors import UnavailableError, shown
from graders.remote.fault import backoff
from graders.version import __version__
from graders.wire.answer import HttpAnswer
from graders.wire.endpoint import ServerAddress
from graders.wire.fault import error_of_status, is_loading, is_out_of_money, refuses_form
from graders.wire.gate import Gate
from graders.wire.health import Health
from graders.wire.inflate import Inflater
from graders.wire.stats import JudgeStats
from graders.wire.transport import TransportError, carrier

if TYPE_CHECKING:
    import httpx2

__all__ = ["Wire", "WireError", "client_of"]

_SHARE: Final = 16  # Connections a pool keeps; a pool's cost a request grows with their number.
_SMALL: Final = 1 << 16
_LARGE_AT_ONCE: Final = 16
_ERROR_BODY: Final = 1 << 16
_DIGITS: Final = 19
_CONNECT_SECONDS: Final = 10.0
_PROBE_SHARE: Final = 0.25
_LONGEST_WAIT: Final = 4.0


class WireError(Exception):
    """A request came to nothing; `error` says why, `billed` whether an answer had begun."""

    def __init__(self, error: ChatError, *, billed: bool = False) -> None:
        super().__init__(error.message)
        self.error = error
        self.billed = billed


class _TooLongError(Exception):
    """A body goes beyond its limit."""


@dataclass(frozen=True, slots=True)
class _Again:
    """Why a request may be sent again.

    Attributes:
        error: the error, should it not be.
        wait: seconds to wait at least.
        counts: whether it is one of the tries that `attempts` bounds.
        silent: whether nothing was heard from the server.
        held: whether the gate waits for it, for all calls.
    """

    error: ChatError
    wait: float = 0.0
    counts: bool = True
    silent: bool = False
    held: bool = False


class Wire:
    """Sends requests to one server from one event loop.

    Args:
        endpoint: the server.
        concurrency: at most so many requests at once.
        deadline: seconds a call may take, from its first place on.
        attempts: how often a request is sent at most after connection faults and 5xx.
        max_reply: bytes of the longest body that is read.
        pay_once: whether a request is never sent again once it was sent whole.
        stats: counts.
    """

    def __init__(
        self,
        endpoint: ServerAddress,
        *,
        concurrency: int,
        deadline: float,
        attempts: int,
        max_reply: int,
        pay_once: bool,
        stats: JudgeStats,
    ) -> None:
        self._endpoint = endpoint
        self._deadline = deadline
        self._attempts = attempts
        self._max_reply = max_reply
        self._pay_once = pay_once
        self._stats = stats
        self._gate = Gate(concurrency)
        self._large = asyncio.Semaphore(_LARGE_AT_ONCE)
        self._health = Health()
        self._turn = 0
        self._pools = _pools(endpoint, -(-concurrency // _SHARE))

    async def close(self) -> None:
        """Close the connections."""
        for pool in self._pools:
            await pool.aclose()

    async def post(
        self, path: str, content: bytes, on_lost: Callable[[], None] = lambda: None
    ) -> HttpAnswer:
        """Return the answer to a request: of a success or of a 4xx, whole.

        Args:
            path: what follows the server's address.
            content: the body.
            on_lost: called for each try that was sent and never answered, which a server may bill.

        Raises:
            WireError: there is none: lost connections, 5xx to the last try, the deadline, a body
                too long.
        """
        await self._gate.enter()
        deadline = time.monotonic() + self._deadline
        failed = 0
        last: ChatError | None = None
        while True:
            try:
                outcome = await self._permitted(path, content, deadline, failed, on_lost)
            except WireError as late:
                # What the tries before met says more than that the time is over.
                if last is not None and late.error.kind == "deadline":
                    raise WireError(last) from None
                raise
            finally:
                # The place is free for others while this call waits.
                self._gate.leave()
            if isinstance(outcome, HttpAnswer):
                return outcome
            wait, error = outcome.wait, outcome.error
            last = error
            if outcome.counts:
                failed += 1
                if failed >= self._attempts or self._health.failing:
                    self._health.lost(error, silent=outcome.silent)
                    raise WireError(error)
                wait = max(wait, backoff(failed, _LONGEST_WAIT))
            if time.monotonic() + wait >= deadline:
                raise WireError(error)
            self._stats.retries += 1
            if not outcome.held:
                await asyncio.sleep(wait)
            try:
                async with asyncio.timeout(max(0.001, deadline - time.monotonic())):
                    await self._gate.enter()
            except TimeoutError:
                raise WireError(error) from None

    async def _permitted(
        self, path: str, content: bytes, deadline: float, failed: int, on_lost: Callable[[], None]
    ) -> HttpAnswer | _Again:
        """Try, unless the server has been silent for so long that there is no point."""
        if failed and self._health.silent:
            raise WireError(self._health.error)
        permit = True if failed else await self._health.enter()
        if permit is False:
            error = self._health.error
            message = f"not asked, for the calls before came to nothing: {error.message}"
            raise WireError(ChatError(error.kind, message, error.details))
        if permit:
            return await self._try(path, content, deadline, on_lost)
        try:
            # Others wait for this one: it gets its share of the deadline, not all of it.
            share = time.monotonic() + self._deadline * _PROBE_SHARE
            return await self._try(path, content, min(deadline, share), on_lost)
        finally:
            self._health.leave()

    async def _try(
        self, path: str, content: bytes, deadline: float, on_lost: Callable[[], None]
    ) -> HttpAnswer | _Again:
        """Return an answer, or after what to try again."""
        import httpx2  # noqa: PLC0415  (a third of a second that other graders need not pay)

        self._stats.requests += 1
        self._turn += 1
        pool = self._pools[self._turn % len(self._pools)]
        heard = billed = False
        started = time.monotonic()
        left = max(0.001, deadline - started)
        try:
            async with (
                asyncio.timeout(left),
                pool.stream(
                    "POST", self._endpoint.url + path + self._endpoint.query, content=content
                ) as response,
            ):
                heard = True
                billed = response.status_code < 300
                if billed:
                    self._stats.answered += 1
                self._health.heard(well=response.status_code < 500)
                headers = response.headers
                body = await self._read(response, whole=billed)
                answer = HttpAnswer(
                    response.status_code, headers.get("content-type", ""), body,
                    headers.get("location", ""), time.monotonic() - started,
                )  # fmt: skip
        except TimeoutError:
            tries = "" if left > 0.9 * self._deadline else f", of which this try had {left:.2g} s"
            error = ChatError("deadline", f"no answer within {self._deadline:g} s{tries}")
            if not heard:
                on_lost()
            if not heard and left >= 0.9 * self._deadline * _PROBE_SHARE:
                self._health.lost(error, silent=True)
            raise WireError(error, billed=billed) from None
        except WireError as refused:
            refused.billed = billed
            raise
        except TransportError as fault:
            raise WireError(ChatError("request", str(fault))) from None
        except (httpx2.RequestError, OSError, ValueError) as fault:
            return self._broken(fault, heard=heard, billed=billed, on_lost=on_lost)
        return self._judged(answer, headers)

    def _broken(
        self, fault: Exception, *, heard: bool, billed: bool, on_lost: Callable[[], None]
    ) -> _Again:
        """Return how to go on after a connection fault, if at all."""
        import httpx2  # noqa: PLC0415

        said = shown(self._endpoint.key.redact(_cause(fault)), 200)
        reason = f"{type(fault).__name__}: {said}" if said else type(fault).__name__
        if billed:
            message = f"the connection broke in the middle of the answer ({reason})"
            raise WireError(ChatError("server", message), billed=True) from None
        if isinstance(fault, httpx2.UnsupportedProtocol | httpx2.LocalProtocolError):
            raise WireError(ChatError("request", f"the request cannot be sent ({reason})"))
        if not heard and isinstance(fault, httpx2.ReadError | httpx2.RemoteProtocolError):
            self._stats.lost += 1
            on_lost()
            if self._pay_once:
                message = (
                    f"the connection broke after the request was sent ({reason}); the server may "
                    "bill it, so it is not asked again"
                )
                error = ChatError("unreachable", message)
                self._health.lost(error, silent=True)
                raise WireError(error)
        message = f"the server cannot be reached ({reason})"
        return _Again(ChatError("unreachable", message), silent=not heard)

    def _judged(self, answer: HttpAnswer, headers: Any) -> HttpAnswer | _Again:
        """Return an answer to give to the caller, or after what to try again."""
        if answer.status == 429 and not is_out_of_money(answer):
            self._stats.limited += 1
            asked = _retry_after(headers)
            wait = backoff(1, _LONGEST_WAIT) if asked is None else asked
            self._gate.limited(wait)
            if asked is not None:  # Who says when to come back means everyone.
                self._gate.hold(wait)
            return _Again(self._too_limited(wait), wait, counts=False, held=asked is not None)
        if is_loading(answer):
            wait = _retry_after(headers) or backoff(1, _LONGEST_WAIT)
            self._gate.hold(wait)
            error = error_of_status(answer, self._endpoint.key)
            return _Again(error, wait, counts=False, held=True)
        if answer.status >= 500 and not refuses_form(answer):
            error = error_of_status(answer, self._endpoint.key)
            return _Again(error, _retry_after(headers) or 0.0)
        if answer.status < 400:
            self._gate.succeeded()
        return answer

    def _too_limited(self, wait: float) -> ChatError:
        more = f"; it asks to wait {wait:.0f} s" if wait >= 1 else ""
        return ChatError(
            "server",
            f"the server limits the rate beyond the deadline of {self._deadline:g} s{more}",
        )

    async def _read(self, response: httpx2.Response, *, whole: bool) -> bytes:
        """Return a body; of an error (not `whole`) as much as can be had."""
        limit = self._max_reply if whole else min(self._max_reply, _ERROR_BODY)
        pieces: list[bytes] = []
        size = 0
        encoding = response.headers.get("content-encoding", "")
        length = response.headers.get("content-length", "")
        told = int(length) if length.isdecimal() and len(length) < _DIGITS else 0
        try:
            inflater = Inflater(encoding)
            async with AsyncExitStack() as stack:
                large = bool(encoding) or told > _SMALL
                if large:  # Only so many long replies are held at once, at any concurrency.
                    await stack.enter_async_context(self._large)
                async for piece in _pieces(response, inflater, told, limit):
                    if not large and size + len(piece) > _SMALL:
                        large = True
                        await stack.enter_async_context(self._large)
                    pieces.append(piece)
                    size += len(piece)
            inflater.end()
        except _TooLongError:
            if whole:
                pieces.clear()  # The error's traceback would hold them for a while.
                message = f"the reply is longer than the {self._max_reply:,} bytes allowed"
                raise WireError(ChatError("too_large", message)) from None
        except ValueError as error:
            if whole:
                said = shown(self._endpoint.key.redact(str(error)), 200)
                message = f"the server's answer cannot be read: {said}"
                raise WireError(ChatError("server", message)) from None
        return b"".join(pieces)


async def _pieces(
    response: httpx2.Response, inflater: Inflater, told: int, limit: int
) -> AsyncIterator[bytes]:
    """Yield a body in pieces, up to `limit` bytes; one that is said to be longer not at all.

    Raises:
        _TooLongError: it is longer.
        ValueError: it is not in the encoding that it is said to be in.
    """
    if told > limit:
        raise _TooLongError
    size = 0
    async for raw in response.aiter_raw():
        for piece in inflater.feed(raw):
            size += len(piece)
            if size > limit:
                raise _TooLongError
            yield piece


def _pools(endpoint: ServerAddress, count: int) -> list[httpx2.AsyncClient]:
    try:
        import httpx2  # noqa: PLC0415
    except ImportError:
        raise UnavailableError("model graders need httpx2; pip install httpx2") from None
    try:
        trusted = (
            httpx2.create_ssl_context()
        )  # Reading the certificates takes as long as a request.
    except OSError as error:
        named = [one for one in ("SSL_CERT_FILE", "SSL_CERT_DIR") if one in os.environ]
        where = f" that {' and '.join(named)} names" if named else ""
        reason = getattr(error, "strerror", None) or "they are no certificates"
        raise UnavailableError(f"the certificates{where} cannot be read: {reason}") from None
    if endpoint.transport is not None:
        return [_pool(endpoint, trusted, carrier(endpoint.transport))]
    return [_pool(endpoint, trusted) for _ in range(count)]


def client_of(endpoint: ServerAddress) -> httpx2.AsyncClient:
    """Return a client of a server, for whoever passes requests on as they are.

    Raises:
        UnavailableError: there is no HTTP client, or the certificates cannot be read.
    """
    return _pools(endpoint, 1)[0]


def _pool(
    endpoint: ServerAddress,
    trusted: ssl.SSLContext,
    carried: httpx2.AsyncBaseTransport | None = None,
) -> httpx2.AsyncClient:
    import httpx2  # noqa: PLC0415

    return httpx2.AsyncClient(
        transport=carried,
        verify=trusted,
        headers={
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": f"local-graders/{__version__}",
            **endpoint.key.header(endpoint.auth),
        },
        # One deadline rules the call; a timer for each read would end slow answers too early. But a
        # host that takes no connection for so long will not take it later.
        timeout=httpx2.Timeout(None, connect=_CONNECT_SECONDS),
        limits=httpx2.Limits(
            max_connections=None, max_keepalive_connections=_SHARE * 2, keepalive_expiry=30
        ),
        follow_redirects=False,
        # What a server sets for one request would go along with those of other graders.
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
    )


def _cause(fault: BaseException) -> str:
    """Return what the system says about a connection fault, empty where it says nothing."""
    one: BaseException | None = fault
    for _ in range(10):
        if isinstance(one, BaseExceptionGroup):
            one = one.exceptions[0]
        if isinstance(one, ssl.SSLError):
            return one.reason or ""
        if isinstance(one, socket.gaierror):
            return one.strerror or ""
        if isinstance(one, OSError) and one.errno is not None:
            return os.strerror(one.errno)  # What asyncio says in its place changes.
        one = None if one is None else one.__cause__ or one.__context__
    return ""


def _retry_after(headers: Any) -> float | None:
    """Return how many seconds a server asks to wait, None where it does not say."""
    readers: tuple[tuple[str, Callable[[str], float]], ...] = (
        ("retry-after-ms", lambda text: float(text) / 1000),
        ("retry-after", float),
        ("retry-after", _until),
    )
    for name, read in readers:
        text = headers.get(name)
        if text:
            try:
                wait = read(text)
            except (ValueError, TypeError, OverflowError):
                continue
            if 0 <= wait < 1e9:
                return wait
    return None


def _until(text: str) -> float:
    return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
