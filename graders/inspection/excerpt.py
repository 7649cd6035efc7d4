"""The beginning of an answer and of a row's rendered texts: enough to know what to look at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from graders import jsontext
from graders.sample import Absent

__all__ = ["LONGEST", "excerpt_of", "shown_answer"]

LONGEST: Final = 300


def excerpt_of(rendered: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """Return the beginnings of rendered texts."""
    return {
        key: {name: cut(text) for name, text in texts.items()} for key, texts in rendered.items()
    }


def shown_answer(sample: Any) -> str:
    """Return the beginning of an answer: its text where it is nothing else, else its JSON."""
    if isinstance(sample, Absent) or sample is None:
        return ""
    if isinstance(sample, str):
        return cut(sample)
    if isinstance(sample, dict) and set(sample) == {"output_text"}:
        return cut(str(sample["output_text"]))
    try:
        return cut(jsontext.encode(sample).decode())
    except (TypeError, ValueError):
        return cut(str(sample))


def cut(text: str) -> str:
    """Return the beginning of a text."""
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
