"""What a run took: time by sub-grader, the slowest rows, memory. Never part of the results."""

from __future__ import annotations

import heapq
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

__all__ = ["Cost", "SlowRow", "peak_memory"]

_SLOWEST: Final = 10


@dataclass(frozen=True, slots=True, order=True)
class SlowRow:
    """A call that took long.

    Attributes:
        seconds: how long.
        index: the row's index.
        where: the sub-grader's key, "" for the grader itself.
    """

    seconds: float
    index: int
    where: str = ""


@dataclass(slots=True)
class Cost:
    """What grading took, summed over all processes and threads.

    Attributes:
        seconds: time by sub-grader, "" for the grader itself.
        slowest: the slowest python and model calls, slowest first.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    slowest: list[SlowRow] = field(default_factory=list)

    def add_slow(self, calls: Iterable[SlowRow]) -> None:
        """Keep the slowest of these calls and those known."""
        self.slowest = heapq.nlargest(_SLOWEST, [*self.slowest, *calls])

    def merge(self, other: Cost) -> None:
        """Add what another part of the run took."""
        for key, spent in other.seconds.items():
            self.seconds[key] = self.seconds.get(key, 0.0) + spent
        self.add_slow(other.slowest)

    @property
    def shares(self) -> dict[str, float]:
        """Each sub-grader's share of the time that all of them took."""
        total = sum(self.seconds.values())
        return {key: spent / total for key, spent in self.seconds.items()} if total else {}


def peak_memory() -> int | None:
    """Return the most bytes this process ever held; None where the system does not say."""
    try:
        import resource  # noqa: PLC0415  (not on Windows)
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
