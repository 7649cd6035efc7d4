"""What a local model is asked for: bodies of chat completions and completions, checked. Pure."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from graders.errors import quoted
from graders.inspection.lint.training import message_problems
from graders.training.rows import messages_of
from graders.wire.error import ApiError

__all__ = ["Ask", "Kind", "answer", "asked", "chunk", "usage_chunk"]

Kind = Literal["chat", "text"]
_TOKENS: Final = {"chat": 512, "text": 16}
"""Tokens of an answer where the body says nothing; of completions as the hosted API has it."""
_MOST_TOKENS: Final = 32_768
_MOST_CHOICES: Final = 16
_NOT_HERE: Final = ("logprobs", "top_logprobs", "audio", "best_of", "echo", "logit_bias")


@dataclass(frozen=True, slots=True)
class Ask:
    """A call.

    Attributes:
        kind: of a chat, or of a text that goes on.
        model: the model's name.
        stream: whether the answer comes in pieces, and `usage` whether its tokens come last.
        said: what the sampling process is told.
    """

    kind: Kind
    model: str
    stream: bool
    usage: bool
    said: dict[str, Any]


def asked(kind: Kind, body: Mapping[str, Any]) -> Ask:
    """Return the call in a body.

    Raises:
        ApiError: it asks for what is wrong, or for what cannot be done here (400).
    """
    for name in _NOT_HERE:
        if body.get(name):
            raise _wrong(name, f"is not given by models that run here, got {quoted(body[name])}")
    form = body.get("response_format")
    if isinstance(form, dict) and form.get("type") not in (None, "text"):
        raise _wrong("response_format", "cannot be held here: models answer freely; leave it out")
    said: dict[str, Any] = {
        "temperature": _number(body, "temperature", 1.0, 0.0, 2.0),
        "top_p": _number(body, "top_p", 1.0, 0.0, 1.0),
        "tokens": _tokens(kind, body),
        "choices": _whole(body, "n", 1, _MOST_CHOICES),
        "stop": _stops(body.get("stop")),
        "seed": _seed(body.get("seed")),
    }
    if kind == "chat":
        messages = body.get("messages")
        for name, problem in message_problems(messages):
            raise _wrong(name, problem.replace("; it holds the prompt", ""))
        said |= {"messages": messages_of(messages or ()), "tools": body.get("tools") or None}
    else:
        prompt = body.get("prompt", "")
        if isinstance(prompt, list) and len(prompt) == 1:
            (prompt,) = prompt
        if not isinstance(prompt, str):
            raise _wrong("prompt", f"is one text here, got {quoted(prompt)}")
        said["prompt"] = prompt
    options = body.get("stream_options")
    usage = isinstance(options, dict) and bool(options.get("include_usage"))
    return Ask(kind, str(body.get("model")), bool(body.get("stream")), usage, said)


def _wrong(name: str, problem: str) -> ApiError:
    return ApiError(400, f"{name} {problem}", param=name, code="invalid_value")


def _number(body: Mapping[str, Any], name: str, default: float, least: float, most: float) -> float:
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise _wrong(name, f"is a number from {least:g} to {most:g}, got {quoted(value)}")
    return float(value)


def _whole(body: Mapping[str, Any], name: str, default: int, most: int) -> int:
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise _wrong(name, f"is a whole number from 1 to {most:,}, got {quoted(value)}")
    return value


def _tokens(kind: Kind, body: Mapping[str, Any]) -> int:
    name = "max_tokens"
    if kind == "chat" and body.get("max_completion_tokens") is not None:
        name = "max_completion_tokens"
    return _whole(body, name, _TOKENS[kind], _MOST_TOKENS)


def _stops(value: Any) -> list[str]:
    found = [value] if isinstance(value, str) else value or []
    if not isinstance(found, list) or not all(isinstance(one, str) and one for one in found):
        raise _wrong("stop", f"is a text or a list of texts, got {quoted(value)}")
    return found


def _seed(value: Any) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise _wrong("seed", f"is a whole number, got {quoted(value)}")
    return value


def _head(ask: Ask, id_: str, object_: str) -> dict[str, Any]:
    return {"id": id_, "object": object_, "created": int(time.time()), "model": ask.model}


def answer(ask: Ask, choices: Sequence[Mapping[str, Any]], prompt_tokens: int) -> dict[str, Any]:
    """Return the answer to a call.

    Args:
        ask: the call.
        choices: of each its `text`, `reason` and `tokens`.
        prompt_tokens: of the prompt.
    """
    chat = ask.kind == "chat"
    made = _head(ask, _identifier(chat), "chat.completion" if chat else "text_completion")
    shown = []
    for index, one in enumerate(choices):
        said: dict[str, Any] = {"text": one["text"]}
        if chat:
            said = {"message": {"role": "assistant", "content": one["text"], "refusal": None}}
        shown.append({"index": index, **said, "logprobs": None, "finish_reason": one["reason"]})
    tokens = sum(one["tokens"] for one in choices)
    return {**made, "choices": shown, "usage": _usage(prompt_tokens, tokens)}


def _identifier(chat: bool) -> str:  # noqa: FBT001
    return f"{'chatcmpl' if chat else 'cmpl'}-{secrets.token_hex(12)}"


def _usage(prompt: int, completion: int) -> dict[str, int]:
    return {
        "prompt_tokens": prompt, "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }  # fmt: skip


def chunk(ask: Ask) -> Callable[[int, str, str | None], dict[str, Any]]:
    """Return what makes the pieces of an answer: of (choice, text, why it ended)."""
    chat = ask.kind == "chat"
    made = _head(ask, _identifier(chat), "chat.completion.chunk" if chat else "text_completion")
    begun: set[int] = set()

    def piece(index: int, text: str, reason: str | None) -> dict[str, Any]:
        said: dict[str, Any] = {"text": text}
        if chat:
            delta: dict[str, Any] = {} if index in begun else {"role": "assistant"}
            said = {"delta": {**delta, "content": text} if text or delta else {}}
            begun.add(index)
        one = {"index": index, **said, "logprobs": None, "finish_reason": reason}
        return {**made, "choices": [one]}

    return piece


def usage_chunk(piece: Mapping[str, Any], prompt: int, completion: int) -> dict[str, Any]:
    """Return the last piece of a stream that has its tokens, after another piece."""
    return {**piece, "choices": [], "usage": _usage(prompt, completion)}
