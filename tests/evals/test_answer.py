"""A model's answers of either API: what graders see of them, and what items show."""

from __future__ import annotations

import json
from typing import Any

import pytest

from graders.evals.answer import read_answer, sample_of, shown_sample
from graders.models.rollout import CHAT, RESPONSES, Rollout
from graders.wire.answer import HttpAnswer
from graders.wire.endpoint import ApiKey

KEY = "sk-secret-0123456789"


def read(path: str, value: Any) -> Rollout:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return read_answer(path, HttpAnswer(200, "application/json", body), ApiKey(KEY))


def chat(message: Any, finish: Any = "stop", **more: Any) -> Any:
    return {
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        **more,
    }


def response(*output: Any, **more: Any) -> Any:
    return {
        "object": "response",
        "model": "m",
        "status": "completed",
        "output": list(output),
        **more,
    }


def said(*parts: Any) -> Any:
    return {"type": "message", "role": "assistant", "content": list(parts)}


TEXT = {"type": "output_text", "text": "Hello"}
CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}


def test_both_apis_give_the_same_sample() -> None:
    usage = {
        "prompt_tokens": 3,
        "completion_tokens": 2,
        "prompt_tokens_details": {"cached_tokens": 1},
    }
    one = read(CHAT, chat({"role": "assistant", "content": "Hello"}, usage=usage))
    used = {"input_tokens": 3, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 1}}
    other = read(RESPONSES, response({"type": "reasoning"}, said(TEXT), usage=used))
    assert one.sample == other.sample
    assert one.sample is not None
    assert (one.sample["output_text"], one.sample["model"]) == ("Hello", "m")
    for found in (one, other):
        assert found.usage["prompt_tokens"] == 3
        assert found.usage["cached_tokens"] == 1


@pytest.mark.parametrize(
    ("path", "value", "text", "finish"),
    [
        (CHAT, chat({"content": "Hel"}, "length"), "Hel", "length"),
        (CHAT, chat({"content": None, "refusal": "No."}), "No.", "stop"),
        (CHAT, chat({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}), "ab", "stop"),
        (CHAT, chat({"content": None, "tool_calls": [{"id": "c"}]}, "tool_calls"), "", "tool_calls"),
        (RESPONSES, response(said(TEXT), incomplete_details={"reason": "max_output_tokens"}), "Hello", "length"),
        (RESPONSES, response(said({"type": "refusal", "refusal": "No."})), "No.", "stop"),
        (RESPONSES, response(CALL), "", "tool_calls"),
        (RESPONSES, response(CALL, said(TEXT)), "Hello", "stop"),
    ],
)  # fmt: skip
def test_what_a_model_said_is_a_sample_however_it_ended(
    path: str, value: Any, text: str, finish: str
) -> None:
    found = read(path, value)
    assert found.sample is not None, found
    assert found.sample["output_text"] == text
    assert found.sample["choices"][0]["finish_reason"] == finish
    shown = shown_sample(found.sample)
    assert shown["finish_reason"] == finish
    assert len(shown["output"]) == 1


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (CHAT, b"<html>", "no JSON"),
        (CHAT, [], "no object"),
        (CHAT, {"choices": []}, "no chat completion with choices"),
        (CHAT, {"choices": [5]}, "choices[0] is 5"),
        (CHAT, chat({"content": 5}), "content is 5"),
        (CHAT, chat({"content": "x"}, usage={"prompt_tokens": -1}), "usage.prompt_tokens is -1"),
        (CHAT, chat({"content": "x"}, "content_filter"), "filter cut the model's answer off"),
        (RESPONSES, {"object": "response"}, "no response with an output"),
        (RESPONSES, {"output": 5}, "output is 5"),
        (RESPONSES, response(5), "an object, not a number"),
        (RESPONSES, response(said({"type": "output_text", "text": 5})), "text is text, not a number"),
        (RESPONSES, response(said(TEXT), usage={"input_tokens": "x"}), 'usage.input_tokens is "x"'),
        (RESPONSES, response(status="failed", error={"message": f"out of {KEY}"}), "out of "),
        (CHAT, b'{"choices": [{"message": {"content": "x", "audio": {"n": ' + b"9" * 500 + b"}}}]}", "longer than"),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_said_in_a_sentence(path: str, value: Any, says: str) -> None:
    found = read(path, value)
    assert (found.sample, found.code) == (None, "rollout_error")
    assert says in found.message
    assert KEY not in found.message


def test_a_key_that_a_server_repeats_is_not_kept() -> None:
    found = read(CHAT, chat({"content": f"your key is {KEY}"}))
    assert KEY not in json.dumps(found.to_dict())


def test_a_row_s_own_sample_is_shown_in_any_of_its_shapes() -> None:
    message = {"role": "assistant", "content": "Hi"}
    for sample in (
        "Hi",
        {"output_text": "Hi"},
        chat(message),
        [message],
        response(said({**TEXT, "text": "Hi"})),
    ):
        assert shown_sample(sample)["output"] == [message]
    for sample in (None, {"foo": "bar"}, []):
        assert shown_sample(sample)["output"] == []


def test_what_was_logged_is_read_as_what_was_answered() -> None:
    assert sample_of(chat({"content": "Hi"}))["output_text"] == "Hi"
    assert sample_of(response(said(TEXT)))["output_text"] == "Hello"
    with pytest.raises(ValueError, match="no response"):
        sample_of({})
