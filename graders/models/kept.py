"""A reply as bytes on a disk, and back."""

from __future__ import annotations

from graders import jsontext
from graders.calls import ChatError, ChatReply
from graders.grade import Usage

__all__ = ["from_bytes", "is_answer", "to_bytes"]


def is_answer(reply: ChatReply) -> bool:
    """Whether a model answered, for better or worse: asking again would be paid again."""
    return reply.error is None or reply.error.kind in ("refused", "length", "empty")


def to_bytes(reply: ChatReply) -> bytes:
    """Return what is kept of a reply."""
    return jsontext.encode(
        {
            "text": reply.text,
            "error": None
            if reply.error is None
            else [reply.error.kind, reply.error.message, reply.error.details],
            "usage": None if reply.usage is None else reply.usage.to_dict(),
            "model": reply.model,
            "enforced": reply.enforced,
        }
    )


def from_bytes(raw: bytes | None) -> ChatReply | None:
    """Return a kept reply; None where there is none, or what is there is none."""
    if raw is None:
        return None
    try:
        value = jsontext.decode(raw)
        error, usage = value["error"], value["usage"]
        return ChatReply(
            value["text"],
            None if error is None else ChatError(*error),
            None if usage is None else Usage(**usage),
            value["model"],
            cached=True,
            enforced=value["enforced"],
        )
    except (ValueError, TypeError, KeyError):
        return None
