"""Rows of jobs that learn from answers."""

from __future__ import annotations

from typing import Any

import pytest

from graders.jobs.looking import dpo_problems, supervised_problems

ASKED = {"role": "user", "content": "q"}
SAID = {"role": "assistant", "content": "a"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}
GOOD: list[dict[str, Any]] = [
    {"messages": [ASKED, SAID]},
    {"messages": [ASKED, {**SAID, "weight": 0}, ASKED, {**SAID, "weight": 1}]},
    {"messages": [ASKED, SAID], "tools": [TOOL], "parallel_tool_calls": False},
    {"messages": [ASKED, {"role": "assistant", "tool_calls": [{"id": "1", "type": "function"}]}]},
]


@pytest.mark.parametrize("row", [*GOOD, {"prompt": "", "completion": " b"}])
def test_good_rows(row: dict[str, Any]) -> None:
    assert list(supervised_problems(None)(row)) == []


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({}, "messages: is missing; it holds the prompt"),
        ({"messages": [ASKED]}, "messages: ends with the user's"),
        ({"messages": [{**ASKED, "weight": 1}, SAID]}, "messages[0].weight: is of the assistant's"),
        ({"messages": [ASKED, {**SAID, "weight": 0.5}]}, "messages[1].weight: is 0 or 1, got 0.5"),
        ({"messages": [ASKED, {**SAID, "weight": True}]}, "messages[1].weight: is 0 or 1, got true"),
        ({"messages": [ASKED, {**SAID, "weight": 0}]}, "has no message of the assistant with a weight of 1"),
        ({"messages": [ASKED, SAID], "tools": {"a": 1}}, "tools: is a list of functions"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}, SAID]}, "only texts are learned"),
        ({"prompt": "a"}, "completion: is a text, got null"),
        ({"prompt": "a", "completion": ""}, "completion: is empty"),
        ({"prompt": ["a"], "completion": "b"}, "prompt: is a text, got"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(row: dict[str, Any], says: str) -> None:
    found = [f"{name}: {problem}" for _, name, problem in supervised_problems(None)(row)]
    assert any(says in one for one in found), found


def test_rows_of_one_file_are_of_one_kind() -> None:
    look = supervised_problems(None)
    assert list(look({"messages": [ASKED, SAID]})) == []
    (found,) = look({"prompt": "a", "completion": "b"})
    assert found == ("mixed", "", "the first row has messages, this one prompt and completion")


def test_preferences() -> None:
    row: dict[str, Any] = {
        "input": {"messages": [ASKED]}, "preferred_output": [SAID], "non_preferred_output": [SAID],
    }  # fmt: skip
    assert list(dpo_problems(texts=True)(row)) == []
    for changed, says in (
        ({"input": [ASKED]}, "is an object with messages"),
        ({"preferred_output": [ASKED]}, "is the assistant's answer, got a message of the user"),
        ({"non_preferred_output": None}, "is missing; it holds an answer"),
        ({"input": {"messages": [ASKED], "tools": [1]}}, "is a list of functions"),
    ):
        found = [problem for _, _, problem in dpo_problems(texts=True)({**row, **changed})]
        assert any(says in one for one in found), found
