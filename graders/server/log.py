"""The server's log: one JSON object a line on standard error. No texts unless asked for."""

from __future__ import annotations

import sys
import time
from typing import Any, TextIO

from graders import jsontext
from graders.errors import shown

__all__ = ["Log"]


class Log:
    """Writes lines of JSON.

    Args:
        texts: whether bodies of requests may be written, shortened.
        stream: where to; None for standard error.
    """

    def __init__(self, *, texts: bool = False, stream: TextIO | None = None) -> None:
        self.texts = texts
        self._stream = stream

    def write(self, event: str, level: str = "info", **facts: Any) -> None:
        """Write one line; a log that cannot be written is no reason to stop serving."""
        now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + "Z"
        known = {name: value for name, value in facts.items() if value is not None}
        line = jsontext.encode({"time": now, "level": level, "event": event, **known}).decode()
        try:
            stream = self._stream or sys.stderr
            stream.write(line + "\n")
            stream.flush()
        except (OSError, ValueError):
            pass

    def body(self, body: bytes) -> str | None:
        """Return what the log says of a body: nothing, unless texts were asked for."""
        return shown(body[:4000].decode("utf-8", "replace"), 4000) if self.texts else None
