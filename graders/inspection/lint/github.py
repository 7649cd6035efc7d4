"""Findings as GitHub workflow commands: annotations beside the lines of a pull request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from graders.inspection.lint.finding import Finding

__all__ = ["github"]

_LEVELS: Final = {"error": "error", "warning": "warning", "info": "notice"}
_MESSAGE: Final = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY: Final = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


def github(findings: Iterable[Finding]) -> str:
    """Return one workflow command a line, "" for no findings."""
    return "".join(f"{_command(one)}\n" for one in findings)


def _command(one: Finding) -> str:
    places = {
        "file": one.file,
        "line": one.line,
        "col": one.column,
        "title": f"{one.code} {one.name}",
    }
    said = ",".join(
        f"{name}={str(value).translate(_PROPERTY)}"
        for name, value in places.items()
        if value is not None
    )
    message = f"{one.path}: {one.message}. {one.fix}".translate(_MESSAGE)
    # A control character in a user's text must not reach the log's terminal.
    clean = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in message)
    return f"::{_LEVELS[one.severity]} {said}::{clean}"
