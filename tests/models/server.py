"""A scripted model server on 127.0.0.1: real HTTP, and every fault a server can have."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.waiting import PATIENCE

VERDICT = '{"steps": [], "result": 0.5}'


@dataclass
class Asked:
    """One request, as it came."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    raw: bytes = b""


@dataclass
class Told:
    """What to answer."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut_at: int | None = None  # Close after so many bytes of the body; -1 for before the headers.
    delay: float = 0.0
    held: Callable[[], bool] = lambda: False  # Nothing is sent as long as this says so.
    slow: float = 0.0  # Seconds between bytes of the body.
    length: int | None = None  # A body of so many bytes, made as it goes.
    chunked: int = 0  # Bytes of each piece of the body, sent in chunks.
    raw: bytes | None = None  # All that is sent, head and body, as it is; then the end.


def completion(text: Any = VERDICT, finish: str = "stop", **message: Any) -> Told:
    body = {
        "id": "x", "object": "chat.completion", "model": "judge-1",
        "choices": [{"index": 0, "finish_reason": finish,
                     "message": {"role": "assistant", "content": text, **message}}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }  # fmt: skip
    return Told(body=json.dumps(body).encode())


def error(status: int, message: str = "no", **headers: str) -> Told:
    body = json.dumps({"error": {"message": message}}).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Told(status, body, named)


Script = Callable[[Asked, int], Told]


class ScriptedServer:
    """Answers each request by a script; keeps what it was asked; stops when told."""

    def __init__(self, script: Script, port: int = 0) -> None:
        self.script = script
        self.asked: list[Asked] = []
        self.answered = 0
        self.answered_rows: list[str] = []  # The last message of each request answered whole.
        self.forgets = False
        self.now = self.most = 0
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._port = port
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._started.wait(PATIENCE)

    @property
    def port(self) -> int:
        return self._port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    def _run(self) -> None:
        async def start() -> None:
            self._server = await asyncio.start_server(
                self._client, "127.0.0.1", self._port, backlog=512
            )
            self._port = self._server.sockets[0].getsockname()[1]
            self._started.set()

        self._clients: set[asyncio.StreamWriter] = set()
        self._loop.run_until_complete(start())
        self._loop.run_forever()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.add(writer)
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._clients.discard(writer)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {
            line.partition(":")[0].lower(): line.partition(":")[2].strip()
            for line in head[1:]
            if line
        }
        raw = await reader.readexactly(int(headers.get("content-length", 0)))
        asked = Asked(head[0].split()[1], headers, json.loads(raw), raw)
        if not self.forgets:
            self.asked.append(asked)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            told = self.script(asked, len(self.asked))
            pause = 0.002
            while told.held():
                if reader.at_eof():
                    return False  # Who asked has gone.
                await asyncio.sleep(pause)
                pause = min(1.2 * pause, 0.1)  # A hundred that are held for seconds look less.
            await self._tell(told, writer)
        finally:
            self.now -= 1
        if told.status == 200 and told.cut_at != -1:
            self.answered += 1
            if not self.forgets:
                last = asked.body.get("messages", [{}])[-1]
                self.answered_rows.append(str(last.get("content")))
        return told.cut_at is None and told.raw is None

    async def _tell(self, told: Told, writer: asyncio.StreamWriter) -> None:
        if told.delay:
            await asyncio.sleep(told.delay)
        if told.cut_at == -1:
            return
        if told.raw is not None:
            writer.write(told.raw)
            await writer.drain()
            return
        size = told.length or len(told.body)
        headers = {"content-type": "application/json", "content-length": str(size), **told.headers}
        if told.chunked:
            headers = {**headers, "content-length": "", "transfer-encoding": "chunked"}
        named = [f"{name}: {value}" for name, value in headers.items() if value]
        writer.write("\r\n".join([f"HTTP/1.1 {told.status} X", *named, "", ""]).encode())
        if told.chunked:
            for at in range(0, len(told.body), told.chunked):
                piece = told.body[at : at + told.chunked]
                writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                await writer.drain()
            writer.write(b"0\r\n\r\n")
        elif told.length is not None:
            for _ in range(told.length // 65536):
                writer.write(b"x" * 65536)
                await writer.drain()
            writer.write(b"x" * (told.length % 65536))
        elif told.slow:
            for byte in told.body:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(told.slow)
        else:
            writer.write(told.body[: told.cut_at])
        await writer.drain()

    async def _end_tasks(self) -> None:
        # Who was accepted while others ended has a task that must begin, or nothing would close it.
        await asyncio.sleep(0)
        while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.sleep(0)

    def stop(self) -> None:
        """Die: connections are cut, the port is closed."""

        async def end() -> None:
            self._server.close()
            for writer in list(self._clients):
                writer.transport.abort()
            await asyncio.sleep(0)
            self._loop.stop()

        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(end(), self._loop)
            self._thread.join(PATIENCE)
            self._loop.run_until_complete(self._end_tasks())
            self._loop.close()
