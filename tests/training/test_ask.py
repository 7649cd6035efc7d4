"""What a local model is asked for."""

from __future__ import annotations

from typing import Any

import pytest

from graders.training.ask import asked
from graders.wire.error import ApiError

SAID: Any = [{"role": "user", "content": "q"}]
TOOLS: Any = [{"type": "function", "function": {"name": "f"}}]


def test_what_a_body_leaves_out_is_as_the_api_has_it() -> None:
    ask = asked("chat", {"model": "m", "messages": SAID})
    assert (ask.model, ask.stream, ask.usage) == ("m", False, False)
    assert ask.said == {
        "temperature": 1.0, "top_p": 1.0, "tokens": 512, "choices": 1, "stop": [], "seed": None,
        "messages": SAID, "tools": None, "schema": None, "likely": None, "effort": None,
    }  # fmt: skip
    assert asked("text", {"prompt": ["p"]}).said["prompt"] == "p"
    assert asked("text", {"prompt": "p"}).said["tokens"] == 16
    many = {"messages": SAID, "max_tokens": 5, "max_completion_tokens": 7, "stop": "x"}
    assert (asked("chat", many).said["tokens"], asked("chat", many).said["stop"]) == (7, ["x"])


def test_what_is_asked_for_besides() -> None:
    schema = {"type": "object"}
    form = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}

    def said(**more: Any) -> dict[str, Any]:
        return asked("chat", {"messages": SAID, **more}).said

    assert said(response_format=form)["schema"] == schema
    assert said(response_format={"type": "json_object"})["schema"] == {"type": "object"}
    assert said(response_format={"type": "text"})["schema"] is None
    assert said(tools=TOOLS, tool_choice="auto")["tools"] == TOOLS
    assert said(tools=TOOLS, tool_choice="none")["tools"] is None
    assert said(logprobs=True)["likely"] == 0
    assert said(logprobs=True, top_logprobs=3)["likely"] == 3
    assert said(logprobs=False)["likely"] is None
    # What asks for nothing is no reason to refuse a call.
    nothing = {
        "presence_penalty": 0,
        "logit_bias": {},
        "modalities": ["text"],
        "store": True,
        "user": "u",
    }
    assert said(**nothing) == said()
    options = {"messages": SAID, "stream": True, "stream_options": {"include_usage": True}}
    assert (asked("chat", options).stream, asked("chat", options).usage) == (True, True)


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
        ("chat", {"messages": SAID, "stream": "yes"}, "stream is true or false"),
        ("chat", {"messages": SAID, "stream_options": 1}, "stream_options is an object"),
        ("chat", {"messages": SAID, "presence_penalty": 1}, "presence_penalty is not given by models that run here"),
        ("chat", {"messages": SAID, "logit_bias": {"1": 2}}, "logit_bias is not given by models that run here"),
        ("chat", {"messages": SAID, "top_logprobs": 2}, "top_logprobs wants logprobs to be true"),
        ("chat", {"messages": SAID, "logprobs": True, "top_logprobs": 21}, "top_logprobs is a whole number from 0 to 20"),
        ("chat", {"messages": SAID, "tools": {}}, "tools is a list of functions"),
        ("chat", {"messages": SAID, "tools": [{"type": "web_search"}]}, r"tools\[0\].type is function here"),
        ("chat", {"messages": SAID, "tools": [{"type": "function", "name": "f"}]}, r"tools\[0\].function.name is a name"),
        ("chat", {"messages": SAID, "tools": TOOLS, "tool_choice": "required"}, "tool_choice is auto or none here"),
        ("chat", {"messages": SAID, "response_format": "json"}, "response_format is an object"),
        ("chat", {"messages": SAID, "response_format": {"type": "xml"}}, "response_format.type is text, json_object"),
        ("chat", {"messages": SAID, "response_format": {"type": "json_schema"}}, "response_format.json_schema.schema is"),
        ("chat", {"messages": SAID, "reasoning_effort": 1}, "reasoning_effort is one of"),
        ("text", {"prompt": ["a", "b"]}, "prompt is one text here"),
        ("text", {"prompt": "a", "logprobs": 2}, "logprobs is not given"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_of_its_parameter(kind: Any, body: dict[str, Any], says: str) -> None:
    with pytest.raises(ApiError, match=says) as caught:
        asked(kind, body)
    assert caught.value.param is not None
    assert str(caught.value).startswith(caught.value.param)


def test_a_field_that_nobody_knows_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        ApiError, match=r'"temprature" is unknown; did you mean temperature\?'
    ) as caught:
        asked("chat", {"messages": SAID, "temprature": 1})
    assert caught.value.code == "unknown_parameter"
