"""string_check: compare two columns of texts.

Source: the hosted guide; `like` is "contains", not SQL's wildcards. How `ilike` ignores case is not
documented; ours compares `str.lower()` of both.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final, Literal

from graders.kinds.field import GraderConfig, Text
from graders.kinds.kind import YES_OR_NO, Kind, Rows, Scores, Settled, TextField

__all__ = ["OPERATIONS", "StringCheck", "StringCheckKind", "holds"]

OPERATIONS: Final = ("eq", "ne", "like", "ilike")


class StringCheck(GraderConfig):
    """Compare two texts; 1.0 when the operation holds, else 0.0."""

    type: Literal["string_check"] = "string_check"
    input: Text
    """The text to look at. May hold templates."""
    reference: Text
    """The text to compare with. May hold templates."""
    operation: Literal["eq", "ne", "like", "ilike"]
    """`eq` equal, `ne` not equal, `like` input contains reference, `ilike` the same ignoring case."""


_HOLDS: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "like": operator.contains,
    "ilike": lambda text, reference: reference.lower() in text.lower(),
}


def holds(operation: str, text: str, reference: str) -> bool:
    """Whether an operation holds for two texts."""
    return _HOLDS[operation](text, reference)


class StringCheckKind(Kind[StringCheck]):
    """Compares by itself. Nothing is trimmed."""

    name = "string_check"
    config = StringCheck
    not_here: ClassVar = {
        "pass_threshold": (
            "a string_check has no pass_threshold: it gives 1 or 0 and passes at 1; leave it out"
        ),
    }

    def performer(self, config: StringCheck) -> Literal["itself"]:
        return "itself"

    def texts(self, config: StringCheck) -> Iterator[TextField]:
        yield TextField(("input",), config.input)
        yield TextField(("reference",), config.reference)

    def ask(self, config: StringCheck, rows: Rows, repeats: int) -> Settled:
        held = map(_HOLDS[config.operation], rows.texts["input"], rows.texts["reference"])
        return Settled([1.0 if one else 0.0 for one in held])

    def settle(self, config: StringCheck, replies: Sequence[Any], repeats: int) -> Settled:
        raise TypeError("a string_check asks nobody")

    def scores(self, config: StringCheck) -> Scores:
        return YES_OR_NO

    def points(self, config: StringCheck) -> Sequence[str]:
        return ("holds", "does not hold")

    def hit(self, config: StringCheck, score: float, said: Sequence[str]) -> Iterator[str]:
        yield "holds" if score else "does not hold"
