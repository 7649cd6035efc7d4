"""The shapes in which people hold answers, each read as the hosted service's `sample`.

What the service calls a sample is an object with output_text, output_json, output_tools, choices and
output_audio. Logs, trainers and datasets hold chat completions, messages, Responses API objects,
Evals output items. What one of them says is the same answer; here it gets the same names. Whatever
else stands in an object stays where it is, for templates may name it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from graders import jsontext
from graders.errors import quoted

__all__ = ["kind_of", "name_of_shape", "read_shape"]

_OURS: Final = frozenset({"output_text", "output_json", "output_tools", "output_audio"})
_TEXTS: Final = frozenset({"text", "output_text", "input_text"})
_PARTS: Final = _TEXTS | {
    "refusal", "image_url", "input_image", "input_audio", "output_audio", "file", "thinking", "reasoning",
    "tool_call", "tool_use",
}  # fmt: skip
"""Types of content parts. Those that hold no answer's text are passed over."""
_CALLS: Final = frozenset({"function_call", "custom_tool_call"})
_BY_MODEL: Final = ("assistant", "model", "ai", "gpt")
"""Roles of who answers: the API's, then those of datasets that have words of their own."""


def read_shape(raw: Any) -> tuple[str, dict[str, Any]]:
    """Return the name of a sample's shape, and the sample under the service's names.

    Args:
        raw: an object or a list, as it stands in a row. It is left as it is.

    Raises:
        ValueError: it is in no shape that is known, or holds nobody's answer; says why.
    """
    if isinstance(raw, list):
        return _of_list(raw)
    if not isinstance(raw, dict):
        raise ValueError(f"a sample is text, an object or a list, not {kind_of(raw)}")
    if not _OURS.isdisjoint(raw) and raw.get("object") != "response":
        return "sample", dict(raw)
    try:
        for name, read in _OBJECTS:
            found = read(raw)
            if found is not None:
                return name, {**raw, **found}
    except RecursionError:
        raise ValueError("the sample holds another, and that one another, too deeply") from None
    return "sample", dict(raw)


def name_of_shape(raw: Any) -> str:
    """Return what a sample is read as, in a few words; `unread` where it holds no answer."""
    if raw is None or isinstance(raw, str):
        return "none" if raw is None else "text"
    try:
        return read_shape(raw)[0]
    except ValueError:
        return "unread"


def _of_list(raw: list[Any]) -> tuple[str, dict[str, Any]]:
    if raw and _are_messages(raw):
        return "messages", _of_messages(raw)
    if raw and all(_is_part(one) for one in raw):
        return "content parts", _answer(_text_of(raw), _calls_in(raw))
    if raw and all(isinstance(one, dict) for one in raw) and any(map(_is_response_item, raw)):
        return "Responses API output", _of_response(raw)
    what = f"holds {kind_of(raw[0])}" if raw else "is empty"
    raise ValueError(f"a sample that is a list holds messages or parts of one; this one {what}")


def _of_completion(raw: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what the first choice of a chat completion says."""
    if not isinstance(raw.get("choices"), list):
        return None
    first = raw["choices"][0] if raw["choices"] else None
    message = first.get("message") if isinstance(first, dict) else None
    if isinstance(first, dict) and message is None and isinstance(first.get("text"), str):
        return {"output_text": first["text"]}  # A completion of a text, not of a chat.
    if not isinstance(message, dict):
        return {}
    return {name: value for name, value in _said(message).items() if name != "choices"}


def _of_evals(raw: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what the sample of an Evals output item says."""
    sample = raw.get("sample")
    return read_shape(sample)[1] if isinstance(sample, dict) and "output" in sample else None


def _of_output(raw: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what a Responses API object says, or the sample of an Evals run."""
    output = raw.get("output")
    if not isinstance(output, list):
        return None
    if raw.get("object") == "response" or any(map(_is_response_item, output)):
        return _of_response(output)
    return _of_messages(output) if _are_messages(output) else None


def _of_conversation(raw: Mapping[str, Any]) -> dict[str, Any] | None:
    messages = raw.get("messages")
    if isinstance(messages, list) and _are_messages(messages):
        return _of_messages(messages)
    return None


def _of_message(raw: Mapping[str, Any]) -> dict[str, Any] | None:
    return _of_messages([raw]) if _is_message(raw) else None


def _of_part(raw: Mapping[str, Any]) -> dict[str, Any] | None:
    return _answer(_text_of([raw]), _calls_in([raw])) if _is_part(raw) else None


def _of_batch(raw: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what the response says that a line of the Batch API's output holds."""
    body = raw.get("body")
    return read_shape(body)[1] if isinstance(body, dict) and "status_code" in raw else None


def _of_choice(raw: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what the message says that a choice, or a reply of Ollama's, holds."""
    message: Any = raw.get("message")
    return _of_messages([message]) if _is_message(message) else None


_OBJECTS: Final[Sequence[tuple[str, Callable[[Mapping[str, Any]], dict[str, Any] | None]]]] = (
    ("chat completion", _of_completion),
    ("Evals output item", _of_evals),
    ("output of the Responses or Evals API", _of_output),
    ("response of the Batch API", _of_batch),
    ("conversation", _of_conversation),
    ("message", _of_message),
    ("choice", _of_choice),
    ("content part", _of_part),
)
"""What an object may be, the most certain first, and how it is read; None where it is not that."""


def _of_messages(messages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what the model said since it was last spoken to.

    The text is that of its last message; the tool calls are those of all its messages, which the
    results of tools may stand between.

    Raises:
        ValueError: it has said nothing.
    """
    turn: list[Mapping[str, Any]] = []
    for message in reversed(messages):
        role = _role(message)
        if role in _BY_MODEL:
            turn.append(message)
        elif role not in {"tool", "function", "observation"}:
            break
    if not turn:
        last = _role(messages[-1])
        raise ValueError(f"the last message is of the role {quoted(last)}: nobody answers it")
    said = [_said(message) for message in reversed(turn)]
    found = said[-1]
    calls = [call for one in said for call in one.get("output_tools", ())]
    return {**found, "output_tools": calls} if calls else found


def _said(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return what one message says, under the service's names."""
    content = message.get("content", message.get("value"))
    text = content if isinstance(content, str) else None
    calls = message.get("tool_calls")
    if isinstance(content, list):
        text = _text_of(content)
        calls = _calls_in(content) if calls is None else calls
    elif content is not None and text is None:
        raise ValueError(f"a message's content is text or a list of parts, not {kind_of(content)}")
    if not calls and isinstance(message.get("function_call"), dict):  # Until 2023.
        calls = [{"type": "function", "function": message["function_call"]}]
    if calls is not None and not isinstance(calls, list):
        raise ValueError(f"a message's tool_calls is a list, not {kind_of(calls)}")
    found = _answer(text, calls or ())
    if isinstance(message.get("audio"), dict):
        found["output_audio"] = message["audio"]
    return found


def _of_response(entries: Sequence[Any]) -> dict[str, Any]:
    """Return what the output of a Responses API object says; reasoning is no answer."""
    texts: list[str] = []
    calls = []
    for one in entries:
        if not isinstance(one, dict):
            raise ValueError(
                f"an output of a Responses API object is an object, not {kind_of(one)}"
            )
        kind = one.get("type", "message")
        if kind == "message" and one.get("role", "assistant") == "assistant":
            content = one.get("content")
            text = content if isinstance(content, str) else _text_of(content or ())
            texts += [] if text is None else [text]
        elif kind in _CALLS:
            calls.append(_call(one))
    return _answer("".join(texts) if texts else None, calls)


def _call(one: Mapping[str, Any]) -> dict[str, Any]:
    """Return a call of a tool as chat completions have it."""
    name = one.get("call_id", one.get("id"))
    if one["type"] == "custom_tool_call":
        inner = {"name": one.get("name"), "input": one.get("input")}
        return {"id": name, "type": "custom", "custom": inner}
    inner = {"name": one.get("name"), "arguments": one.get("arguments")}
    return {"id": name, "type": "function", "function": inner}


def _calls_in(parts: Sequence[Any]) -> list[dict[str, Any]]:
    """Return the calls that stand among content parts, as Foundry and Anthropic have them."""
    calls = []
    for one in parts:
        if isinstance(one, dict) and one.get("type") in {"tool_call", "tool_use"}:
            given = one.get("arguments", one.get("input"))
            text = given if isinstance(given, str) else jsontext.encode(given).decode()
            name = one.get("tool_call_id", one.get("id"))
            inner = {"name": one.get("name"), "arguments": text}
            calls.append({"id": name, "type": "function", "function": inner})
    return calls


def _answer(text: str | None, calls: Sequence[Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": text}
    found: dict[str, Any] = {} if text is None else {"output_text": text}
    if calls:
        found["output_tools"] = list(calls)
        message["tool_calls"] = list(calls)
    return {**found, "choices": [{"index": 0, "message": message}]}


def _text_of(parts: Any) -> str | None:
    """Return the text of content parts in a row; None where none of them has one."""
    texts = []
    for part in parts:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict) and part.get("type", "text") in _TEXTS:
            text = part.get("text")
            if not isinstance(text, str):
                raise ValueError(f"a part's text is text, not {kind_of(text)}")
            texts.append(text)
    return "".join(texts) if texts else None


def _role(message: Mapping[str, Any]) -> Any:
    return message.get("role", message.get("from"))


def _is_message(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    known = isinstance(value.get("role"), str) and not _is_response_call(value)
    return known or (isinstance(value.get("from"), str) and isinstance(value.get("value"), str))


def _are_messages(values: Sequence[Any]) -> bool:
    return bool(values) and all(map(_is_message, values))


def _is_response_call(value: Any) -> bool:
    return isinstance(value, dict) and value.get("type") in _CALLS


def _is_response_item(value: Any) -> bool:
    """Whether it is an output of a Responses API object: typed, where messages are not."""
    if not isinstance(value, dict):
        return False
    return value.get("type") in {"message", "reasoning", *_CALLS}


def _is_part(value: Any) -> bool:
    return (
        isinstance(value, dict) and isinstance(value.get("type"), str) and value["type"] in _PARTS
    )


def kind_of(value: Any) -> str:
    """Return what a JSON value is, in a word or two."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, int | float):
        return "a number"
    names: dict[Any, str] = {dict: "an object", list: "a list", str: "a text"}
    return names.get(type(value), type(value).__name__)
