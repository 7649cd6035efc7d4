"""Answers in every shape that people hold: one answer, under the service's names."""

from __future__ import annotations

import copy
from typing import Any

import pytest

import graders
from graders.sample import Absent, Wanted, prepare
from graders.shape import read_shape

TEXT = "It is Bern."
CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"q": 1}'}}
ITEM = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "c1",
    "name": "look",
    "arguments": '{"q": 1}',
}
TOOL = {"role": "tool", "tool_call_id": "c1", "content": "42"}
ASKED = {"role": "user", "content": "Which?"}
SAID = {
    "type": "message",
    "role": "assistant",
    "content": [{"type": "output_text", "text": TEXT, "annotations": []}],
}

SAME = {
    "text": TEXT,
    "sample": {"output_text": TEXT},
    "chat completion": {"id": "x", "choices": [{"index": 0, "message": {"role": "assistant", "content": TEXT}}]},
    "its content in parts": {"choices": [{"message": {"content": [{"type": "text", "text": "It is "}, {"type": "text", "text": "Bern."}]}}]},
    "completion of a text": {"choices": [{"index": 0, "text": TEXT}]},
    "assistant message": {"role": "assistant", "content": TEXT},
    "of Gemini": {"role": "model", "content": TEXT},
    "of ShareGPT": [{"from": "human", "value": "Which?"}, {"from": "gpt", "value": TEXT}],
    "messages": [ASKED, {"role": "assistant", "content": TEXT}],
    "completion of a trainer": [{"role": "assistant", "content": TEXT}],
    "conversation": {"messages": [ASKED, {"role": "assistant", "content": TEXT}]},
    "after tools": [ASKED, {"role": "assistant", "content": None, "tool_calls": [CALL]}, TOOL, {"role": "assistant", "content": TEXT}],
    "second turn": [ASKED, {"role": "assistant", "content": "Ask on."}, ASKED, {"role": "assistant", "content": TEXT}],
    "response of the Batch API": {"status_code": 200, "request_id": "r", "body": {"choices": [{"message": {"role": "assistant", "content": TEXT}}]}},
    "choice": {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": TEXT}},
    "content part": {"type": "output_text", "text": TEXT},
    "content parts": [{"type": "text", "text": "It is "}, {"type": "text", "text": "Bern."}],
    "response": {"id": "resp_1", "object": "response", "output": [{"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}, SAID]},
    "response, dumped by the SDK": {"object": "response", "output_text": TEXT, "output": [SAID]},
    "output of a response": [{"type": "reasoning", "summary": []}, SAID],
    "Evals output item": {"object": "eval.run.output_item", "datasource_item": {"q": 1}, "sample": {"input": [ASKED], "output": [{"role": "assistant", "content": TEXT}], "usage": {"total_tokens": 3}}},
    "Evals sample": {"input": [ASKED], "output": [{"role": "assistant", "content": TEXT}]},
}  # fmt: skip


@pytest.mark.parametrize("raw", SAME.values(), ids=SAME)
def test_the_answer_is_the_same_in_every_shape(raw: Any) -> None:
    before = copy.deepcopy(raw)
    for want in (Wanted(), Wanted(output_json=True, choices=True)):
        sample = prepare(raw, want)
        text = sample if isinstance(sample, str) else sample["output_text"]  # type: ignore[index]
        assert text == TEXT
    assert raw == before


@pytest.mark.parametrize(
    "raw", [raw for name, raw in SAME.items() if name not in {"sample", "completion of a text"}],
    ids=[name for name in SAME if name not in {"sample", "completion of a text"}],
)  # fmt: skip
def test_the_choices_are_there_as_the_guide_has_them(raw: Any) -> None:
    sample = prepare(raw, Wanted(choices=True))
    assert isinstance(sample, dict)
    content = sample["choices"][0]["message"]["content"]
    assert content == TEXT or "".join(part["text"] for part in content) == TEXT


CALLS = {
    "message": {"role": "assistant", "content": None, "tool_calls": [CALL]},
    "messages": [ASKED, {"role": "assistant", "content": None, "tool_calls": [CALL]}],
    "chat completion": {"choices": [{"message": {"content": None, "tool_calls": [CALL]}}]},
    "response": {"object": "response", "output": [{"type": "reasoning"}, ITEM]},
    "output": [ITEM],
    "Foundry's": [{"role": "assistant", "content": [{"type": "tool_call", "tool_call_id": "c1", "name": "look", "arguments": '{"q": 1}'}]}],
    "Anthropic's": {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}, {"type": "tool_use", "id": "c1", "name": "look", "input": '{"q": 1}'}]},
    "before its result": [ASKED, {"role": "assistant", "tool_calls": [CALL]}, TOOL],
}  # fmt: skip


@pytest.mark.parametrize("raw", CALLS.values(), ids=CALLS)
def test_tool_calls_have_one_form_and_no_text_is_made_up(raw: Any) -> None:
    sample = prepare(raw)
    assert isinstance(sample, dict)
    assert "output_text" not in sample
    assert sample["output_tools"] == [CALL]


def test_what_a_call_among_parts_is_given_is_json_text() -> None:
    part = {"type": "tool_use", "id": "c1", "name": "look", "input": {"q": 1}}
    sample = prepare({"role": "assistant", "content": [{"type": "text", "text": "so"}, part]})
    assert isinstance(sample, dict)
    assert sample["output_text"] == "so"
    inner = {"name": "look", "arguments": '{"q":1}'}
    assert sample["output_tools"] == [{"id": "c1", "type": "function", "function": inner}]


def test_calls_of_a_turn_are_gathered_and_those_of_earlier_turns_are_not() -> None:
    other = {**CALL, "id": "c2"}
    turn = [
        {"role": "assistant", "tool_calls": [{**CALL, "id": "c0"}]}, TOOL, ASKED,
        {"role": "assistant", "tool_calls": [CALL]}, TOOL,
        {"role": "assistant", "content": "so", "tool_calls": [other]},
    ]  # fmt: skip
    sample = prepare(turn)
    assert isinstance(sample, dict)
    assert sample["output_tools"] == [CALL, other]
    assert sample["output_text"] == "so"


def test_forms_of_other_years_and_kinds_are_read() -> None:
    old: Any = {
        "role": "assistant",
        "content": None,
        "function_call": {"name": "f", "arguments": "{}"},
    }
    sample = prepare(old)
    assert isinstance(sample, dict)
    assert sample["output_tools"] == [
        {"type": "function", "function": {"name": "f", "arguments": "{}"}}
    ]
    custom = [{"type": "custom_tool_call", "call_id": "c", "name": "sql", "input": "select 1"}]
    sample = prepare(custom)
    assert isinstance(sample, dict)
    assert sample["output_tools"] == [
        {"id": "c", "type": "custom", "custom": {"name": "sql", "input": "select 1"}}
    ]
    heard = {
        "choices": [{"message": {"content": None, "audio": {"data": "QQ==", "transcript": "hi"}}}]
    }
    sample = prepare(heard)
    assert isinstance(sample, dict)
    assert sample["output_audio"] == {"data": "QQ==", "transcript": "hi"}


def test_what_else_stands_in_an_object_stays() -> None:
    sample = prepare({"role": "assistant", "content": "x", "mine": 1})
    assert isinstance(sample, dict)
    assert (sample["mine"], sample["role"]) == (1, "assistant")


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ([], "this one is empty"),
        ([1], "this one holds a number"),
        ([ASKED], 'the last message is of the role "user": nobody answers it'),
        ([{"role": "assistant", "content": "a"}, ASKED], "nobody answers it"),
        ({"role": "user", "content": "x"}, "nobody answers it"),
        ({"role": "assistant", "content": 5}, "a message's content is text or a list of parts"),
        ({"role": "assistant", "content": "x", "tool_calls": {}}, "tool_calls is a list, not an object"),
        ({"role": "assistant", "content": [{"type": "text", "text": 5}]}, "a part's text is text, not a number"),
        ({"object": "response", "output": [5]}, "an output of a Responses API object is an object"),
    ],
)  # fmt: skip
def test_what_holds_no_answer_says_why(raw: Any, says: str) -> None:
    with pytest.raises(ValueError) as caught:
        prepare(raw)
    assert says in str(caught.value)
    assert isinstance(graders.load(CHECK).grade({}, raw).failures[0].message, str)


CHECK = {
    "type": "string_check", "name": "c", "operation": "eq",
    "input": "{{ sample.output_text }}", "reference": "4",
}  # fmt: skip
THOUGHTS = {
    "<think>2 + 2</think>4": "4",
    "2 + 2 </think>\n\n4\n": "4",
    " <thinking>a</thinking> b </thinking> 4": "4",
    "<think>never ends": "",
    "4": "4",
    " 4 ": " 4 ",
    "4 </b>": "4 </b>",
}


@pytest.mark.parametrize(("text", "answer"), THOUGHTS.items())
def test_thoughts_are_cut_where_that_is_asked_for_and_only_there(text: str, answer: str) -> None:
    assert prepare(text) == text
    assert prepare(text, Wanted(answer_only=True)) == answer
    completion: Any = {
        "choices": [{"message": {"role": "assistant", "content": text}}, {"message": {}}]
    }
    sample = prepare(completion, Wanted(answer_only=True))
    assert isinstance(sample, dict)
    assert sample["output_text"] == sample["choices"][0]["message"]["content"] == answer
    assert completion["choices"][0]["message"]["content"] == text


def test_a_grader_strips_thoughts_by_its_reading() -> None:
    grader = graders.load(CHECK, thinking="strip")
    assert grader({}, "<think>2 + 2</think>4") == 1.0
    assert graders.load(CHECK)({}, "<think>2 + 2</think>4") == 0.0


def test_no_shape_for_no_sample() -> None:
    assert isinstance(prepare(None), Absent)
    assert read_shape({"output_text": "x"})[0] == "sample"
    assert read_shape({"role": "assistant", "content": "x"})[0] == "message"


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ({"object": "response", "output": [{**SAID, "content": [{"type": "refusal", "refusal": "no"}]}]}, "; the answer has no text"),
        ({"role": "assistant", "content": None, "tool_calls": [CALL]}, "; the answer has no text, it only calls tools"),
    ],
)  # fmt: skip
def test_an_answer_without_text_is_said_to_have_none(raw: Any, says: str) -> None:
    config = {
        "type": "string_check", "name": "s", "operation": "eq",
        "input": "{{ sample.output_text }}", "reference": "x",
    }  # fmt: skip
    with graders.load(config) as grader:
        (failure,) = grader.grade({}, raw).failures
    assert failure.code == "invalid_variable_error"
    assert failure.message.endswith(says)


def test_samples_within_samples_without_end_are_one_sentence() -> None:
    inner: Any = {"choices": [{"message": {"content": TEXT}}]}
    for _ in range(2000):
        inner = {"status_code": 200, "body": inner}
    with pytest.raises(ValueError, match="that one another, too deeply"):
        read_shape(inner)
