"""The model card holds what is needed to tell a model, and to train it again."""

from __future__ import annotations

from typing import Any

import yaml

from graders.training.card import card

PLAN: dict[str, Any] = {
    "name": "ft:m:local::x", "kind": "reinforcement", "job": "ftjob-1", "base": "org/small", "model": "m",
    "hub": True, "full": False, "seed": 7, "rows": {"training": 3, "validation": 0},
    "files": {"training": {"filename": "a|b.jsonl", "sha256": "ab12"}, "validation": None},
    "body": {"model": "m", "method": {"type": "reinforcement", "reinforcement": {"grader": {
        "type": "string_check", "name": "```"}}}},
    "schedule": {"n_epochs": 2, "kept": [1], "shown": {}}, "settings": {"lora_rank": 16},
}  # fmt: skip
TOLD: dict[str, Any] = {"versions": {"torch": "2"}, "device": "cpu"}


def test_a_card() -> None:
    logs = [{"step": at, "loss": 1 / at, "odd": 3} for at in range(1, 201)]
    text = card(PLAN, TOLD, [*logs, {"step": 200, "eval_loss": 0.5}])
    _, head, rest = text.split("---\n", 2)
    assert yaml.safe_load(head) == {
        "library_name": "transformers", "base_model": "org/small", "tags": ["graders", "reinforcement"],
    }  # fmt: skip
    for one in (
        "ab12",
        "a\\|b.jsonl",
        '"n_epochs": 2',
        '"torch": "2"',
        "| 200 | 0.0050 | 0.5000 |",
    ):
        assert one in rest
    assert "````json" in rest  # What the grader holds ends no block.
    assert rest.count("\n| ") < 60


def test_a_card_without_steps() -> None:
    assert "No step was logged." in card({**PLAN, "hub": False}, TOLD, [])
