"""What a local model said, in the API's shapes."""

from __future__ import annotations

from typing import Any

from graders.training.ask import asked
from graders.training.said import Said, answer, chunk, usage_chunk

SAID: Any = [{"role": "user", "content": "q"}]
CALL: Any = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def test_the_shapes_of_answers() -> None:
    chat = asked("chat", {"model": "m", "messages": SAID})
    whole = answer(chat, [{"text": "a", "reason": "stop", "tokens": 2}], 3)
    assert whole["object"] == "chat.completion"
    assert whole["choices"][0]["message"] == {"role": "assistant", "content": "a", "refusal": None}
    assert whole["usage"] == {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    text = asked("text", {"model": "m", "prompt": "p"})
    assert answer(text, [{"text": "a", "reason": "length", "tokens": 1}], 1)["choices"] == [
        {"index": 0, "text": "a", "logprobs": None, "finish_reason": "length"}
    ]


def test_the_shapes_of_pieces() -> None:
    piece = chunk(asked("chat", {"model": "m", "messages": SAID}))
    first = piece({"choice": 0, "text": "a"})
    second = piece({"choice": 0, "text": "b"})
    last = piece({"choice": 0, "reason": "stop", "tokens": 2})
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": "a"}
    assert second["choices"][0]["delta"] == {"content": "b"}
    assert last["choices"] == [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}]
    assert first["id"] == second["id"] == last["id"]
    assert usage_chunk(last, 3, 2)["choices"] == []
    empty = piece({"choice": 1, "reason": "stop", "tokens": 1})
    assert empty["choices"][0]["delta"] == {"role": "assistant", "content": ""}


def test_calls_of_tools_are_messages_without_content() -> None:
    chat = asked("chat", {"model": "m", "messages": SAID})
    whole = answer(chat, [{"text": "", "calls": [CALL], "reason": "tool_calls", "tokens": 2}], 3)
    (choice,) = whole["choices"]
    assert choice["message"] == {
        "role": "assistant", "content": None, "refusal": None, "tool_calls": [CALL],
    }  # fmt: skip
    assert choice["finish_reason"] == "tool_calls"
    piece = chunk(chat)({"choice": 0, "text": "", "calls": [CALL]})
    assert piece["choices"][0]["delta"] == {
        "role": "assistant", "tool_calls": [{"index": 0, **CALL}],
    }  # fmt: skip


def test_what_comes_in_pieces_is_put_together() -> None:
    said = Said(2)
    for one in (
        {"choice": 0, "text": "a", "logprobs": [1]}, {"choice": 0, "text": "b", "logprobs": [2]},
        {"choice": 0, "reason": "stop", "tokens": 2}, {"choice": 1, "reason": "length", "tokens": 1},
        {"done": True, "prompt": 4},
    ):  # fmt: skip
        said.add(one)
    assert said.prompt == 4
    assert said.choices == [
        {"text": "ab", "logprobs": [1, 2], "reason": "stop", "tokens": 2},
        {"text": "", "reason": "length", "tokens": 1},
    ]
    asks = asked("chat", {"messages": SAID, "logprobs": True, "n": 2})
    shown = answer(asks, said.choices, 4)["choices"]
    assert [one["logprobs"] for one in shown] == [
        {"content": [1, 2], "refusal": None}, {"content": [], "refusal": None},
    ]  # fmt: skip
