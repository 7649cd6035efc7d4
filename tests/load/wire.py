"""HTTP/1.1 by hand over asyncio: what a polite client would not send, and many cheap connections."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from tests.waiting import PATIENCE


@dataclass(frozen=True)
class Reply:
    """One answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The hosted envelope; an answer that has none is a fault of the server."""
        error = self.json["error"]
        assert set(error) >= {"message", "type", "param", "code"}, error
        assert isinstance(error["message"], str), error
        assert error["message"], error
        return dict(error)


class Wire:
    """One connection, kept open between requests."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._host, self._port = host, port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        writer, self._reader, self._writer = self._writer, None, None
        if writer is not None:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def write(self, data: bytes) -> None:
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(
                self._host, self._port, limit=1 << 20
            )
        self._writer.write(data)
        await self._writer.drain()

    async def read(self, seconds: float = PATIENCE, *, bodiless: bool = False) -> Reply:
        return await asyncio.wait_for(self._read(bodiless=bodiless), seconds)

    async def _read(self, *, bodiless: bool) -> Reply:
        assert self._reader is not None
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers: dict[str, str] = {}
        for line in head[1:]:
            name, _, value = line.partition(":")
            if name:
                headers[name.lower()] = value.strip()
        if bodiless:
            body = b""
        elif "content-length" in headers:
            body = await self._reader.readexactly(int(headers["content-length"]))
        elif headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(await self._reader.readline(), 16):
                body += await self._reader.readexactly(size)
                await self._reader.readline()
            await self._reader.readline()
        else:
            body = await self._reader.read()
        reply = Reply(int(head[0].split()[1]), headers, body)
        if headers.get("connection", "").lower() == "close":
            await self.close()
        return reply

    async def is_closed(self, seconds: float) -> bool:
        """Whether the server ends the connection within so many seconds."""
        if self._reader is None:
            return True
        try:
            return not await asyncio.wait_for(self._reader.read(1 << 16), seconds)
        except ConnectionError:
            return True
        except TimeoutError:
            return False

    async def ask(
        self, method: str, path: str, body: Any = None, seconds: float = PATIENCE, **headers: str
    ) -> Reply:
        await self.write(request(method, path, body, **headers))
        return await self.read(seconds, bodiless=method == "HEAD")


def request(method: str, path: str, body: Any = None, **headers: str) -> bytes:
    """Return a request's bytes; a body that is not bytes is sent as JSON. `x_y` is header x-y."""
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    fields = {"host": "127.0.0.1", "content-length": str(len(data))}
    if body is not None:
        fields["content-type"] = "application/json"
    fields.update({name.replace("_", "-"): value for name, value in headers.items()})
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + data


async def ask(port: int, method: str, path: str, body: Any = None, **options: Any) -> Reply:
    """Ask once, over a connection of its own."""
    async with Wire(port) as wire:
        return await wire.ask(method, path, body, **options)


def multipart(parts: list[tuple[str, bytes]], boundary: str = "limit") -> tuple[bytes, str]:
    """Return a body of (disposition, content) parts, and its content type."""
    body = b"".join(
        f"--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n".encode()
        + content
        + b"\r\n"
        for disposition, content in parts
    )
    return body + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


async def upload(
    wire: Wire, content: bytes, purpose: str = "fine-tune", name: str = "rows.jsonl"
) -> Reply:
    """Upload a file."""
    body, kind = multipart(
        [('name="purpose"', purpose.encode()), (f'name="file"; filename="{name}"', content)]
    )
    return await wire.ask("POST", "/v1/files", body, content_type=kind)
