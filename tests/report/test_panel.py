"""What a report says of a panel and of what it cost, and what it makes of a manifest that lies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from graders.report.finding import read_finding
from graders.report.html import build
from graders.report.panel import finding_notes

COST: dict[str, Any] = {
    "dollars": 1.25, "perhaps_dollars": 0.5, "tokens": 1000, "perhaps_tokens": 400,
    "budget_dollars": 2.0, "budget_tokens": None, "models": {},
}  # fmt: skip


def written(folder: Path, cost: Any = COST) -> Path:
    """Write results of a panel of two, with a manifest."""
    lines = [
        {"index": n, "reward": 0.5, "sub_rewards": {"j": 0.5}, "failures": [],
         "panel": {"j": {"scores": {"a": n / 4, "b": None if n == 4 else 0.5},
                         "disagreement": None if n == 4 else abs(n / 4 - 0.5)}}}
        for n in range(5)
    ]  # fmt: skip
    path = folder / "out.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    manifest = {
        "format": 1, "versions": {}, "grader": {"name": "g", "type": "multi", "sha256": "0"},
        "metrics": {}, "sandbox": None, "options": {}, "inputs": [], "cost": cost,
    }  # fmt: skip
    (folder / "out.jsonl.manifest.json").write_text(json.dumps(manifest))
    return path


def test_a_report_says_how_judges_agree_and_what_they_cost(tmp_path: Path) -> None:
    finding = read_finding(written(tmp_path), marks={"j": 0.6})
    assert finding_notes(finding) == [
        (
            "panel: j: two judges are 0.2500 apart on average; unanimous in 1 of 4 rows, on both "
            "sides of the pass mark in 1"
        ),
        "  a: mean 0.5000, no verdict for 0 of 5 rows",
        "  b: mean 0.5000, no verdict for 1 of 5 rows",
        "cost: $1.2500 for 1,000 tokens, perhaps $0.5000 for 400 more, of $2.0000",
    ]
    body = finding.to_dict()
    assert body["cost"] == COST
    assert body["panel"]["j"]["judges"]["b"] == {"scored": 4, "failed": 1, "mean": 0.5}
    page = build(finding)[0].decode()
    assert "Where the judges of j disagree" in page
    assert "unanimous in 1 of 4 rows (25.0%), on both sides of the pass mark in 1." in page
    assert "the same in 25.0%" in page
    assert "Cost: $1.2500" in page


def test_without_pass_marks_nobody_knows_who_is_on_both_sides(tmp_path: Path) -> None:
    finding = read_finding(written(tmp_path))
    assert finding.to_dict()["panel"]["j"]["split"] is None
    assert finding_notes(finding)[0].endswith("unanimous in 1 of 4 rows")


@pytest.mark.parametrize(
    "cost",
    [{}, {**COST, "dollars": "x"}, {**COST, "tokens": []}, {**COST, "dollars": {}}, {"tokens": 1}],
)
def test_a_cost_that_is_none_is_not_shown(tmp_path: Path, cost: Any) -> None:
    finding = read_finding(written(tmp_path, cost))
    assert finding.paid == ""
    assert "cost" not in finding.to_dict()
    assert "Cost: $" not in build(finding)[0].decode()
