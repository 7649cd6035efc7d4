"""A text in disguise: denied, cut, in look-alike letters, with invisible characters."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["halved", "look_alike", "negated", "zero_width"]

_VERB: Final = re.compile(
    r"\b(is|are|was|were|can|could|will|would|should|must|may|has|have|had|do|does|did)\b(?! not\b)",
    re.IGNORECASE,
)
_DENIED: Final = re.compile(
    r"\b(is|are|was|were|can|could|will|would|should|must|may|has|have|had|do|does|did) not\b",
    re.IGNORECASE,
)
_OPPOSITES: Final = {
    "yes": "no", "no": "yes", "true": "false", "false": "true", "correct": "incorrect",
    "incorrect": "correct", "pass": "fail", "fail": "pass", "positive": "negative",
    "negative": "positive",
}  # fmt: skip

# Cyrillic and Greek letters that most fonts draw as they draw the Latin ones.
_LOOK_ALIKES: Final = str.maketrans(
    "aceopxyiABEHKMOPTXcsj", "асеорхуіАВЕНКМОРТХсѕј"
)  # fmt: skip


def negated(text: str) -> str:
    """Return a text that says the opposite in nearly the same words."""
    opposite = _OPPOSITES.get(text.strip().lower())
    if opposite is not None:
        return opposite.capitalize() if text.strip()[:1].isupper() else opposite
    if _DENIED.search(text):
        return _DENIED.sub(r"\1", text)
    changed, count = _VERB.subn(r"\1 not", text)
    return changed if count else f"not {text}"


def halved(text: str) -> str:
    """Return the first half of a text."""
    return text[: len(text) // 2]


def look_alike(text: str) -> str:
    """Return a text whose letters look the same and are others."""
    return text.translate(_LOOK_ALIKES)


def zero_width(text: str) -> str:
    """Return a text with an invisible character between any two of its own."""
    return "\u200b".join(text)
