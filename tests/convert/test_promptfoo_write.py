"""Graders as promptfoo's configs: its own assertions where they say the same, else Python."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from graders.convert.promptfoo import read
from graders.convert.promptfoo_write import write
from tests import unconfined

NATIVE: list[Any] = [
    {"type": "icontains", "value": "{{a}}", "weight": 2.0, "metric": "right"},
    {"type": "not-contains", "value": "sorry {{deep.x}}"},
    {"type": "contains-all", "value": ["a", "{{b}}"]},
    {"type": "starts-with", "value": "{{a}}"},
    {"type": "regex", "value": r"^\d+$"},
    {"type": "levenshtein", "value": "{{a}}", "threshold": 2},
    {"type": "not-is-json"},
]
MULTI = {
    "type": "multi", "name": "both", "calculate_output": "min(check, near)",
    "graders": {
        "check": {
            "type": "string_check", "name": "check", "operation": "like",
            "input": "{{ sample.output_text }}", "reference": "{{ item.a }}",
        },
        "near": {
            "type": "text_similarity", "name": "near", "evaluation_metric": "fuzzy_match",
            "input": "{{ sample.output_text }}", "reference": "{{ item.a }}",
        },
    },
}  # fmt: skip


def test_promptfoos_own_assertions_come_back_the_same() -> None:
    made = write(read(NATIVE).document)
    assert made.files.keys() == {"promptfooconfig.json"}
    config = json.loads(made.files["promptfooconfig.json"])
    assert config["defaultTest"]["assert"] == NATIVE
    assert read(config).document["graders"] == read(NATIVE).document["graders"]
    for one in NATIVE:
        alone = json.loads(write(read([one]).document).files["promptfooconfig.json"])
        assert alone["defaultTest"]["assert"][0]["type"] == one["type"]


def test_there_and_back_gives_the_same_grades() -> None:
    checks = {
        name: {**MULTI["graders"]["check"], "name": name, "operation": name}  # type: ignore[index]
        for name in ("eq", "ne", "like", "ilike")
    }
    formula = "(1 * eq + 2 * ne + 0.5 * like + 1 * ilike) / (1 + 2 + 0.5 + 1)"
    there = {**MULTI, "graders": checks, "calculate_output": formula}
    files = write(there).files
    assert files.keys() == {"promptfooconfig.json"}
    back = read(json.loads(files["promptfooconfig.json"]))
    assert not back.losses
    before, after = unconfined.load(there), unconfined.load(back.document)
    for text in ("Paris", "paris", "In Paris", ""):
        was = before.grade(item={"a": "Paris"}, sample=text).reward
        assert was is not None
        assert after.grade(item={"a": "Paris"}, sample=text).reward == was


def test_anything_else_is_graded_by_the_grader_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = write(MULTI).files
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert json.loads(files["grader.json"]) == MULTI
    script = runpy.run_path(str(tmp_path / "grader_assert.py"))
    answer = script["get_assert"]
    assert answer("Paris", {"vars": {"a": "Paris"}}) == {
        "pass": True, "score": 1.0, "reason": "reward 1.0, passes at 0.5",
        "namedScores": {"check": 1.0, "near": 1.0},
    }  # fmt: skip
    with pytest.raises(RuntimeError, match="invalid_variable_error"):
        answer("Paris", {"vars": {}})
