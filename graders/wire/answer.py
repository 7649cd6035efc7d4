"""What a server's answer says: a reply, read from status, headers and body. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from graders.wire.endpoint import ApiKey
from graders.wire.field import strict_json

__all__ = ["HttpAnswer"]

_KEPT = 4000


@dataclass(frozen=True, slots=True)
class HttpAnswer:
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

    def text(self, key: ApiKey, limit: int = _KEPT) -> str:
        """Return the start of the body as text, without the key."""
        encoding = json.detect_encoding(self.body)
        return key.redact(self.body.decode(encoding, errors="replace"))[:limit]

    def json(self) -> Any:
        """Return the body's JSON value, None where it is none or not one to be read."""
        try:
            return self.read()
        except ValueError:
            return None

    def read(self, *, reals: bool = True) -> Any:
        """Return the body's JSON value, as `strict_json` reads it.

        Raises:
            FieldError: it is JSON that an answer may not be.
            ValueError: it is not JSON.
        """
        # A byte order mark, or UTF-16: not JSON's way, and clear all the same.
        text = self.body.decode(json.detect_encoding(self.body))
        return strict_json(text.removeprefix("\ufeff"), reals=reals)
