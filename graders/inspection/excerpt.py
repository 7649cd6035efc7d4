"""The beginning of an answer and of a row's rendered texts: enough to know what to look at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from graders import jsontext
from graders.sample import Absent, prepared

__all__ = ["LONGEST", "answer_of", "excerpt_of", "shown_answer"]

LONGEST: Final = 300


def excerpt_of(rendered: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """Return the beginnings of rendered texts."""
    return {
        key: {name: cut(text) for name, text in texts.items()} for key, texts in rendered.items()
    }


def shown_answer(sample: Any) -> str:
    """Return the beginning of an answer."""
    return cut(answer_of(sample))


def answer_of(sample: Any) -> str:
    """Return an answer's text, in whatever shape it is held; its calls or its JSON where it has none."""
    read = sample if sample is None or isinstance(sample, str) else prepared(sample)
    if isinstance(read, str):
        return read
    if sample is None or isinstance(sample, Absent):
        return ""
    shown = sample
    if isinstance(read, dict):
        if isinstance(text := read.get("output_text"), str) and (
            text or not read.get("output_tools")
        ):
            return text
        shown = read.get("output_tools") or sample
    try:
        return jsontext.encode(shown).decode()
    except (TypeError, ValueError):
        return str(shown)


def cut(text: str) -> str:
    """Return the beginning of a text."""
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
