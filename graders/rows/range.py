"""Which rows of an input are meant, by index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graders.errors import OptionError

__all__ = ["RowRange"]


@dataclass(frozen=True, slots=True)
class RowRange:
    """Which rows are scored, by index.

    Attributes:
        start: the first.
        stop: the one after the last; None for all to the end.
    """

    start: int = 0
    stop: int | None = None

    def __post_init__(self) -> None:
        if self.start < 0 or (self.stop is not None and self.stop < self.start):
            raise OptionError(f"rows {self.start} to {self.stop} are no range of rows")

    def first(self, count: int | None) -> RowRange:
        """Return the first so many of these rows; None is all."""
        if count is None:
            return self
        stop = self.start + count
        return RowRange(self.start, stop if self.stop is None else min(stop, self.stop))

    def most(self, inputs: Sequence[Mapping[str, Any]]) -> int | None:
        """Return how many of these rows there can be in inputs; None where nobody knows."""
        if not inputs or not all("lines" in one for one in inputs):
            return None if self.stop is None else self.stop - self.start
        lines: int = sum(one["lines"] for one in inputs)
        stop = lines if self.stop is None else min(lines, self.stop)
        return max(stop - self.start, 0)
