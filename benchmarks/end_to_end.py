"""100,000 rows of string_check, fuzzy_match, rouge_l and bleu by formula: `graders score` against
the script a careful user writes.

Both are whole processes, file to file, imports included; the results are asserted to be equal, row
for row and bit for bit.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

from benchmarks import corpus
from benchmarks.timing import GRADERS, compiled, medians, process_time, table

__all__ = ["main"]

SCRIPT = str(Path(__file__).with_name("careful_script.py"))
ROWS, ROUNDS = 100_000, 3
QUICK_ROWS, QUICK_ROUNDS = 2_000, 1


def results(path: Path) -> Iterator[dict[str, Any]]:
    """Result lines with the fact that a row failed in place of how each side words it."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if row["failures"]:
                row["sub_rewards"] = None
            yield {**row, "failures": bool(row["failures"])}


def compare(title: str, source: Iterator[dict[str, Any]], rounds: int) -> tuple[str, ...]:
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        rows, grader = here / "rows.jsonl", here / "grader.json"
        corpus.write(rows, source)
        grader.write_text(json.dumps(corpus.GRADER))
        # One process: what several give is in benchmarks/scale.py.
        ours = [GRADERS, "score", str(grader), str(rows), "-o", str(here / "ours")]
        ours += ["--workers", "0"]
        script = [sys.executable, SCRIPT]
        found = medians(
            {
                "ours": lambda: process_time(ours),
                "script": lambda: process_time([*script, str(rows), str(here / "theirs")]),
            },
            rounds,
        )
        # A look at one more step a user may take: one round is enough.
        memo = process_time([*script, "--remember", str(rows), str(here / "memo")])
        for theirs in ("theirs", "memo"):
            for mine, other in zip_longest(results(here / "ours"), results(here / theirs)):
                assert mine == other, f"{title}: {mine} differs from {other}"
    mine = found["ours"]
    return (
        title,
        f"{mine:.2f} s",
        f"{found['script']:.1f} s",
        f"{found['script'] / mine:.1f}x",
        f"{memo:.1f} s",
        f"{memo / mine:.1f}x",
    )


def main(*, quick: bool) -> None:
    """Print the table."""
    compiled()
    count, rounds = (QUICK_ROWS, QUICK_ROUNDS) if quick else (ROWS, ROUNDS)
    fewer = count // 5
    lines = [
        compare(f"{count:,} rows", corpus.rows(count), rounds),
        compare(
            f"{fewer:,} rows, 1 in 200 fails",
            corpus.failing(corpus.rows(fewer, seed=2), 200),
            rounds,
        ),
    ]
    table(
        "End to end: a multi of string_check, fuzzy_match, rouge_l and bleu (CPU time, processes)",
        ("work", "ours", "careful script", "ratio", "script that remembers tokens", "ratio"),
        lines,
    )


if __name__ == "__main__":
    main(quick="--quick" in sys.argv)
