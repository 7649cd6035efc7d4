"""What a server's answer says: a reply or an error, read from status, headers and body. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graders import jsontext
from graders.calls import ChatError, ChatReply
from graders.chat.endpoint import Key
from graders.errors import shown
from graders.grade import Usage

__all__ = ["Answer", "error_of_status", "read_completion", "refused_parameters", "usage_of"]

_KEPT = 4000


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, whole.

    Attributes:
        status: the status code.
        kind: the content type.
        body: the body.
    """

    status: int
    kind: str
    body: bytes

    def text(self, key: Key, limit: int = _KEPT) -> str:
        """Return the start of the body as text, without the key."""
        return key.redact(self.body.decode(errors="replace"))[:limit]

    def json(self) -> Any:
        """Return the body's JSON value, None where it is none."""
        try:
            return jsontext.decode(self.body)
        except ValueError:
            return None


def error_of_status(answer: Answer, key: Key) -> ChatError:
    """Return the error of an answer that is no success."""
    value = answer.json()
    fault = value.get("error", value) if isinstance(value, dict) else None
    said = fault.get("message") or fault.get("detail") if isinstance(fault, dict) else fault
    code = fault.get("code") if isinstance(fault, dict) else None
    text = said if isinstance(said, str) else answer.text(key)
    reason = shown(key.redact(" ".join(text.split())), 300)
    details = answer.text(key)
    if code == "content_filter" or "content management policy" in reason:
        return ChatError("refused", f"the server's filter refused the request: {reason}", details)
    says = f"the server answered {answer.status}" + (f": {reason}" if reason else "")
    kind = "server" if answer.status >= 500 or answer.status == 429 else "request"
    return ChatError("server" if kind == "server" else "request", says, details)


def refused_parameters(answer: Answer, sent: Mapping[str, Any]) -> set[str]:
    """Return which of the optional parameters sent a 400 names as what it does not take."""
    text = answer.body[:_KEPT].decode(errors="replace")
    optional = (
        "max_completion_tokens",
        "max_tokens",
        "seed",
        "temperature",
        "top_p",
        "reasoning_effort",
    )
    named = [name for name in optional if name in sent and re.search(rf"\b{name}\b", text)]
    both = {"max_completion_tokens", "max_tokens"}
    if both <= set(named):
        # "Use max_completion_tokens instead of max_tokens" names both; the first one goes.
        first = min(both, key=lambda name: re.search(rf"\b{name}\b", text).start())  # type: ignore[union-attr]
        named = [name for name in named if name not in both or name == first]
    return set(named)


def usage_of(value: Any) -> Usage | None:
    """Return the tokens a reply says it used, None where it says nothing."""
    usage = value.get("usage") if isinstance(value, dict) else None
    if not isinstance(usage, dict):
        return None

    def count(of: Any, name: str) -> int:
        found = of.get(name) if isinstance(of, dict) else None
        return found if type(found) is int and found >= 0 else 0

    prompt, completion = count(usage, "prompt_tokens"), count(usage, "completion_tokens")
    return Usage(
        prompt,
        completion,
        count(usage, "total_tokens") or prompt + completion,
        count(usage.get("prompt_tokens_details"), "cached_tokens"),
    )


def read_completion(answer: Answer, key: Key, *, enforced: bool) -> ChatReply:
    """Return the reply in an answer of status 200."""
    value = answer.json()
    details = answer.text(key)
    if not isinstance(value, dict):
        kind = answer.kind or "no content type"
        error = ChatError(
            "server", f"the server answered with {shown(kind, 60)}, not a chat completion", details
        )
        return ChatReply("", error, enforced=enforced)
    usage = usage_of(value)
    model = value.get("model")
    model = shown(key.redact(model), 200) if isinstance(model, str) else ""
    if model.startswith("/"):  # Some servers name the file, which is nobody else's business.
        model = model.rsplit("/", 1)[-1].removesuffix(".gguf")

    def failed(kind: Any, message: str, text: str = "", more: str = details) -> ChatReply:
        return ChatReply(text, ChatError(kind, message, more), usage, model, enforced=enforced)

    choices = value.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        if "error" in value:
            return failed("server", error_of_status(answer, key).message)
        return failed("server", "the server's answer has no choices")
    text = key.redact(_text(message.get("content")))
    finish = choice.get("finish_reason")
    refusal = message.get("refusal")
    if isinstance(refusal, str) and refusal:
        said = key.redact(refusal)
        return failed("refused", f"the judge refused: {shown(said, 300)}", text, said[:_KEPT])
    if finish == "content_filter":
        return failed("refused", "the server's filter cut the judge's reply off", text)
    if finish == "length":
        return failed("length", "the judge's reply reached its limit of tokens", text, text[:_KEPT])
    return ChatReply(text, None, usage, model, enforced=enforced)


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = [one.get("text") for one in content if isinstance(one, dict)]
        return "".join(part for part in parts if isinstance(part, str))
    return ""
