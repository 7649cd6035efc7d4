"""What a local model is asked for."""

from __future__ import annotations

from typing import Any

import pytest

from graders.training.ask import answer, asked, chunk, usage_chunk
from graders.wire.error import ApiError

SAID: Any = [{"role": "user", "content": "q"}]


def test_what_a_body_leaves_out_is_as_the_api_has_it() -> None:
    ask = asked("chat", {"model": "m", "messages": SAID})
    assert (ask.model, ask.stream, ask.usage) == ("m", False, False)
    assert ask.said == {
        "temperature": 1.0, "top_p": 1.0, "tokens": 512, "choices": 1, "stop": [], "seed": None,
        "messages": SAID, "tools": None,
    }  # fmt: skip
    assert asked("text", {"prompt": ["p"]}).said["prompt"] == "p"
    assert asked("text", {"prompt": "p"}).said["tokens"] == 16
    many = {"messages": SAID, "max_tokens": 5, "max_completion_tokens": 7, "stop": "x"}
    assert (asked("chat", many).said["tokens"], asked("chat", many).said["stop"]) == (7, ["x"])


@pytest.mark.parametrize(
    ("kind", "body", "says"),
    [
        ("chat", {}, "messages is missing"),
        ("chat", {"messages": "hi"}, "messages is a list"),
        ("chat", {"messages": SAID, "temperature": 3}, "temperature is a number from 0 to 2, got 3"),
        ("chat", {"messages": SAID, "n": 0}, "n is a whole number from 1 to 16, got 0"),
        ("chat", {"messages": SAID, "max_tokens": True}, "max_tokens is a whole number"),
        ("chat", {"messages": SAID, "stop": [1]}, "stop is a text or a list of texts"),
        ("chat", {"messages": SAID, "seed": "x"}, "seed is a whole number"),
        ("chat", {"messages": SAID, "logprobs": True}, "logprobs is not given by models that run here"),
        ("chat", {"messages": SAID, "response_format": {"type": "json_object"}}, "response_format cannot be held"),
        ("text", {"prompt": ["a", "b"]}, "prompt is one text here"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_of_its_parameter(kind: Any, body: dict[str, Any], says: str) -> None:
    with pytest.raises(ApiError, match=says) as caught:
        asked(kind, body)
    assert caught.value.param is not None
    assert says.startswith(caught.value.param)


def test_the_shapes_of_answers() -> None:
    chat = asked("chat", {"model": "m", "messages": SAID})
    whole = answer(chat, [{"text": "a", "reason": "stop", "tokens": 2}], 3)
    assert whole["object"] == "chat.completion"
    assert whole["choices"][0]["message"] == {"role": "assistant", "content": "a", "refusal": None}
    assert whole["usage"] == {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    piece = chunk(chat)
    first, second, last = piece(0, "a", None), piece(0, "b", None), piece(0, "", "stop")
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": "a"}
    assert second["choices"][0]["delta"] == {"content": "b"}
    assert last["choices"][0] == {
        "index": 0,
        "delta": {},
        "logprobs": None,
        "finish_reason": "stop",
    }
    assert first["id"] == second["id"] == last["id"]
    assert usage_chunk(last, 3, 2)["choices"] == []
    text = asked("text", {"model": "m", "prompt": "p"})
    assert answer(text, [{"text": "a", "reason": "length", "tokens": 1}], 1)["choices"] == [
        {"index": 0, "text": "a", "logprobs": None, "finish_reason": "length"}
    ]
