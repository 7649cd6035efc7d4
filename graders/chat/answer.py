"""What a server's answer says: a reply, read from status, headers and body. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from graders import jsontext
from graders.chat.endpoint import Key
from graders.grade import Usage

__all__ = ["Answer", "usage_of"]

_KEPT = 4000


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, whole.

    Attributes:
        status: the status code.
        kind: the content type.
        body: the body.
        location: where a redirect leads.
        seconds: how long it took to come.
    """

    status: int
    kind: str
    body: bytes
    location: str = ""
    seconds: float = 0.0

    def text(self, key: Key, limit: int = _KEPT) -> str:
        """Return the start of the body as text, without the key."""
        encoding = json.detect_encoding(self.body)
        return key.redact(self.body.decode(encoding, errors="replace"))[:limit]

    def json(self) -> Any:
        """Return the body's JSON value, None where it is none."""
        try:
            return jsontext.decode(self.body)
        except ValueError:
            pass
        try:  # A byte order mark, or UTF-16: not JSON's way, and clear all the same.
            return jsontext.decode(self.body.decode(json.detect_encoding(self.body)))
        except ValueError:
            return None


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
