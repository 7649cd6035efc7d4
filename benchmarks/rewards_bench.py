"""Rewards by HTTP at 64 clients, ms a row: one row a request, many, with a connection kept or made each time.

`python -m benchmarks.rewards_bench [--quick]`. A multi of string_check and fuzzy_match, on answers of 8 to 60
words, and of about 1,000. The server is a process of its own with its own grading processes; the client is a few lines
over asyncio in this one, and shares the cores with it. Beside it stand `grade_many` in this process, without
any HTTP, and the same rows as `graders.run` takes them, the grader in each request. All give the same
rewards, which is asserted; a third of the rows fails. Wall time, the median of rounds that take turns.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import graders
from benchmarks import corpus
from benchmarks.http_bench import PATH, start
from benchmarks.timing import table

CLIENTS: Final = 64
BATCH: Final = 16
ROUNDS: Final = 5
GRADER: Final[dict[str, Any]] = {
    "type": "multi", "name": "answer", "calculate_output": "0.5 * right + 0.5 * near",
    "graders": {
        "right": {"type": "string_check", "name": "right", "operation": "like",
                  "input": "{{ sample.output_text }}", "reference": "{{ item.answer }}"},
        "near": {"type": "text_similarity", "name": "near", "evaluation_metric": "fuzzy_match",
                 "input": "{{ sample.output_text }}", "reference": "{{ item.answer }}"},
    },
}  # fmt: skip
Row = dict[str, Any]
Request = tuple[str, Any, Callable[[Any], list[Any]]]
"""A path, a body, and what reads the rewards of the answer."""


def rows(count: int, passages: int) -> list[Row]:
    """Return rows of so many passages and the same, edited; each third one lacks its answer."""
    source = list(corpus.rows(count * passages))
    found = []
    for at in range(count):
        own = source[at * passages : (at + 1) * passages]
        answer = "\n".join(one["item"]["reference"] for one in own)
        said = "\n".join(one["sample"]["output_text"] for one in own)
        found.append({"item": {"answer": answer} if at % 3 else {"other": at}, "sample": said})
    return found


def hosted(given: Sequence[Row]) -> Iterator[Request]:
    """Each row as graders.run takes it, one by one; a failed one is 0.0 with a flag."""
    for row in given:
        body = {"grader": GRADER, "item": row["item"], "model_sample": row["sample"]}
        yield (
            PATH,
            body,
            lambda told: [
                None if told["metadata"]["errors"]["invalid_variable_error"] else told["reward"]
            ],
        )


def lone(given: Sequence[Row]) -> Iterator[Request]:
    """Each row as OpenRLHF asks for it, one a request."""
    for row in given:
        body = {"query": [row["sample"]], "prompts": [""], "labels": [json.dumps(row["item"])]}
        yield "/v1/rewards/openrlhf/answer", body, lambda told: [told["rewards"]]


def batches(given: Sequence[Row]) -> Iterator[Request]:
    """So many rows a request."""
    for at in range(0, len(given), BATCH):
        body = {"rows": given[at : at + BATCH]}
        yield "/v1/rewards/batch/answer", body, lambda told: told["rewards"]


def served(port: int, requests: Sequence[Request], *, keep: bool) -> tuple[float, list[Any]]:
    """Return the seconds, and the rewards in order, of requests by 64 clients at once."""
    sent = []
    for path, body, _ in requests:
        text = json.dumps(body).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
            f"connection: {'keep-alive' if keep else 'close'}\r\ncontent-length: {len(text)}\r\n\r\n"
        )
        sent.append(head.encode() + text)

    async def client(turns: Iterator[int], told: list[bytes]) -> None:
        connection = None
        for number in turns:
            if connection is None:
                connection = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
            reader, writer = connection
            writer.write(sent[number])
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
            told[number] = await reader.readexactly(length)
            if not keep:
                writer.close()
                connection = None
        if connection is not None:
            connection[1].close()

    async def all_of_them() -> tuple[float, list[bytes]]:
        told, turns = [b""] * len(sent), iter(range(len(sent)))
        began = time.perf_counter()
        await asyncio.gather(*(client(turns, told) for _ in range(CLIENTS)))
        return time.perf_counter() - began, told

    seconds, told = asyncio.run(all_of_them())
    rewards = [
        one
        for (_, _, read), text in zip(requests, told, strict=True)
        for one in read(json.loads(text))
    ]
    return seconds, rewards


def measure(given: Sequence[Row], rounds: int) -> list[tuple[str, ...]]:
    """Return the lines of a table: each way's ms a row."""
    ways = {
        "graders.run, one by one": (list(hosted(given)), True),
        "openrlhf, a row a request, connection kept": (list(lone(given)), True),
        "openrlhf, a row a request, a connection each": (list(lone(given)), False),
        f"batch, {BATCH} rows a request": (list(batches(given)), True),
    }
    taken: dict[str, list[float]] = {name: [] for name in ("grade_many, no HTTP", *ways)}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "grader.json").write_text(json.dumps(GRADER))
        process, port = start(folder, "--grader", f"answer={folder}/grader.json")
        try:
            for _ in range(rounds):
                with graders.load(GRADER) as grader:  # A new one, which remembers no texts.
                    began = time.perf_counter()
                    expected = [one.reward for one in grader.grade_many(given)]
                    taken["grade_many, no HTTP"].append(time.perf_counter() - began)
                assert expected.count(None) == -(-len(given) // 3)
                assert len(set(expected)) > len(given) // 3
                for name, (requests, keep) in ways.items():
                    seconds, told = served(port, requests, keep=keep)
                    assert told == expected, f"{name}: other rewards than grade_many's"
                    taken[name].append(seconds)
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
    # The first round warms up.
    each = {
        name: statistics.median(times[1:] or times) / len(given) * 1e3
        for name, times in taken.items()
    }
    before = each["graders.run, one by one"]
    return [(name, f"{ms:.2f}", f"{before / ms:.1f}x") for name, ms in each.items()]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="few rows: checks values, not times")
    quick = parser.parse_args().quick
    heads = ("way", "ms a row", "graders.run's time over its")
    for title, count, passages in (("8 to 60 words", 2048, 1), ("1,000 words", 512, 30)):
        lines = measure(rows(128 if quick else count, passages), 1 if quick else ROUNDS + 1)
        table(f"Rewards by HTTP, {CLIENTS} clients, {title} (wall time)", heads, lines)


if __name__ == "__main__":
    main()
