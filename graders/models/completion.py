"""A judge's reply in the answer that carries it: its text, or why there is none. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from graders.calls import ChatError, ChatReply
from graders.errors import shown
from graders.wire.answer import HttpAnswer
from graders.wire.endpoint import ApiKey
from graders.wire.fault import error_of_status
from graders.wire.field import FieldError, message_of, refusal_of, text_of, typed, usage_of

__all__ = ["bad_field", "read_completion"]

_KEPT: Final = 4000
_REASONING: Final = ("reasoning_content", "reasoning")
"""Where servers put what a model thought: not its answer."""


def read_completion(answer: HttpAnswer, key: ApiKey, longest: int, *, enforced: bool) -> ChatReply:
    """Return the reply in an answer of status 200; its text has at most `longest` characters.

    An answer that has a field which is not what it has to be is an error, whatever else it says.
    """
    details = answer.text(key)
    usage, model, text = None, "", ""
    error: ChatError | None
    try:
        value = answer.read()
        if not isinstance(value, dict):
            raise ValueError("no object")  # noqa: TRY301
        usage = usage_of(value)
        model = _name(typed(value, "model", "", "a text", str) or "", key)
        found = message_of(value)
    except FieldError as fault:
        error = bad_field(fault, key, details)
    except ValueError:
        kind = answer.kind or "no content type"
        message = f"the server answered with {shown(key.redact(kind), 60)}, not a chat completion"
        error = ChatError("server", message, details)
    else:
        if found is None:
            says = "the server's answer has no choices"
            if value.get("error"):
                says = error_of_status(answer, key).message
            error = ChatError("server", says, details)
        else:
            choice, said = found
            text = key.redact(text_of(said))
            error = _error(choice, said, text, key, details)
            if len(text) > longest:
                says = f"the judge's reply is longer than the {longest:,} characters allowed"
                error, text = error or ChatError("too_large", says, text[:_KEPT]), text[:_KEPT]
    return ChatReply(text, error, usage, model, enforced=enforced, seconds=answer.seconds)


def bad_field(fault: FieldError, key: ApiKey, details: str) -> ChatError:
    """Return the error of an answer that has a field which is not what it has to be."""
    return ChatError(
        "server", f"the server's answer is not usable: {key.redact(str(fault))}", details
    )


def _name(model: str, key: ApiKey) -> str:
    name = shown(key.redact(model), 200)
    if name.startswith("/"):  # Some servers name the file, which is nobody else's business.
        name = name.rsplit("/", 1)[-1].removesuffix(".gguf")
    return name


def _error(
    choice: Mapping[str, Any], message: Mapping[str, Any], text: str, key: ApiKey, details: str
) -> ChatError | None:
    """Return why a choice is no answer, None where it is one."""
    finish = choice.get("finish_reason")
    if refusal := key.redact(refusal_of(message)):
        return ChatError("refused", f"the judge refused: {shown(refusal, 300)}", refusal[:_KEPT])
    if finish == "content_filter":
        return ChatError("refused", "the server's filter cut the judge's reply off", details)
    if finish == "length":
        says = "the judge's reply reached its limit of tokens"
        if not text.strip() and _thought(message):
            says = "the judge reached its limit of tokens while it reasoned, before it answered"
        return ChatError("length", says, text[:_KEPT] or details)
    if finish == "error" or choice.get("error"):
        fault = choice.get("error")
        said = fault.get("message") if isinstance(fault, dict) else fault
        reason = f": {shown(key.redact(str(said)), 300)}" if said else ""
        says = f"the server ended the judge's reply with an error{reason}"
        return ChatError("server", says, details)
    if not text.strip():
        why = _instead(message)
        says = f"has no text: {shown(key.redact(why), 200)}" if why else "is empty"
        return ChatError("empty", f"the judge's reply {says}", details)
    return None


def _thought(message: Mapping[str, Any]) -> str:
    return next((name for name in _REASONING if message.get(name)), "")


def _instead(message: Mapping[str, Any]) -> str:
    """Say what a message without text has instead; "" for nothing at all."""
    calls = message.get("tool_calls")
    if isinstance(calls, list) and calls:
        called = calls[0].get("function") if isinstance(calls[0], dict) else None
        name = called.get("name") if isinstance(called, dict) else None
        return f"it calls the tool {str(name)[:60]!r}, and it was given none"
    if name := _thought(message):
        return (
            f"all of it stands in {name}; turn the server's reasoning parser off, or ask in words "
            "by --reply-form text"
        )
    return ""
