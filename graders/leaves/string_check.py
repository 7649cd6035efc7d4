"""string_check: compare two columns of texts. Pure.

Source: the hosted guide; `like` is "contains", not SQL's wildcards. How `ilike` ignores case is not
documented; ours compares `str.lower()` of both.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from graders.config import StringCheck

__all__ = ["score"]


def _ilike(text: str, reference: str) -> bool:
    return reference.lower() in text.lower()


_HOLDS: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "like": operator.contains,
    "ilike": _ilike,
}


def score(config: StringCheck, inputs: Sequence[str], references: Sequence[str]) -> list[float]:
    """Return 1.0 for each row in which the operation holds, else 0.0. Nothing is trimmed."""
    return [1.0 if held else 0.0 for held in map(_HOLDS[config.operation], inputs, references)]
