"""Files of results of any size, some of them hostile, and pages made of them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from graders.report.finding import read_finding
from graders.report.html import build
from graders.rows import find_source

CODES = ("invalid_variable_error", "sample_parse_error", "python_grader_runtime_error")

HOSTILE = (
    "</script><script>window.ran = 1</script>",
    "<img src=x onerror='window.ran = 2'>",
    "'\"><svg onload=window.ran=3>",
    "<!--<script>",
    "]]><![CDATA[",
    "javascript:window.ran=4",
    "\u202eevil\u2066\u2028\u2029\x00\x1b[2J\U000e0041",
    "{{constructor.constructor('window.ran = 5')()}}",
    "W" * 3000,
    "a\u0300" + "\u0301" * 300,
    "</style><style>body { display: none }</style>",
    "&lt;script&gt;window.ran=6&lt;/script&gt;",
)
"""Texts that would like to run, to leave their place or to hide."""


def body(index: int, chance: random.Random) -> dict[str, Any]:
    """Return a result line: 0.6 * near + 0.4 * same, every eighth row failed."""
    near, same = round(chance.random(), 4), float(chance.random() < 0.5)
    if index % 8 == 5:
        code = CODES[chance.randrange(3)]
        failure = {"code": code, "message": f"row {index} lacks it", "where": "near"}
        return {
            "index": index, "id": f"q{index:06}", "reward": None,
            "sub_rewards": {"near": None, "same": same}, "failures": [failure],
        }  # fmt: skip
    return {
        "index": index, "id": f"q{index:06}", "reward": 0.6 * near + 0.4 * same,
        "sub_rewards": {"near": near, "same": same}, "failures": [],
    }  # fmt: skip


def write(path: Path, bodies: Sequence[Any]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in bodies))
    return path


@pytest.fixture(scope="session")
def results_file() -> Callable[[Path, int], Path]:
    """Writes a file of results of so many rows."""

    def make(folder: Path, count: int) -> Path:
        chance = random.Random(7)
        return write(folder / "results.jsonl", [body(n, chance) for n in range(count)])

    return make


@pytest.fixture(scope="session")
def rows_file() -> Callable[[Path, int, str], Path]:
    """Writes the rows that such results are of."""

    def make(folder: Path, count: int, text: str) -> Path:
        rows = [
            {
                "id": f"q{n:06}",
                "item": {"question": f"What is {n}?"},
                "sample": f"It is {n}. {text}",
            }
            for n in range(count)
        ]
        return write(folder / "rows.jsonl", rows)

    return make


@pytest.fixture(scope="session")
def hostile_page() -> Callable[[Path], Path]:
    """Writes a page with hostile text in every field that a file can hold."""

    def make(folder: Path) -> Path:
        results, rows = [], []
        for n, bad in enumerate([*HOSTILE, "".join(HOSTILE)] * 3):
            failed = n % 3 == 1
            failure = {"code": bad, "message": bad, "where": bad, "details": f"{bad}\n{bad}"}
            line = {
                "index": n, "id": {bad: bad} if n % 2 else bad,
                "reward": None if failed else n / 39,
                "sub_rewards": dict.fromkeys(HOSTILE, n / 39),
                "failures": [failure] if failed else [],
                "usage": {bad: {"prompt_tokens": 1, "total_tokens": 1}},
                "repeats": {bad: [0.0, 1.0]},
                "panel": {bad: {"scores": {bad: 0.5, "b": None}, "disagreement": None}},
                "by": bad,
            }  # fmt: skip
            if n % 3 == 2:
                line["replaced"] = [failure]
            results.append(line)
            rows.append({"id": line["id"], "item": {bad: bad}, "sample": bad})
        path = write(folder / "hostile.jsonl", results)
        bad = "".join(HOSTILE)
        grader = {"name": bad, "type": bad, "sha256": bad}
        manifest = {
            "grader": grader, "versions": {bad: bad}, "metrics": {bad: bad}, "sandbox": bad,
            "options": {bad: bad}, "inputs": [{"path": bad, "sha256": bad}],
        }  # fmt: skip
        write(folder / "hostile.jsonl.manifest.json", [manifest])
        slowest = [{"index": 1, "sub_grader": one, "seconds": 1.0} for one in HOSTILE]
        summary = {"slowest": slowest, "time_shares": dict.fromkeys(HOSTILE, 0.1)}
        finding = read_finding(path, summary=summary)
        extra = {bad: bad, "attacks": [{"name": one, one: one, "worst": [1]} for one in HOSTILE],
                 "more": {one: {one: [one, {one: one}]} for one in HOSTILE}}  # fmt: skip
        made, _ = build(
            finding,
            source=find_source([write(folder / "rows.jsonl", rows)]),
            appendices=[("diff", "Differences", extra), ("probe", "Probes", extra)],
            title=bad,
        )
        page = folder / "hostile.html"
        page.write_bytes(made)
        return page

    return make
