"""What a local model is asked for: bodies of chat completions and completions, checked. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from graders.errors import quoted, suggestion
from graders.inspection.lint.training import message_problems
from graders.training.constraint import schema_of
from graders.training.rows import messages_of
from graders.wire.error import ApiError

__all__ = ["Ask", "Kind", "asked"]

Kind = Literal["chat", "text"]
_TOKENS: Final = {"chat": 512, "text": 16}
"""Tokens of an answer where the body says nothing; of completions as the hosted API has it."""
_MOST_TOKENS: Final = 32_768
_MOST_CHOICES: Final = 16
_MOST_LIKELY: Final = 20
_BOTH: Final = (
    "model", "stream", "stream_options", "temperature", "top_p", "n", "stop", "seed", "max_tokens", "user",
)  # fmt: skip
_TAKEN: Final[Mapping[Kind, tuple[str, ...]]] = {
    "chat": (
        *_BOTH, "messages", "max_completion_tokens", "tools", "tool_choice", "parallel_tool_calls",
        "response_format", "logprobs", "top_logprobs", "reasoning_effort",
        # What says nothing of the answer.
        "store", "metadata", "service_tier", "safety_identifier", "prompt_cache_key",
        "prompt_cache_retention",
    ),
    "text": (*_BOTH, "prompt"),
}  # fmt: skip
_NOT_HERE: Final = (
    "audio", "best_of", "echo", "logit_bias", "logprobs", "presence_penalty", "frequency_penalty", "prediction",
    "suffix", "functions", "function_call", "web_search_options", "modalities", "verbosity",
)  # fmt: skip
"""What the hosted API has and models here have not, where it asks for anything."""
_NOTHING: Final[Mapping[str, Any]] = {"modalities": ["text"], "best_of": 1}
_EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


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
    _check_known(kind, body)
    said: dict[str, Any] = {
        "temperature": _number(body, "temperature", 1.0, 0.0, 2.0),
        "top_p": _number(body, "top_p", 1.0, 0.0, 1.0),
        "tokens": _tokens(kind, body),
        "choices": _whole(body, "n", 1, _MOST_CHOICES),
        "stop": _stops(body.get("stop")),
        "seed": _seed(body.get("seed")),
    }
    if kind == "chat":
        said |= _chat(body)
    else:
        prompt = body.get("prompt", "")
        if isinstance(prompt, list) and len(prompt) == 1:
            (prompt,) = prompt
        if not isinstance(prompt, str):
            raise _wrong("prompt", f"is one text here, got {quoted(prompt)}")
        said["prompt"] = prompt
    options = _object(body, "stream_options") or {}
    return Ask(
        kind, str(body.get("model")), _flag(body, "stream"), _flag(options, "include_usage"), said
    )


def _check_known(kind: Kind, body: Mapping[str, Any]) -> None:
    """Refuse what would else be left out in silence.

    Raises:
        ApiError: it asks for what is not given here, or for what nobody knows (400).
    """
    for name, value in body.items():
        if name in _TAKEN[kind]:
            continue
        if name in _NOT_HERE:
            if not value or value == _NOTHING.get(name):
                continue
            raise _wrong(name, f"is not given by models that run here, got {quoted(value)}")
        hint = suggestion(name, _TAKEN[kind], "a call has")
        raise ApiError(
            400, f"{quoted(name)} is unknown; {hint}", param=name[:100], code="unknown_parameter"
        )


def _chat(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a chat says besides."""
    messages = body.get("messages")
    for name, problem in message_problems(messages):
        raise _wrong(name, problem.replace("; it holds the prompt", ""))
    tools = _tools(body.get("tools"))
    choice = body.get("tool_choice")
    if choice not in (None, "auto", "none"):
        raise _wrong(
            "tool_choice",
            f"is auto or none here: a model calls what it will; got {quoted(choice)}",
        )
    effort = body.get("reasoning_effort")
    if effort is not None and effort not in _EFFORTS:
        raise _wrong("reasoning_effort", f"is one of {', '.join(_EFFORTS)}, got {quoted(effort)}")
    likely = body.get("top_logprobs")
    if likely is not None and (
        isinstance(likely, bool) or not isinstance(likely, int) or not 0 <= likely <= _MOST_LIKELY
    ):
        raise _wrong("top_logprobs", f"is a whole number from 0 to 20, got {quoted(likely)}")
    if likely and not _flag(body, "logprobs"):
        raise _wrong("top_logprobs", "wants logprobs to be true")
    return {
        "messages": messages_of(messages or ()),
        "tools": None if choice == "none" else tools,
        "schema": _schema(body),
        "likely": (likely or 0) if _flag(body, "logprobs") else None,
        "effort": effort,
    }


def _tools(given: Any) -> list[Any] | None:
    if given is None or given == []:
        return None
    if not isinstance(given, list):
        raise _wrong("tools", f"is a list of functions, got {quoted(given)}")
    for at, one in enumerate(given):
        if not isinstance(one, dict) or one.get("type") != "function":
            kind = one.get("type") if isinstance(one, dict) else one
            raise _wrong(f"tools[{at}].type", f"is function here, got {quoted(kind)}")
        function = one.get("function")
        name = function.get("name") if isinstance(function, dict) else None
        if not isinstance(name, str) or not name:
            raise _wrong(f"tools[{at}].function.name", f"is a name, got {quoted(name)}")
    return given


def _schema(body: Mapping[str, Any]) -> dict[str, Any] | None:
    form = _object(body, "response_format")
    if form is None:
        return None
    kind = form.get("type")
    if kind not in ("text", "json_object", "json_schema"):
        raise _wrong(
            "response_format.type", f"is text, json_object or json_schema, got {quoted(kind)}"
        )
    inner = form.get("json_schema")
    schema = inner.get("schema") if isinstance(inner, dict) else None
    if kind == "json_schema" and not isinstance(schema, dict):
        raise _wrong(
            "response_format.json_schema.schema", f"is a JSON schema, got {quoted(schema)}"
        )
    return schema_of(form)


def _wrong(name: str, problem: str) -> ApiError:
    return ApiError(400, f"{name} {problem}", param=name, code="invalid_value")


def _object(body: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    value = body.get(name)
    if value is not None and not isinstance(value, dict):
        raise _wrong(name, f"is an object, got {quoted(value)}")
    return value


def _flag(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise _wrong(name, f"is true or false, got {quoted(value)}")
    return bool(value)


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


def _stops(value: Any) -> Sequence[str]:
    found = [value] if isinstance(value, str) else value or []
    if not isinstance(found, list) or not all(isinstance(one, str) and one for one in found):
        raise _wrong("stop", f"is a text or a list of texts, got {quoted(value)}")
    return found


def _seed(value: Any) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise _wrong("seed", f"is a whole number, got {quoted(value)}")
    return value
