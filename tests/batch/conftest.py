"""Graders, rows and runs of them."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import graders
from graders.batch.run import Run

GRADER = {
    "type": "multi",
    "name": "m",
    "graders": {
        "same": {
            "type": "string_check", "name": "s", "operation": "eq",
            "input": "{{ sample.output_text }}", "reference": "{{ item.a }}",
        },
        "near": {
            "type": "text_similarity", "name": "n", "evaluation_metric": "fuzzy_match",
            "input": "{{ sample.output_text }}", "reference": "{{ item.a }}",
        },
    },
    "calculate_output": "(same + near) / 2",
}  # fmt: skip

WORDS = [
    "the", "quick", "brown", "fox", "jumps", "over", "one", "lazy", "dog", "and", "then", "runs",
    "home", "é", "日本", "🦊",
]  # fmt: skip


def row(index: int) -> Any:
    """A row of some sort: good ones, bad ones, of every kind of fault."""
    if index % 97 == 5:
        return {"item": {}, "sample": "x"}
    if index % 89 == 3:
        return {"item": {"a": "x"}}
    words = [WORDS[(index * step) % len(WORDS)] for step in range(1, 4 + index % 7)]
    body: Any = {"item": {"a": " ".join(words)}, "sample": " ".join(words[: 1 + index % 5])}
    if index % 3 == 0:
        body["id"] = f"row {index}"
    return body


@functools.cache
def lines(count: int) -> bytes:
    """So many lines: rows, and here and there a broken or a blank one."""
    found = []
    for index in range(count):
        if index % 101 == 7:
            found.append(b"broken\n")
        elif index % 103 == 9:
            found.append(b"\n")
        found.append(json.dumps(row(index), ensure_ascii=index % 2 == 0).encode() + b"\n")
    return b"".join(found)


@pytest.fixture(scope="session")
def grader() -> graders.Grader:
    """A multi of two metrics."""
    return graders.load(GRADER)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """A file of fifteen hundred lines of every kind."""
    path = tmp_path / "rows.jsonl"
    path.write_bytes(lines(1500))
    return path


Score = Callable[..., Run]


@pytest.fixture
def score(grader: graders.Grader, rows: Path, tmp_path: Path) -> Score:
    """Score the rows to `out.jsonl`."""

    def run(*, source: Any = None, output: str = "out.jsonl", **options: Any) -> Run:
        return graders.score_file(
            grader, rows if source is None else source, tmp_path / output, **options
        )

    return run
