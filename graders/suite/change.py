"""Changes of a sample that should not matter to a reward."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

__all__ = ["CHANGES", "changed", "text_of", "with_text"]

_BLANKS: Final = re.compile(r"[ \t]+")

_ONE: Final[Mapping[str, Callable[[str], str]]] = {
    "outer whitespace": lambda text: f"  {text}\n\n",
    "inner whitespace": lambda text: _BLANKS.sub(lambda run: run[0] * 2, text),
    "upper case": str.upper,
    "lower case": str.lower,
}

CHANGES: Final[Mapping[str, tuple[str, ...]]] = {
    "whitespace": ("outer whitespace", "inner whitespace"),
    "outer_whitespace": ("outer whitespace",),
    "inner_whitespace": ("inner whitespace",),
    "case": ("upper case", "lower case"),
    "upper_case": ("upper case",),
    "lower_case": ("lower case",),
}
"""The names a suite may use, each with the changes it stands for."""


def text_of(sample: Any) -> str | None:
    """Return the output text of a sample, None where it has none."""
    if isinstance(sample, str):
        return sample
    if not isinstance(sample, Mapping):
        return None
    text = sample.get("output_text")
    if text is None and "output_text" not in sample:
        message = _first_message(sample)
        text = None if message is None else message.get("content")
    return text if isinstance(text, str) else None


def with_text(sample: Any, text: str) -> Any:
    """Return the sample with another output text, and all else as it was."""
    if isinstance(sample, str):
        return text
    if "output_text" in sample:
        return {**sample, "output_text": text}
    first, *others = sample["choices"]
    return {
        **sample,
        "choices": [{**first, "message": {**first["message"], "content": text}}, *others],
    }


def changed(text: str, name: str) -> Iterator[tuple[str, str]]:
    """Yield (what was changed, the changed text) for one of CHANGES; unchanged texts left out."""
    for one in CHANGES[name]:
        other = _ONE[one](text)
        if other != text:
            yield one, other


def _first_message(sample: Mapping[str, Any]) -> Mapping[str, Any] | None:
    try:
        message = sample["choices"][0]["message"]
    except (KeyError, IndexError, TypeError):
        return None
    return message if isinstance(message, Mapping) else None
