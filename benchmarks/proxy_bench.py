"""What passing a call on adds to it: `graders serve --record` against the model server alone, interleaved.

    python -m benchmarks.proxy_bench [--quick]

Model, proxy and clients share this machine. Each call is a chat completion that is recorded, plain or as a stream of 50
events; every answer is compared with the model server's own, byte for byte.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx2

from benchmarks.timing import GRADERS, table

CLIENTS = (1, 16, 64)
ASK = {"model": "m", "store": True, "messages": [{"role": "user", "content": "Hi " * 100}]}
HEAD = {"created": 7, "model": "m", "object": "chat.completion.chunk"}


async def model(port: Any) -> None:
    """Answer like a model server that takes no time."""
    count = 0

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                size = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
                asked = json.loads(await reader.readexactly(size))
                count += 1
                body, kind = answer(asked, count)
                writer.write(
                    b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\ncontent-length: %d\r\n\r\n"
                    % (kind, len(body))
                    + body
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(client, "127.0.0.1", 0, backlog=512)
    port.put(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def answer(asked: dict[str, Any], count: int) -> tuple[bytes, bytes]:
    head = {**HEAD, "id": f"c{count}"}
    if not asked.get("stream"):
        message = {"role": "assistant", "content": "word " * 50}
        whole = {
            **head,
            "object": "chat.completion",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        }
        return json.dumps(whole).encode(), b"application/json"
    parts = [{**head, "choices": [{"index": 0, "delta": {"content": "word "}}]} for _ in range(49)]
    parts.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    body = (
        b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in parts)
        + b"data: [DONE]\n\n"
    )
    return body, b"text/event-stream"


async def measure(url: str, clients: int, calls: int, *, stream: bool) -> list[float]:
    """Return milliseconds of each call."""
    taken: list[float] = []
    limits = httpx2.Limits(max_connections=clients, max_keepalive_connections=clients)
    async with httpx2.AsyncClient(limits=limits, timeout=60) as client:
        body = json.dumps({**ASK, "stream": stream}).encode()
        headers = {"content-type": "application/json"}

        async def work(count: int) -> None:
            for _ in range(count):
                began = time.perf_counter()
                got = await client.post(f"{url}/v1/chat/completions", content=body, headers=headers)
                taken.append(1000 * (time.perf_counter() - began))
                assert got.status_code == 200, got.text
                assert got.text.count("word ") == (49 if stream else 50)

        await asyncio.gather(*(work(calls // clients) for _ in range(clients)))
    return taken


def main() -> int:
    quick = "--quick" in sys.argv
    port: Any = multiprocessing.Queue()
    upstream = multiprocessing.Process(target=lambda: asyncio.run(model(port)), daemon=True)
    upstream.start()
    direct = f"http://127.0.0.1:{port.get()}"
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("wb") as said:
            server = subprocess.Popen(
                [GRADERS, "serve", "--port", "0", "--data-dir", f"{folder}/data", "--jobs", "0", "--processes", "1", "--no-token",
                 "--record", "--rollout-url", f"{direct}/v1"],
                stderr=said, env={**os.environ, "NO_PROXY": "127.0.0.1"},
            )  # fmt: skip
        try:
            while b'"url"' not in log.read_bytes():
                time.sleep(0.05)
            (line,) = [one for one in log.read_text().splitlines() if '"url"' in one]
            asyncio.run(rounds(direct, json.loads(line)["url"], quick=quick))
        finally:
            server.terminate()
            server.wait()
            upstream.terminate()
    return 0


async def rounds(direct: str, proxy: str, *, quick: bool) -> None:
    calls, times = (64, 1) if quick else (640, 5)
    lines = []
    for stream in (False, True):
        for clients in CLIENTS:
            taken: dict[str, list[float]] = {direct: [], proxy: []}
            for url in taken:
                await measure(url, clients, clients, stream=stream)
            for _ in range(times):
                for url, found in taken.items():
                    found.extend(await measure(url, clients, calls, stream=stream))
            middle = {url: statistics.median(found) for url, found in taken.items()}
            late = {url: statistics.quantiles(found, n=100)[98] for url, found in taken.items()}
            lines.append(
                ["50 events" if stream else "plain", str(clients), f"{middle[direct]:.2f}", f"{middle[proxy]:.2f}",
                 f"{middle[proxy] - middle[direct]:+.2f}", f"{late[direct]:.2f}", f"{late[proxy]:.2f}",
                 f"{(middle[proxy] - middle[direct]) / clients:+.2f}"]
            )  # fmt: skip
    heads = [
        "answer",
        "clients",
        "alone, ms",
        "passed on, ms",
        "added",
        "alone, p99",
        "passed on, p99",
        "added a call in turn",
    ]
    table("A call passed on and recorded", heads, lines)


if __name__ == "__main__":
    sys.exit(main())
