"""What an agent is told to do next, and options under the names that it knows."""

from __future__ import annotations

from typing import Any

import pytest

from graders.agent.advice import in_its_words, next_step
from graders.agent.tool import TOOLS

TOOL = {tool.name: tool for tool in TOOLS}


def test_options_that_are_arguments_have_their_names() -> None:
    said = "the row has no sample; perhaps --sample-path output"
    assert in_its_words(said, TOOL["score"]) == "the row has no sample; perhaps sample_path output"


def test_options_that_are_the_users_are_said_to_be() -> None:
    said = in_its_words("name a server by --base-url", TOOL["run"])
    assert said.startswith(
        "name a server by --base-url\n(Options, which begin with --, are the user's"
    )
    assert in_its_words("a -- b, 1--2 and x--y", TOOL["run"]) == "a -- b, 1--2 and x--y"


@pytest.mark.parametrize(
    ("tool", "body", "says"),
    [
        ("validate", {"valid": False, "faults": [{}]}, "Mend each fault"),
        ("validate", {"valid": True, "variables": ["item.a"]}, "It reads item.a of a row"),
        ("validate", {"valid": True, "variables": []}, "It reads nothing of a row"),
        ("lint", {"valid": False}, "Mend each fault"),
        ("lint", {"valid": True, "findings": [{"code": "G101"}] * 2}, "explain says more of G101."),
        ("lint", {"valid": True, "findings": []}, "lint it with rows, too."),
        ("lint", {"valid": True, "findings": [], "rows": {}}, "probe says"),
        ("run", {"reward": None, "failures": [{"code": "a"}, {"code": "b"}]}, "what cures a, b."),
        ("run", {"reward": 0.0, "failures": []}, "rendered has the texts"),
        ("explain", {}, "Apply the cure"),
    ],
)  # fmt: skip
def test_an_answer_says_what_to_do_next(tool: str, body: dict[str, Any], says: str) -> None:
    assert says in next_step(TOOL[tool], body)


def summary(failed: int, scored: int, spread: float | None, *codes: str) -> dict[str, Any]:
    counts = {"rows": failed + scored, "failed": failed, "scored": scored}
    return {
        "summary": {**counts, "reward": {"spread": spread}, "failures": {one: {} for one in codes}}
    }


def test_after_rows_were_scored_failures_come_before_all_else() -> None:
    said = next_step(TOOL["score"], summary(2, 3, 0.0, "a", "b", "c", "d", "e"))
    assert said.startswith("2 of 5 rows have no reward")
    assert said.endswith("what cures a, b, c and 2 more.")
    assert "teaches nothing" in next_step(TOOL["score"], summary(0, 3, 0.0))
    assert "probe" in next_step(TOOL["score"], summary(0, 3, 0.5))
    assert "probe" in next_step(TOOL["score"], summary(0, 1, None))


def test_after_a_probe_the_attack_that_beats_most_rows_comes_first() -> None:
    attacks = [
        {"attack": "empty", "given": "wrong", "beaten": 0.1, "payer": "a"},
        {"attack": "negation", "given": "wrong", "beaten": 0.9, "payer": "b"},
        {"attack": "praise", "given": "wrong", "beaten": 0.0, "payer": "a"},
        {"attack": "refusal", "given": "wrong", "beaten": None, "payer": None},
        {"attack": "reference", "given": "reference", "beaten": 1.0, "payer": "a"},
    ]
    said = next_step(TOOL["probe"], {"attacks": attacks})
    assert said.endswith("what cures negation, empty; b pays most of negation.")
    assert next_step(TOOL["probe"], {"attacks": attacks[2:]}).startswith("No wrong answer")
