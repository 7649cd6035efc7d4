"""What a model answered, put together from the bytes that passed by: whole, or in events. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from graders import jsontext
from graders.evals.stored import Kind

__all__ = ["answer_of", "is_to_be_stored"]


def is_to_be_stored(kind: Kind, request: Mapping[str, Any]) -> bool:
    """Whether a request wants its answer kept: chat completions by `store`, responses unless it says no."""
    return (
        request.get("store") is True if kind == "completions" else request.get("store") is not False
    )


def answer_of(kind: Kind, raw: bytes, *, events: bool) -> dict[str, Any] | None:
    """Return the object that an answer holds, None where it is none or broke off.

    Args:
        kind: whose answer it is.
        raw: the body.
        events: whether it is a stream of events.
    """
    if not events:
        try:
            value = jsontext.decode(raw)
        except ValueError:
            return None
        return value if isinstance(value, dict) and value.get("id") else None
    read = _chat if kind == "completions" else _response
    return read(_events(raw))


def _events(raw: bytes) -> Iterator[Any]:
    """Yield the data of each event; what is not JSON, such as [DONE], as text."""
    for block in raw.replace(b"\r\n", b"\n").split(b"\n\n"):
        lines = [line[5:].strip() for line in block.split(b"\n") if line.startswith(b"data:")]
        if lines:
            text = b"\n".join(lines)
            try:
                yield jsontext.decode(text)
            except ValueError:
                yield text.decode("utf-8", "replace")


def _response(events: Iterator[Any]) -> dict[str, Any] | None:
    """Return the response that the last event carries whole."""
    for event in events:
        if isinstance(event, dict) and event.get("type") in (
            "response.completed",
            "response.incomplete",
        ):
            found = event.get("response")
            return found if isinstance(found, dict) and found.get("id") else None
    return None


def _chat(events: Iterator[Any]) -> dict[str, Any] | None:
    """Return the chat completion that chunks add up to."""
    head: dict[str, Any] = {}
    choices: dict[int, dict[str, Any]] = {}
    ended = False
    for event in events:
        ended = ended or event == "[DONE]"
        if not isinstance(event, dict) or event.get("error"):
            continue
        head |= {
            name: event[name]
            for name in ("id", "created", "model", "system_fingerprint")
            if event.get(name)
        }
        if event.get("usage"):
            head["usage"] = event["usage"]
        for part in event.get("choices") or ():
            if isinstance(part, dict):
                whole = choices.setdefault(int(part.get("index") or 0), _choice(part))
                _add(whole, part)
    if (
        not head.get("id")
        or not choices
        or not (ended or all(one["finish_reason"] for one in choices.values()))
    ):
        return None
    return {"object": "chat.completion", **head, "choices": [choices[at] for at in sorted(choices)]}


def _choice(part: Mapping[str, Any]) -> dict[str, Any]:
    message = {"role": "assistant", "content": None}
    return {"index": int(part.get("index") or 0), "message": message, "finish_reason": None}


def _add(whole: dict[str, Any], part: Mapping[str, Any]) -> None:
    """Add what one chunk says to a choice."""
    whole["finish_reason"] = part.get("finish_reason") or whole["finish_reason"]
    delta, message = part.get("delta"), whole["message"]
    if not isinstance(delta, dict):
        return
    for name in ("content", "refusal", "reasoning_content"):
        if isinstance(delta.get(name), str):
            message[name] = (message.get(name) or "") + delta[name]
    for call in delta.get("tool_calls") or ():
        if isinstance(call, dict):
            _add_call(message.setdefault("tool_calls", []), call)


def _add_call(calls: list[dict[str, Any]], part: Mapping[str, Any]) -> None:
    at = part.get("index", len(calls))
    if not isinstance(at, int) or not 0 <= at <= len(calls):
        return
    if at == len(calls):
        calls.append({"id": None, "type": "function", "function": {"name": "", "arguments": ""}})
    call, inner = calls[at], part.get("function") or {}
    call["id"] = part.get("id") or call["id"]
    call["type"] = part.get("type") or call["type"]
    for name in ("name", "arguments"):
        call["function"][name] += inner.get(name) or ""
