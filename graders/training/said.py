"""What a local model said, in the API's shapes: whole, or in pieces. Pure."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graders.training.ask import Ask

__all__ = ["Said", "answer", "chunk", "usage_chunk"]


class Said:
    """What the sampling process says to a call, put together.

    Args:
        choices: how many there are to be.
    """

    def __init__(self, choices: int) -> None:
        self.choices: list[dict[str, Any]] = [{"text": ""} for _ in range(choices)]
        self.prompt = 0

    def add(self, one: Mapping[str, Any]) -> None:
        """Take what the process says next."""
        if "choice" not in one:
            self.prompt = one["prompt"]
            return
        choice = self.choices[one["choice"]]
        choice["text"] += one.get("text", "")
        for name in ("calls", "reason", "tokens"):
            if name in one:
                choice[name] = one[name]
        if "logprobs" in one:
            choice["logprobs"] = [*choice.get("logprobs", ()), *one["logprobs"]]


def _head(ask: Ask, object_: str) -> dict[str, Any]:
    id_ = f"{'chatcmpl' if ask.kind == 'chat' else 'cmpl'}-{secrets.token_hex(12)}"
    return {"id": id_, "object": object_, "created": int(time.time()), "model": ask.model}


def answer(ask: Ask, choices: Sequence[Mapping[str, Any]], prompt_tokens: int) -> dict[str, Any]:
    """Return the answer to a call.

    Args:
        ask: the call.
        choices: of each its `text`, `reason` and `tokens`, and its `calls` and `logprobs` where it has some.
        prompt_tokens: of the prompt.
    """
    chat = ask.kind == "chat"
    made = _head(ask, "chat.completion" if chat else "text_completion")
    shown = []
    for index, one in enumerate(choices):
        said: dict[str, Any] = {"text": one["text"]}
        if chat:
            message = {"role": "assistant", "content": one["text"], "refusal": None}
            if one.get("calls"):
                message |= {"content": one["text"] or None, "tool_calls": one["calls"]}
            said = {"message": message}
        shown.append({
            "index": index, **said, "logprobs": _logprobs(ask, one), "finish_reason": one["reason"],
        })  # fmt: skip
    tokens = sum(one["tokens"] for one in choices)
    return {**made, "choices": shown, "usage": _usage(prompt_tokens, tokens)}


def _logprobs(ask: Ask, one: Mapping[str, Any]) -> dict[str, Any] | None:
    if ask.said.get("likely") is None:
        return None
    return {"content": list(one.get("logprobs", ())), "refusal": None}


def _usage(prompt: int, completion: int) -> dict[str, int]:
    return {
        "prompt_tokens": prompt, "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }  # fmt: skip


def chunk(ask: Ask) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """Return what makes a piece of an answer of what the process says of a choice."""
    chat = ask.kind == "chat"
    made = _head(ask, "chat.completion.chunk" if chat else "text_completion")
    begun: set[int] = set()

    def piece(one: Mapping[str, Any]) -> dict[str, Any]:
        index, text = one["choice"], one.get("text", "")
        said: dict[str, Any] = {"text": text}
        if chat:
            delta: dict[str, Any] = {} if index in begun else {"role": "assistant"}
            if text or (delta and "calls" not in one):
                delta["content"] = text
            if "calls" in one:
                calls = [{"index": at, **call} for at, call in enumerate(one["calls"])]
                delta |= {"tool_calls": calls}
            said = {"delta": delta}
            begun.add(index)
        logprobs = _logprobs(ask, one) if "logprobs" in one else None
        shown = {"index": index, **said, "logprobs": logprobs, "finish_reason": one.get("reason")}
        return {**made, "choices": [shown]}

    return piece


def usage_chunk(piece: Mapping[str, Any], prompt: int, completion: int) -> dict[str, Any]:
    """Return the last piece of a stream that has its tokens, after another piece."""
    return {**piece, "choices": [], "usage": _usage(prompt, completion)}
