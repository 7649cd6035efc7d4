"""What the tables share: CPU time of calls and of processes, interleaved rounds, and their print."""

from __future__ import annotations

import compileall
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import graders

__all__ = ["GRADERS", "call_time", "compiled", "medians", "process_time", "run", "table"]

GRADERS = str(Path(sys.executable).with_name("graders"))


def compiled() -> None:
    """Compile our modules, as pip does when it installs them: a checkout may have it still to do at each start."""
    compileall.compile_dir(Path(graders.__file__).parent, quiet=1)


def call_time(call: Callable[[], Any]) -> float:
    """CPU seconds of a call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def run(command: Sequence[str]) -> str:
    """Run a command to its end and return what it printed; raises if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
    return done.stdout


def process_time(command: Sequence[str]) -> float:
    """CPU seconds, user and system, of a process from start to exit."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run(command)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def medians(measures: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """The median of each measure over rounds in which each is taken once, in turn."""
    taken: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            taken[name].append(measure())
    return {name: statistics.median(values) for name, values in taken.items()}


def table(title: str, heads: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    """Print a table as Markdown, ready for README.md."""
    rows = [list(heads), *map(list, lines)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(heads))]
    print(f"\n### {title}\n")
    for number, row in enumerate(rows):
        cells = [
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("| " + " | ".join(cells) + " |")
        if not number:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")
    sys.stdout.flush()
