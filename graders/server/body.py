"""Reading what a request brings: never more than its limit, never for longer than its time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

from starlette.requests import ClientDisconnect, Request

from graders.errors import quoted
from graders.wire.error import ApiError

__all__ = ["chunks", "read_body"]

_DRAINED: Final = 64 << 20
_PACE: Final = 64 << 10


async def read_body(request: Request, limit: int, seconds: float) -> bytes:
    """Return a request's body.

    Raises:
        ApiError: it is longer than `limit` bytes, takes longer than `seconds`, or is compressed.
    """
    if (coding := request.headers.get("content-encoding", "identity").lower()) != "identity":
        raise ApiError(415, f"the body is sent as it is, not as {quoted(coding)}")
    too_long = ApiError(
        413, f"the body is longer than {limit:,} bytes, the most this server takes",
        code="request_too_large",
    )  # fmt: skip
    announced = request.headers.get("content-length", "0")[:18]
    # Whoever asks first, or would send very much, need not send it; others are read to the end, or
    # they break off before they see why.
    most = limit if "expect" in request.headers else max(limit, _DRAINED)
    if announced.isdigit() and int(announced) > most:
        raise too_long
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                size += len(part)
                if size > _DRAINED:
                    break
                if size <= limit:
                    parts.append(part)
                else:
                    # Read on, or the client breaks off before it sees why; but keep nothing.
                    parts.clear()
    except TimeoutError:
        raise _slow() from None
    except ClientDisconnect:
        raise ApiError(400, "the client went away before its request was complete") from None
    if size > limit:
        raise too_long
    return b"".join(parts)


async def chunks(request: Request, limit: int, seconds: float) -> AsyncGenerator[bytes, None]:
    """Yield a long body as it comes.

    Raises:
        ApiError: it is longer than `limit` bytes, or comes slower than 64 kB in `seconds`.
    """
    size = pending = 0
    stream = request.stream()
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            async with asyncio.timeout_at(deadline):
                part = await anext(stream, None)
        except TimeoutError:
            raise _slow() from None
        if part is None:
            return
        size += len(part)
        pending += len(part)
        if pending >= _PACE:
            pending = 0
            deadline = asyncio.get_running_loop().time() + seconds
        if size > limit + _DRAINED:
            raise ApiError(413, "the upload is far beyond what this server takes")
        yield part


def _slow() -> ApiError:
    return ApiError(408, "the body came too slowly; send it again", code="request_timeout")
