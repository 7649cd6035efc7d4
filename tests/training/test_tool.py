"""Calls of tools in what models of several families say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from graders.training.tool import names_of, read_calls

NAMES = ("get", "look_up")
GET = ("get", {"a": 1})


@pytest.mark.parametrize(
    ("text", "content", "calls"),
    [
        ('<tool_call>\n{"name": "get", "arguments": {"a": 1}}\n</tool_call>', None, [GET]),
        ('Well.\n<tool_call>{"name":"get","arguments":"{\\"a\\":1}"}</tool_call>\n<tool_call>{"name":"look_up","arguments":{}}',
         "Well.", [GET, ("look_up", {})]),
        ('<think>a <tool_call> b</think>\n<tool_call>{"name":"get","arguments":{"a":1}}</tool_call>',
         "<think>a <tool_call> b</think>", [GET]),
        ('[TOOL_CALLS] [{"name": "get", "arguments": {"a": 1}}, {"name": "get", "arguments": {"a": 1}}]', None, [GET, GET]),
        ('Ok[TOOL_CALLS]get[ARGS]{"a": 1}[TOOL_CALLS]look_up[CALL_ID]a1b2[ARGS]{"ü": "é"}', "Ok", [GET, ("look_up", {"ü": "é"})]),
        ('[TOOL_CALLS]get{"a": 1}look_up{}', None, [GET, ("look_up", {})]),
        ('{"name": "get", "parameters": {"a": 1}}', None, [GET]),
        ('<|python_tag|>{"type": "function", "name": "get", "parameters": {"a": 1}}; {"name": "look_up", "parameters": {}}<|eom_id|>',
         None, [GET, ("look_up", {})]),
    ],
)  # fmt: skip
def test_calls_of_each_family_are_read(text: str, content: str | None, calls: list[Any]) -> None:
    found = read_calls(text, NAMES)
    assert found is not None
    assert found[0] == content
    shown = [
        (one["function"]["name"], json.loads(one["function"]["arguments"])) for one in found[1]
    ]
    assert shown == calls
    assert {one["type"] for one in found[1]} == {"function"}
    ids = [one["id"] for one in found[1]]
    assert len(set(ids)) == len(ids)
    assert found == read_calls(text, NAMES)  # Sampled again, it is the same answer.


@pytest.mark.parametrize(
    "text",
    [
        "",
        "No call.",
        '{"answer": 1}',
        '{"name": "get"}',
        '{"name": "other", "parameters": {}}',
        '{"name": "get", "parameters": [1]}',
        '{"name": "get", "parameters": {}} and more',
        '{"name": "get", "parameters": {"a": NaN}}',
        "<tool_call>get(1)</tool_call>",
        '<tool_call>{"name": "get", "arguments": {}}</tool_call><tool_call>{"name": "other", "arguments": {}}</tool_call>',
        '<tool_call>{"name": "get", "arguments": {"a": ',
        "[TOOL_CALLS]",
        "[TOOL_CALLS] []",
        "[TOOL_CALLS]get[ARGS]1",
        "{" * 100_000,
        "<tool_call>" * 3000,
        '{"name": "get", "parameters": {"a": ' + "9" * 5000 + "}}",
    ],
)
def test_what_is_not_wholly_a_call_stays_a_text(text: str) -> None:
    assert read_calls(text, NAMES) is None


def test_without_tools_nothing_is_a_call() -> None:
    assert read_calls('{"name": "get", "parameters": {}}', ()) is None
    assert names_of(None) == []
    assert names_of([{"type": "function", "function": {"name": "f"}}]) == ["f"]
