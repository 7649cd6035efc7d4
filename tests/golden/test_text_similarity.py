"""The ten figures that the hosted text_similarity grader is known to have given, bit for bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import graders

GOLDEN = json.loads(Path(__file__).with_suffix("").with_name("text_similarity.json").read_text())
ROWS: list[dict[str, Any]] = GOLDEN["rows"]


def rewards(metric: str) -> list[float | None]:
    grader = graders.load(
        {
            "type": "text_similarity", "name": metric, "evaluation_metric": metric,
            "input": "{{ sample.output_text }}", "reference": "{{ item.reference }}",
        }
    )  # fmt: skip
    rows = [{"item": {"reference": row["reference"]}, "sample": row["input"]} for row in ROWS]
    return [grade.reward for grade in grader.grade_many(rows)]


@pytest.mark.parametrize("metric", ["fuzzy_match", "bleu"])
def test_a_text_similarity_equals_the_hosted_one_to_the_last_bit(metric: str) -> None:
    assert len(ROWS) == 5
    assert rewards(metric) == [row[metric] for row in ROWS]
