"""Samples: what a text, an object or a chat completion becomes for templates and python graders."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from graders.sample import Absent, Unparsed, Wanted, prepare

COMPLETION = {
    "id": "chatcmpl-1",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": '{"city": "Bern"}',
                "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
        },
        {"index": 1, "message": {"role": "assistant", "content": "second"}},
    ],
}


def unparsed(raw: Any) -> str:
    sample = prepare(raw, Wanted(output_json=True))
    assert isinstance(sample, dict)
    assert isinstance(sample["output_json"], Unparsed)
    return sample["output_json"].reason


def test_a_text_stays_a_text_where_nobody_asks_for_json():
    assert prepare("answer") == "answer"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, 2.5]}', {"a": [1, 2.5]}),
        (" [true, null]\n", [True, None]),
        ("3", 3),
        ('"text"', "text"),
        ("null", None),
        ("123456789012345678901234567890", 123456789012345678901234567890),
        ('{"a": "\\ud800"}', {"a": "\ud800"}),
    ],
)
def test_output_json_is_parsed_from_the_text_when_asked_for(text, value):
    expected = {"output_text": text, "output_json": value}
    assert prepare(text, Wanted(output_json=True)) == expected
    assert prepare({"output_text": text}, Wanted(output_json=True)) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the output text is empty, not JSON"),
        (" \n", "the output text is empty, not JSON"),
        ("nope", 'the output text is not JSON (Expecting value at column 1): "nope"'),
        ('{"a": NaN}', 'the output text is not JSON (NaN is not JSON): "{\\"a\\": NaN}"'),
        ('{"a": [1e999]}', "the output text is not JSON (a number is larger than any float)"),
        ("{'a': 1}", "the output text is not JSON (column 2: a single quote; JSON"),
        ("[" * 100_000, "the output text is not JSON (it nests too deeply)"),
        ("9" * 5_000, "the output text is not JSON (a number has more digits than can be read)"),
        ("```json\n{}\n```", "the output text is not JSON (Expecting value at column 1)"),
        ('{"a": 1} trailing', "the output text is not JSON (Extra data at column 10)"),
    ],
)
def test_a_text_that_is_no_json_says_why(text, reason):
    found = unparsed(text)
    assert found.startswith(reason)
    assert len(found) < 200


def test_a_given_output_json_is_kept_as_it_is():
    sample = {"output_text": "not json", "output_json": {"a": 1}}
    assert prepare(sample, Wanted(output_json=True)) == sample
    assert prepare({"output_json": None}, Wanted(output_json=True)) == {"output_json": None}


def test_an_object_may_bring_any_of_the_documented_keys():
    sample = {"output_tools": [], "output_audio": {"data": "x"}, "choices": [], "output_text": "a"}
    assert prepare(sample) == sample


def test_the_callers_object_is_left_as_it_is():
    for raw in (copy.deepcopy(COMPLETION), {"output_text": None}, {"output_text": "{}"}):
        before = copy.deepcopy(raw)
        prepare(raw, Wanted(output_json=True))
        assert raw == before


def test_a_chat_completion_gives_its_first_choices_text_and_tools():
    sample = prepare(COMPLETION, Wanted(output_json=True))
    assert isinstance(sample, dict)
    assert sample["output_text"] == '{"city": "Bern"}'
    assert sample["output_json"] == {"city": "Bern"}
    assert sample["output_tools"][0]["function"]["name"] == "f"
    assert sample["choices"] == COMPLETION["choices"]


def test_given_keys_come_before_the_choices():
    sample = prepare({**COMPLETION, "output_text": "own", "output_tools": []})
    assert isinstance(sample, dict)
    assert sample["output_text"] == "own"
    assert sample["output_tools"] == []


def test_a_reply_that_only_calls_tools_has_no_text():
    choice = {"message": {"content": None, "tool_calls": [{"id": "1"}]}}
    sample = prepare({"choices": [choice]})
    assert sample == {"choices": [choice], "output_tools": [{"id": "1"}]}
    assert "output_text" not in prepare({"output_text": None})  # type: ignore[operator]
    assert unparsed({"output_text": None}) == "the sample has no output_text to parse"


@pytest.mark.parametrize("choices", [[], None, "x", [None], ["x"], [{}], [{"message": "x"}]])
def test_odd_choices_are_no_choices(choices):
    assert prepare({"choices": choices}) == {"choices": choices}


def test_no_sample_is_absent_with_its_reason():
    absent = prepare(None, Wanted(output_json=True))
    assert isinstance(absent, Absent)
    assert absent.reason == "the row has no sample"
    given = Absent("the row has no answer")
    assert prepare(given, Wanted(output_json=True)) is given


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (5, "a sample is text, an object or a list, not a number"),
        (True, "a sample is text, an object or a list, not true"),
        ([], "a sample that is a list holds messages or parts of one; this one is empty"),
        (b"x", "a sample is text, an object or a list, not bytes"),
        ({"output_text": 5}, "sample.output_text is text, not a number"),
        ({"output_text": ["a"]}, "sample.output_text is text, not a list"),
        (
            {"choices": [{"message": {"content": {}}}]},
            "a message's content is text or a list of parts, not an object",
        ),
    ],
)
def test_anything_else_is_refused(raw, message):
    with pytest.raises(ValueError, match="^" + message + "$"):
        prepare(raw)
