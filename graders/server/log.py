"""The server's log: one JSON object a line on standard error. No texts unless asked for."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any, Final, Literal, TextIO, get_args

from graders import jsontext
from graders.errors import shown

__all__ = ["LOG_FORMS", "Log", "LogForm"]

LogForm = Literal["json", "text"]
LOG_FORMS: Final = get_args(LogForm)
_MOST_KEYS: Final = 100


class Log:
    """Writes a line for each event.

    Args:
        texts: whether bodies of requests may be written, shortened.
        form: JSON for machines, or text for people who watch.
        stream: where to; None for standard error.
    """

    def __init__(
        self, *, texts: bool = False, form: LogForm = "json", stream: TextIO | None = None
    ) -> None:
        self.texts = texts
        self._form = form
        self._stream = stream
        self._seldom: dict[str, tuple[float, int]] = {}

    def write(self, event: str, level: str = "info", **facts: Any) -> None:
        """Write one line; a log that cannot be written is no reason to stop serving."""
        known = {name: value for name, value in facts.items() if value is not None}
        now = time.time()
        line = (
            _text(now, event, level, known)
            if self._form == "text"
            else _json(now, event, level, known)
        )
        try:
            stream = self._stream or sys.stderr
            stream.write(line + "\n")
            stream.flush()
        except (OSError, ValueError):
            pass

    def seldom(self, key: str, event: str, level: str, *, seconds: float, **facts: Any) -> None:
        """Write what may happen very often once in so many seconds; `unsaid` counts the others.

        Args:
            key: what tells one such thing from another.
            event: as for `write`.
            level: as for `write`.
            seconds: for how long nothing more is written of it.
            facts: as for `write`.
        """
        now = time.monotonic()
        last, unsaid = self._seldom.get(key, (-seconds, 0))
        if now - last < seconds:
            self._seldom[key] = (last, unsaid + 1)
            return
        if len(self._seldom) > _MOST_KEYS:
            self._seldom.clear()
        self._seldom[key] = (now, 0)
        self.write(event, level, **facts, unsaid=unsaid or None)

    def body(self, body: bytes) -> str | None:
        """Return what the log says of a body: nothing, unless texts were asked for."""
        return shown(body[:4000].decode("utf-8", "replace"), 4000) if self.texts else None


def _json(now: float, event: str, level: str, facts: Mapping[str, Any]) -> str:
    clock = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
    return jsontext.encode({"time": clock, "level": level, "event": event, **facts}).decode()


def _text(now: float, event: str, level: str, facts: Mapping[str, Any]) -> str:
    clock = time.strftime("%H:%M:%S", time.localtime(now))
    if event == "listening" and "url" in facts:
        url, rewards = facts["url"], ""
        if "graders" in facts:
            rewards = f"{clock}  rewards of {facts['graders']}: {url}/v1/rewards lists where\n"
        return (
            f"{clock}  the playground is at {url}/\n"
            f'{clock}  for clients: OpenAI(base_url="{url}/v1", api_key="-")\n'
            f"{rewards}"
            f"{clock}  files and jobs are kept in {facts['data_dir']}; Ctrl-C stops"
        )
    if event == "request":
        said = f"{facts['status']}  {facts['method']} {facts['route']}  {facts['ms']:g} ms"
        return f"{clock}  {said}" + (f"  {facts['body']}" if "body" in facts else "")
    said = "  ".join(f"{name}={shown(str(value), 300)}" for name, value in facts.items())
    return f"{clock}  {level if level != 'info' else ''}{': ' if level != 'info' else ''}{event}  {said}"
