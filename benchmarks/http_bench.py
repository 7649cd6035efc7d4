"""Requests a second through `graders serve` against the engine alone, `Grader.grade` in a loop.

`python -m benchmarks.http_bench [--quick]`. The server is a process of its own with its own grading
processes; the client is written for this, a few lines over asyncio, so that little of what is
measured is client. Both grade the same rows, and the rewards are asserted to be equal. Wall time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from typing import Any

import graders
from benchmarks.timing import table

EXACT = {
    "type": "string_check", "name": "exact", "operation": "eq",
    "input": "{{ sample.output_text }}", "reference": "{{ item.answer }}",
}  # fmt: skip
CLOSE = {
    "type": "text_similarity", "name": "close", "evaluation_metric": "fuzzy_match",
    "input": "{{ sample.output_text }}", "reference": "{{ item.answer }}",
}  # fmt: skip
PYTHON = {
    "type": "python", "name": "words",
    "source": (
        "def grade(sample, item):\n"
        "    said, right = set(sample['output_text'].split()), set(item['answer'].split())\n"
        "    return len(said & right) / len(said | right)\n"
    ),
}  # fmt: skip
GRADERS: dict[str, dict[str, Any]] = {
    "string_check": EXACT,
    "multi": {
        "type": "multi", "name": "both", "calculate_output": "0.5 * exact + 0.5 * close",
        "graders": {"exact": EXACT, "close": CLOSE},
    },
    "python": PYTHON,
}  # fmt: skip
CONCURRENCY = (1, 32)
ROUNDS = 3
PATH = "/v1/fine_tuning/alpha/graders/run"


def rows(count: int) -> list[tuple[dict[str, str], str]]:
    """Return (item, sample) pairs; a third of the samples are right."""
    return [
        ({"answer": f"the answer of row {n} is {n * n}"}, f"the answer of row {n} is {n * n + n % 3}")
        for n in range(count)
    ]  # fmt: skip


def alone(grader: graders.Grader, given: list[tuple[dict[str, str], str]]) -> tuple[float, Any]:
    """Return the seconds, and the rewards, of a loop over the engine."""
    began = time.perf_counter()
    rewards = [grader.grade(item=item, sample=sample).reward for item, sample in given]
    return time.perf_counter() - began, rewards


def served(
    port: int, config: dict[str, Any], given: list[tuple[dict[str, str], str]], at_once: int
) -> tuple[float, Any]:
    """Return the seconds, and the rewards, of the same through HTTP over so many connections."""
    requests = []
    for item, sample in given:
        body = json.dumps({"grader": config, "item": item, "model_sample": sample}).encode()
        head = (
            f"POST {PATH} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        requests.append(head.encode() + body)

    async def one(turns: Any, rewards: list[Any]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
        for number in turns:
            writer.write(requests[number])
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
            body = json.loads(await reader.readexactly(length))
            rewards[number] = body["reward"]
        writer.close()
        await writer.wait_closed()

    async def all_of_it() -> tuple[float, Any]:
        rewards: list[Any] = [None] * len(requests)
        turns = iter(range(len(requests)))
        began = time.perf_counter()
        await asyncio.gather(*(one(turns, rewards) for _ in range(at_once)))
        return time.perf_counter() - began, rewards

    return asyncio.run(all_of_it())


def start(folder: str, *options: str) -> tuple[subprocess.Popen[str], int]:
    """Start a server on a free port; return it and the port."""
    with open(f"{folder}/log", "w") as log:  # noqa: PTH123
        process = subprocess.Popen(
            [sys.executable, "-m", "graders", "serve", "--port", "0", "--jobs", "0", "--data-dir",
             f"{folder}/data", *options],
            stderr=log, text=True,
        )  # fmt: skip
    for _ in range(600):
        with open(f"{folder}/log") as log:  # noqa: PTH123
            events = [json.loads(line) for line in log if line.endswith("\n")]
        for listening in (event for event in events if event["event"] == "listening"):
            port = int(listening["url"].rpartition(":")[2])
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).close()
            except urllib.error.URLError:
                pass
            else:
                return process, port
        if process.poll() is not None:
            break
        time.sleep(0.05)
    process.kill()
    raise RuntimeError("the server did not start")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--quick", action="store_true", help="few requests: checks values, not times"
    )
    quick = parser.parse_args().quick
    given = rows(60 if quick else 2000)
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        process, port = start(folder)
        try:
            for name, config in GRADERS.items():
                with graders.load(config) as grader:
                    alone(grader, given[:20])
                    served(port, config, given[:64], 32)
                    mine: list[float] = []
                    through: dict[int, list[float]] = {at_once: [] for at_once in CONCURRENCY}
                    for _ in range(1 if quick else ROUNDS):
                        seconds, rewards = alone(grader, given)
                        mine.append(seconds)
                        assert len({*rewards}) > 2 or name == "string_check", rewards[:5]
                        for at_once in CONCURRENCY:
                            seconds, told = served(port, config, given, at_once)
                            assert told == rewards, f"{name}: the server's rewards differ"
                            through[at_once].append(seconds)
                engine = statistics.median(mine) / len(given)
                for at_once in CONCURRENCY:
                    took = statistics.median(through[at_once]) / len(given)
                    lines.append((
                        name, f"{at_once}", f"{1 / engine:,.0f}", f"{1 / took:,.0f}",
                        f"{took * 1e3:.2f}", f"{took / engine:.1f}x",
                    ))  # fmt: skip
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
    heads = ("grader", "connections", "engine alone, rows/s", "HTTP, requests/s",
             "HTTP, ms a request", "HTTP's time over the engine's")  # fmt: skip
    table("Through HTTP (wall time)", heads, lines)


if __name__ == "__main__":
    main()
