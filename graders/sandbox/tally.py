"""What a sandbox did so far: how many calls, which failures, the slowest calls."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from graders.calls import PythonReply
from graders.sandbox.limits import Level

__all__ = ["CallTally", "SlowCall", "Stats", "total"]

_SLOWEST: Final = 10


@dataclass(frozen=True, slots=True, order=True)
class SlowCall:
    """One of the slowest calls.

    Attributes:
        seconds: how long it took.
        row: 0-based position among all rows this sandbox was given for the source.
        source: the first characters of the source's SHA-256.
    """

    seconds: float
    row: int
    source: str


@dataclass(frozen=True, slots=True)
class Stats:
    """What a sandbox did so far.

    Attributes:
        level: how its workers are confined.
        calls: rows answered.
        failures: rows answered with an error, by kind.
        workers_started: how many worker processes were started.
        slow_calls: the slowest calls, slowest first.
    """

    level: Level
    calls: int
    failures: Mapping[str, int]
    workers_started: int
    slow_calls: tuple[SlowCall, ...]


def total(found: Iterable[Stats]) -> Stats | None:
    """Return what several sandboxes of one level did; None of none."""
    stats = list(found)
    if not stats:
        return None
    failures: Counter[str] = Counter()
    for one in stats:
        failures.update(one.failures)
    return Stats(
        stats[0].level,
        sum(one.calls for one in stats),
        dict(failures),
        sum(one.workers_started for one in stats),
        tuple(sorted((call for one in stats for call in one.slow_calls), reverse=True)[:_SLOWEST]),
    )


class CallTally:
    """Counts replies; its owner keeps threads apart."""

    def __init__(self) -> None:
        self.calls = 0
        self.failures: dict[str, int] = {}
        self._slow: list[SlowCall] = []

    def add(self, replies: Sequence[PythonReply], first: int, source: str) -> None:
        """Count the replies of one batch, whose first row is row `first` of `source`."""
        self.calls += len(replies)
        floor = self._floor()
        for position, reply in enumerate(replies):
            if reply.error is not None:
                kind = reply.error.kind
                self.failures[kind] = self.failures.get(kind, 0) + 1
            if reply.seconds > floor:
                slow = SlowCall(reply.seconds, first + position, source[:12])
                if len(self._slow) < _SLOWEST:
                    heapq.heappush(self._slow, slow)
                else:
                    heapq.heapreplace(self._slow, slow)
                floor = self._floor()

    def _floor(self) -> float:
        return self._slow[0].seconds if len(self._slow) == _SLOWEST else 0.0

    def slowest(self) -> tuple[SlowCall, ...]:
        """Return the slowest calls, slowest first."""
        return tuple(sorted(self._slow, reverse=True))
