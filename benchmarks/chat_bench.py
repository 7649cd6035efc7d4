"""Calls a second and overhead a call of the chat client against a plain loop of the official SDK.

`python -m benchmarks.chat_bench [calls]`. The server is a process of its own on 127.0.0.1 that answers
at once, so that all that is measured is client; the SDK's loop is asyncio with a semaphore.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
from typing import Any

from graders.calls import ChatCall
from graders.models import JudgeOptions
from graders.models.client import ChatClient

ROUNDS = 3
SERVER = """
import asyncio, json
BODY = json.dumps({"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [
    {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content":
     '{"steps": [], "result": 0.5}'}}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}}).encode()
HEAD = f"HTTP/1.1 200 OK\\r\\ncontent-type: application/json\\r\\ncontent-length: {len(BODY)}\\r\\n\\r\\n"
ANSWER = HEAD.encode() + BODY
async def serve(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\\r\\n\\r\\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\\r\\n")[0])
            await reader.readexactly(length)
            writer.write(ANSWER)
    except Exception:
        writer.close()
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


def messages(count: int) -> list[list[dict[str, Any]]]:
    return [[{"role": "user", "content": f"Rate answer {n}."}] for n in range(count)]


def ours(url: str, count: int, concurrency: int) -> float:
    options = JudgeOptions(base_url=url, cache="none", concurrency=concurrency)
    call = ChatCall("m", messages(count), "v", {"type": "object"}, {"temperature": 0})
    with ChatClient(options) as client:
        client.perform(ChatCall("m", messages(concurrency), "v", {"type": "object"}))
        started = time.perf_counter()
        replies = client.perform(call)
        seconds = time.perf_counter() - started
    if any(json.loads(reply.text)["result"] != 0.5 for reply in replies):
        raise ValueError("a reply is not what the server says")
    return seconds


def theirs(url: str, count: int, concurrency: int) -> float:
    import openai

    async def run() -> float:
        async with openai.AsyncOpenAI(base_url=url, api_key="none") as client:
            places = asyncio.Semaphore(concurrency)

            async def one(asked: Any) -> Any:
                async with places:
                    done = await client.chat.completions.create(
                        model="m", messages=asked, temperature=0, max_completion_tokens=4096,
                        response_format={"type": "json_schema", "json_schema": {
                            "name": "v", "strict": True, "schema": {"type": "object"}}},
                    )  # fmt: skip
                    return json.loads(done.choices[0].message.content or "")["result"]

            await asyncio.gather(*map(one, messages(concurrency)))
            started = time.perf_counter()
            await asyncio.gather(*map(one, messages(count)))
            return time.perf_counter() - started

    return asyncio.run(run())


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    process = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
    try:
        url = f"http://127.0.0.1:{(process.stdout or sys.stdin).readline().strip()}/v1"
        print("concurrency  ours calls/s  ms/call   SDK calls/s  ms/call   ratio")
        for concurrency in (1, 32, 256):
            mine, other = [], []
            for _ in range(ROUNDS):
                mine.append(ours(url, count, concurrency))
                other.append(theirs(url, count, concurrency))
            a, b = statistics.median(mine) / count, statistics.median(other) / count
            print(
                f"{concurrency:11}  {1 / a:12,.0f}  {a * 1e3:7.3f}   {1 / b:11,.0f}  {b * 1e3:7.3f}"
                f"   {b / a:5.2f}"
            )
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
