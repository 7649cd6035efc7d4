"""Batch scoring at scale: workers, memory for many rows, resuming, Ray.

    python -m benchmarks scale                  all but ten million rows and Ray
    python -m benchmarks.scale --rows 10000000  ten million rows on the fly: half an hour
    python -m benchmarks.scale --ray            Ray against local processes (extra `ray`)

Times here are wall times, for that is what more processes are for; a table is one run in which the
lines follow each other, `rounds` times, and each figure a median. Results are asserted to be the
same bytes.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import corpus
from benchmarks.timing import GRADERS, medians, process_time, run, table

__all__ = ["main"]

SCRIPT = str(Path(__file__).with_name("careful_script.py"))
ROWS, QUICK_ROWS, ROUNDS = 100_000, 3_000, 3
LARGE, QUICK_LARGE = (10_000, 1_000_000), (1_000, 20_000)
CYCLE = 50_000
"""Distinct rows behind rows that are made on the fly."""


def seconds(command: Sequence[str]) -> float:
    """Wall seconds of a process from start to exit."""
    start = time.perf_counter()
    run(command)
    return time.perf_counter() - start


def score(folder: Path, *options: str, output: str = "out") -> list[str]:
    words = [GRADERS, "score", str(folder / "grader.json"), str(folder / "rows.jsonl")]
    return [*words, "-o", str(folder / output), *options]


def prepare(folder: Path, count: int) -> None:
    corpus.write(folder / "rows.jsonl", corpus.rows(count))
    (folder / "grader.json").write_text(json.dumps(corpus.GRADER))


def worker_table(count: int, rounds: int, *, script: bool) -> None:
    """Rows a second by the number of worker processes."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        prepare(folder, count)
        measures: dict[str, Callable[[], float]] = {}
        for number in (0, 1, 2, 4):
            command = score(folder, "--workers", str(number), output=f"out{number}")
            measures[str(number)] = lambda command=command: seconds(command)  # type: ignore[misc]
        found = medians(measures, rounds)
        whole = (folder / "out0").read_bytes()
        assert all((folder / f"out{number}").read_bytes() == whole for number in (1, 2, 4))
        lines = []
        theirs = 0.0
        if script:
            theirs = seconds([sys.executable, SCRIPT, str(folder / "rows.jsonl"), f"{folder}/x"])
        for named, took in found.items():
            cpu = process_time(score(folder, "--workers", named, "--restart"))
            times = f"{theirs / took:.1f}x" if script else "-"
            lines.append((named, f"{took:.2f} s", f"{count / took:,.0f}", f"{cpu:.2f} s", times))
    heads = ("worker processes", "wall", "rows/s", "CPU, all processes", "careful script's wall")
    table(f"Workers: {count:,} rows of the main workload", heads, lines)


def on_the_fly(folder: Path, count: int, *options: str) -> dict[str, Any]:
    """Score rows that are made as they are read; return the summary."""
    lines = [json.dumps(row).encode() + b"\n" for row in corpus.rows(min(CYCLE, count))]
    command = [
        GRADERS, "score", str(folder / "grader.json"), "-", "-o", "/dev/null",
        "--summary", str(folder / "summary.json"), *options,
    ]  # fmt: skip
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as scoring:
        assert scoring.stdin is not None
        for row in itertools.islice(itertools.cycle(lines), count):
            scoring.stdin.write(row)
        scoring.stdin.close()
        assert scoring.wait() == 0
    summary: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    assert summary["rows"] == count
    return summary


def memory(sizes: Sequence[int]) -> None:
    """Peak memory by number of rows, of this process alone and of all with two workers."""
    lines = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "grader.json").write_text(json.dumps(corpus.GRADER))
        for size in sizes:
            alone = on_the_fly(folder, size, "--workers", "0")
            both = on_the_fly(folder, size, "--workers", "2")
            lines.append(
                (
                    f"{size:,} rows",
                    f"{alone['peak_memory'] / 1e6:.0f} MB",
                    f"{both['peak_memory'] / 1e6:.0f} MB",
                    f"{size / alone['seconds']:,.0f}",
                    f"{size / both['seconds']:,.0f}",
                )
            )
    heads = ("work", "one process", "and two workers", "rows/s", "rows/s, two workers")
    table("Memory: rows made on the fly, from a pipe", heads, lines)


def resuming(count: int) -> None:
    """What an interruption costs: a run cut in half and resumed against one in one go."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, count)
        whole = seconds(score(folder, "--workers", "2", output="whole"))
        with subprocess.Popen(
            score(folder, "--workers", "2"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as running:
            start = time.perf_counter()
            size = (folder / "whole").stat().st_size
            partial = folder / "out.partial"
            while not partial.exists() or partial.stat().st_size < size // 2:
                assert running.poll() is None, "it was done before it could be killed"
                time.sleep(0.005)
            running.kill()
            first = time.perf_counter() - start
        summary = folder / "summary.json"
        again = seconds(score(folder, "--workers", "2", "--resume", "--summary", str(summary)))
        assert (folder / "out").read_bytes() == (folder / "whole").read_bytes()
        kept = json.loads(summary.read_text())["resumed_rows"]
        done = seconds(score(folder, "--workers", "2", "--resume"))
    line = (f"{count:,} rows", f"{whole:.2f} s", f"{first:.2f} s", f"{kept:,}", f"{again:.2f} s",
            f"{first + again - whole:+.2f} s", f"{done:.2f} s")  # fmt: skip
    heads = ("work", "in one go", "until kill -9", "rows kept", "resumed", "lost", "nothing left")
    table("Resuming: killed half way, two workers", heads, [line])


def over_ray(count: int) -> None:
    """Ray against local processes, both with two workers, a local cluster made for the run."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = []
        for size in (count // 10, count):
            prepare(folder, size)
            local = seconds(score(folder, "--workers", "2", output="local"))
            ray = seconds(score(folder, "--workers", "2", "--engine", "ray"))
            assert (folder / "out").read_bytes() == (folder / "local").read_bytes()
            lines.append(
                (f"{size:,} rows", f"{local:.2f} s", f"{ray:.2f} s", f"{ray - local:+.2f} s")
            )
    table("Ray on this machine", ("work", "processes", "Ray", "more"), lines)


def main(*, quick: bool, more: Sequence[int] = (), ray: bool = False) -> None:
    """Print the tables."""
    if more:
        memory(more)
    elif ray:
        over_ray(QUICK_ROWS if quick else ROWS)
    else:
        count = QUICK_ROWS if quick else ROWS
        worker_table(count, 1 if quick else ROUNDS, script=not quick)
        memory(QUICK_LARGE if quick else LARGE)
        resuming(QUICK_ROWS * 4 if quick else ROWS)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer rows")
    parser.add_argument("--rows", type=int, action="append", default=[], help="memory of so many")
    parser.add_argument("--ray", action="store_true", help="Ray against local processes")
    arguments = parser.parse_args()
    main(quick=arguments.quick, more=arguments.rows, ray=arguments.ray)
