"""Python graders sandboxed, unsandboxed, and with a process for every call: ratios.

Each way runs every workload in turn, several rounds, and medians are compared, so that a noisy
machine hurts every way alike.

    python benchmarks/sandbox_bench.py [--rounds 5] [--rows 20000]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from graders.calls import PythonCall
from graders.sandbox import PythonSandbox, probe

LIGHT = "def grade(sample, item):\n    return len(sample['output_text']) / 10\n"
F1 = """
import re
from collections import Counter

def tokens(text):
    return re.findall(r"\\w+", text.lower())

def grade(sample, item):
    got, want = Counter(tokens(sample["output_text"])), Counter(tokens(item["reference"]))
    same = sum((got & want).values())
    if not same:
        return 0.0
    precision, recall = same / sum(got.values()), same / sum(want.values())
    return 2 * precision * recall / (precision + recall)
"""
NUMPY = """
import numpy as np

def grade(sample, item):
    return float(np.mean([len(word) for word in sample["output_text"].split()]))
"""
FUZZ = """
from rapidfuzz import fuzz

def grade(sample, item):
    return fuzz.ratio(sample["output_text"], item["reference"]) / 100
"""
TEXT = "the quick brown fox jumps over the lazy dog and runs away "

# The unsandboxed way: the same pipes and JSON lines, a plain subprocess, no locks, no clock.
PLAIN = """
import json, sys
names = {}
exec(compile(sys.argv[1], "<grader>", "exec"), names)
grade = names["grade"]
for line in sys.stdin:
    sample, item = json.loads(line)
    sys.stdout.write(json.dumps(grade(sample, item)) + "\\n")
"""
ONCE = """
import json, sys
names = {}
exec(compile(sys.argv[1], "<grader>", "exec"), names)
sample, item = json.loads(sys.stdin.read())
print(json.dumps(names["grade"](sample, item)))
"""


def rows_of(count: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    samples = [{"output_text": TEXT * 3 + str(row)} for row in range(count)]
    items = [{"reference": TEXT * 3, "row": row} for row in range(count)]
    return samples, items


def sandboxed(source: str, count: int, batch: int, opened: PythonSandbox) -> float:
    samples, items = rows_of(count)
    opened.check(source)
    opened.perform(PythonCall(source, samples[:1], items[:1]))
    began = time.perf_counter()
    for start in range(0, count, batch):
        end = start + batch
        replies = opened.perform(PythonCall(source, samples[start:end], items[start:end]))
        assert all(reply.score is not None for reply in replies)
    return count / (time.perf_counter() - began)


def plain(source: str, count: int) -> float:
    samples, items = rows_of(count)
    with subprocess.Popen(
        [sys.executable, "-c", PLAIN, source],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as worker:  # fmt: skip
        warm = json.dumps([samples[0], items[0]]) + "\n"
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdin.write(warm)
        worker.stdin.flush()
        worker.stdout.readline()
        began = time.perf_counter()
        lines = "".join(json.dumps(pair) + "\n" for pair in zip(samples, items, strict=True))
        out, _ = worker.communicate(lines)
        scores = [json.loads(line) for line in out.splitlines()]
        assert len(scores) == count
        return count / (time.perf_counter() - began)


def per_call(source: str, count: int) -> float:
    samples, items = rows_of(count)
    began = time.perf_counter()
    for pair in zip(samples, items, strict=True):
        done = subprocess.run(
            [sys.executable, "-I", "-c", ONCE, source],
            input=json.dumps(pair), capture_output=True, text=True, check=True,
        )  # fmt: skip
        json.loads(done.stdout)
    return count / (time.perf_counter() - began)


def start_up() -> float:
    began = time.perf_counter()
    with PythonSandbox() as opened:
        samples, items = rows_of(1)
        opened.perform(PythonCall(LIGHT, samples, items))
        return (time.perf_counter() - began) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=20000)
    options = parser.parse_args()
    print(f"{probe().system}, level {probe().default}, medians of {options.rounds} rounds")
    starts = [start_up() for _ in range(options.rounds)]
    print(f"start to first score: {statistics.median(starts):.0f} ms\n")
    print(f"{'grader':8}{'way':34}{'calls/s':>10}{'ratio':>8}")
    count, few = options.rows, max(20, options.rows // 1000)
    with (
        PythonSandbox(keep=True) as module,
        PythonSandbox(isolation="row") as row,
        PythonSandbox(isolation="shared", keep=True) as shared,
        PythonSandbox() as ended,
    ):
        for name, source in (("light", LIGHT), ("F1", F1), ("numpy", NUMPY), ("rapidfuzz", FUZZ)):
            ways: dict[str, Callable[[], float]] = {
                "plain subprocess, all at once": partial(plain, source, count),
                "sandboxed, all at once": partial(sandboxed, source, count, count, module),
                "sandboxed, shared globals": partial(sandboxed, source, count, count, shared),
                "sandboxed, chunks of 256": partial(sandboxed, source, count, 256, module),
                "sandboxed, one by one": partial(sandboxed, source, count // 10, 1, module),
                "the same, a process a call": partial(sandboxed, source, count // 40, 1, ended),
                "sandboxed, a process a row": partial(sandboxed, source, count // 20, 256, row),
                "a new process for every call": partial(per_call, source, few),
            }
            speeds: dict[str, list[float]] = {way: [] for way in ways}
            for _ in range(options.rounds):
                for way, measure in ways.items():
                    speeds[way].append(measure())
            base = statistics.median(speeds["plain subprocess, all at once"])
            for way, found in speeds.items():
                speed = statistics.median(found)
                print(f"{name:10}{way:32}{speed:10,.0f}{speed / base:8.2f}")


if __name__ == "__main__":
    main()
