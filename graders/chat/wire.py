"""Sending a request until it is answered: places, tries, waits, and ends to everything.

What a model has answered is never asked for again: once the headers of a success are here, the
request counts as billed, and a fault after them is an error. Connection faults before them, 5xx
and 429 are tried again, with jitter, inside one deadline for the whole call.
"""

from __future__ import annotations

import asyncio
import email.utils
import random
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final

from graders.calls import ChatError
from graders.chat.answer import Answer, error_of_status
from graders.chat.endpoint import Endpoint
from graders.chat.gate import Gate
from graders.chat.stats import JudgeStats
from graders.errors import UnavailableError, shown
from graders.version import __version__

if TYPE_CHECKING:
    import httpx2

__all__ = ["Wire", "WireError"]

_SHARE: Final = 16  # Connections a pool keeps; a pool's cost a request grows with their number.
_SMALL: Final = 1 << 16
_LARGE_AT_ONCE: Final = 16
_ERROR_BODY: Final = 1 << 16
_DOWN_AFTER: Final = 3
_FIRST_WAIT: Final = 0.25
_LONGEST_WAIT: Final = 8.0


class WireError(Exception):
    """A request came to nothing; `error` says why."""

    def __init__(self, error: ChatError) -> None:
        super().__init__(error.message)
        self.error = error


class Wire:
    """Sends requests to one server from one event loop.

    Args:
        endpoint: the server.
        concurrency: at most so many requests at once.
        deadline: seconds a call may take, from its first place on.
        attempts: how often a request is sent at most after connection faults and 5xx.
        max_reply: bytes of the longest body that is read.
        stats: counts.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        concurrency: int,
        deadline: float,
        attempts: int,
        max_reply: int,
        stats: JudgeStats,
    ) -> None:
        self._endpoint = endpoint
        self._deadline = deadline
        self._attempts = attempts
        self._max_reply = max_reply
        self._stats = stats
        self._gate = Gate(concurrency)
        self._large = asyncio.Semaphore(_LARGE_AT_ONCE)
        self._lost = 0  # Calls lost one after the other, with no answer between.
        self._turn = 0
        self._stack = AsyncExitStack()
        self._pools = [_pool(endpoint) for _ in range(-(-concurrency // _SHARE))]

    async def close(self) -> None:
        """Close the connections."""
        for pool in self._pools:
            await pool.aclose()

    async def post(self, path: str, content: bytes) -> Answer:
        """Return the answer to a request: of a success or of a 4xx, whole.

        Raises:
            WireError: there is none: lost connections, 5xx to the last try, the deadline, a body
                too long.
        """
        await self._gate.enter()
        inside = True
        deadline = time.monotonic() + self._deadline
        failed = 0
        try:
            while True:
                answer, error, wait = await self._try(path, content, deadline)
                if answer is not None:
                    self._lost = 0
                    return answer
                limited = wait is not None and error is None
                if error is not None:
                    failed += 1
                    if failed >= self._attempts or self._lost >= _DOWN_AFTER:
                        self._lost += 1
                        raise WireError(error)
                    wait = max(wait or 0.0, _backoff(failed))
                if time.monotonic() + (wait or 0.0) >= deadline:
                    raise WireError(error or self._too_limited(wait or 0.0))
                self._stats.retries += 1
                # The place is free for others while this call waits.
                self._gate.leave()
                inside = False
                if not limited:
                    await asyncio.sleep(wait or 0.0)
                try:
                    async with asyncio.timeout(max(0.001, deadline - time.monotonic())):
                        await self._gate.enter()
                except TimeoutError:
                    raise WireError(error or self._too_limited(wait or 0.0)) from None
                inside = True
        finally:
            if inside:
                self._gate.leave()

    def _too_limited(self, wait: float) -> ChatError:
        more = f"; it asks to wait {wait:.0f} s" if wait >= 1 else ""
        return ChatError(
            "server",
            f"the server limits the rate beyond the deadline of {self._deadline:g} s{more}",
        )

    async def _try(
        self, path: str, content: bytes, deadline: float
    ) -> tuple[Answer | None, ChatError | None, float | None]:
        """Return an answer; or the error to try again after; or, for a 429, how long to wait."""
        import httpx2  # noqa: PLC0415  (a third of a second that other graders need not pay)

        self._stats.requests += 1
        self._turn += 1
        pool = self._pools[self._turn % len(self._pools)]
        billed = False
        try:
            async with (
                asyncio.timeout(max(0.001, deadline - time.monotonic())),
                pool.stream(
                    "POST", self._endpoint.url + path + self._endpoint.query, content=content
                ) as response,
            ):
                billed = response.status_code < 300
                if billed:
                    self._stats.answered += 1
                body = await self._read(response, whole=billed)
                answer = Answer(
                    response.status_code, response.headers.get("content-type", ""), body
                )
                headers = response.headers
        except TimeoutError:
            message = f"no answer within {self._deadline:g} s"
            raise WireError(ChatError("deadline", message)) from None
        except (httpx2.TransportError, httpx2.DecodingError, OSError) as fault:
            said = shown(self._endpoint.key.redact(str(fault)), 200)
            reason = f"{type(fault).__name__}: {said}" if said else type(fault).__name__
            if billed:
                message = f"the connection broke in the middle of the answer ({reason})"
                raise WireError(ChatError("server", message)) from None
            return None, ChatError("unreachable", f"the server cannot be reached ({reason})"), None
        if answer.status == 429 and not _out_of_money(answer):
            self._stats.limited += 1
            wait = _retry_after(headers)
            wait = _backoff(1) if wait is None else wait
            self._gate.limited(wait)
            return None, None, wait
        if answer.status >= 500 and answer.status != 501:
            error = error_of_status(answer, self._endpoint.key)
            return None, error, _retry_after(headers)
        if answer.status < 400:
            self._gate.succeeded()
        return answer, None, None

    async def _read(self, response: httpx2.Response, *, whole: bool) -> bytes:
        pieces: list[bytes] = []
        size = 0
        limit = self._max_reply if whole else min(self._max_reply, _ERROR_BODY)
        stream = response.aiter_bytes()
        async with AsyncExitStack() as stack:
            async for piece in stream:
                if size <= _SMALL < size + len(piece):
                    # Only so many long replies are held at once, whatever the concurrency.
                    await stack.enter_async_context(self._large)
                size += len(piece)
                if size > limit:
                    if not whole:
                        return b"".join(pieces)
                    message = f"the reply is longer than the {self._max_reply:,} bytes allowed"
                    raise WireError(ChatError("too_large", message))
                pieces.append(piece)
        return b"".join(pieces)


def _pool(endpoint: Endpoint) -> httpx2.AsyncClient:
    try:
        import httpx2  # noqa: PLC0415
    except ImportError:
        raise UnavailableError("model graders need httpx2; pip install httpx2") from None
    return httpx2.AsyncClient(
        headers={
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": f"local-graders/{__version__}",
            **endpoint.key.header(endpoint.auth),
        },
        # One deadline rules the call; a timer for each read would end slow answers too early.
        timeout=None,
        limits=httpx2.Limits(
            max_connections=None, max_keepalive_connections=_SHARE * 2, keepalive_expiry=30
        ),
        follow_redirects=False,
    )


def _backoff(tries: int) -> float:
    longest = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0**tries)
    return random.uniform(longest / 2, longest)  # noqa: S311  (jitter, not a secret)


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


def _out_of_money(answer: Answer) -> bool:
    return b"insufficient_quota" in answer.body or b"billing_hard_limit" in answer.body
