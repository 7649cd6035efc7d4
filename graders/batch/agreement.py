"""How much judges agree: one with itself, asked several times, and those of a panel with each other."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import combinations
from typing import Any, Final

from graders.batch.figures import Figures, sums
from graders.statistic import root

__all__ = ["JudgePair", "PanelFigures", "PanelSeat", "Repeats", "Scores"]

Scores = Mapping[str, float | None]
"""What the judges of a panel gave for one row: the score of each by its name, None for none."""
_MOST_PAIRED: Final = 8


@dataclass(slots=True)
class Repeats:
    """How much a judge asked several times for a row agrees with itself.

    Attributes:
        asked: times it was asked.
        failed: times it gave no verdict.
        rows: rows with at least two verdicts; the figures are of these.
        flipped: rows whose verdicts stand on both sides of the pass mark.
        variances: sum of the variances within rows.
    """

    asked: int = 0
    failed: int = 0
    rows: int = 0
    flipped: int = 0
    variances: Fraction = Fraction(0)

    def add(self, scores: Sequence[float | None], passes_at: float | None, times: int = 1) -> None:
        """Add the repeats of one row, or of so many rows that have the same."""
        found = [Fraction(score) for score in scores if score is not None]
        self.asked += len(scores) * times
        self.failed += (len(scores) - len(found)) * times
        if len(found) < 2:
            return
        self.rows += times
        mean = sum(found, Fraction(0)) / len(found)
        apart = sum(((one - mean) ** 2 for one in found), Fraction(0)) / (len(found) - 1)
        self.variances += apart * times
        if passes_at is not None and len({one >= passes_at for one in found}) == 2:
            self.flipped += times

    def merge(self, other: Repeats) -> None:
        """Add what another count counted."""
        self.asked += other.asked
        self.failed += other.failed
        self.rows += other.rows
        self.flipped += other.flipped
        self.variances += other.variances

    @property
    def spread(self) -> float | None:
        """The standard deviation within a row, pooled over the rows."""
        return root(self.variances / self.rows) if self.rows else None

    @property
    def flip_rate(self) -> float | None:
        """The share of rows whose verdict depends on when the judge is asked."""
        return self.flipped / self.rows if self.rows else None

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON."""
        return {
            "asked": self.asked,
            "failed": self.failed,
            "rows": self.rows,
            "within_row_spread": self.spread,
            "flipped": self.flipped,
            "flip_rate": self.flip_rate,
        }


@dataclass(slots=True)
class PanelSeat:
    """What one judge of a panel gave.

    Attributes:
        scored: rows it gave a verdict for.
        failed: rows it gave none for.
        total: sum of its scores.
    """

    scored: int = 0
    failed: int = 0
    total: Fraction = Fraction(0)

    def merge(self, other: PanelSeat) -> None:
        """Add what another count counted."""
        self.scored += other.scored
        self.failed += other.failed
        self.total += other.total

    @property
    def mean(self) -> float | None:
        """The mean of its scores, None of none."""
        return float(self.total / self.scored) if self.scored else None


@dataclass(slots=True)
class JudgePair:
    """How far two judges of a panel are apart.

    Attributes:
        rows: rows for which both gave a verdict.
        same: those for which they gave the same score.
        total: sum of the distances of their scores.
    """

    rows: int = 0
    same: int = 0
    total: Fraction = Fraction(0)

    def add(self, distances: Counter[float]) -> None:
        """Add rows: how far the scores are apart, each distance so many times."""
        self.rows += distances.total()
        self.same += distances[0.0]
        self.total += sums(distances)[0]

    def merge(self, other: JudgePair) -> None:
        """Add what another count counted."""
        self.rows += other.rows
        self.same += other.same
        self.total += other.total

    @property
    def mean(self) -> float | None:
        """The mean distance of their scores, None of no row."""
        return float(self.total / self.rows) if self.rows else None


@dataclass(slots=True)
class PanelFigures:
    """How much the judges of a panel agree with each other.

    Attributes:
        rows: rows that the panel was asked for.
        compared: those with at least two judges' verdicts; the figures are of these.
        unanimous: those of them on which all judges say the same.
        split: those whose judges stand on both sides of the pass mark.
        total: sum of the rows' disagreements.
        seats: what each judge gave.
        apart: the rows' disagreements.
        pairs: how far two judges are apart, by their names; of more than eight judges none.
    """

    rows: int = 0
    compared: int = 0
    unanimous: int = 0
    split: int = 0
    total: Fraction = Fraction(0)
    seats: dict[str, PanelSeat] = field(default_factory=dict)
    apart: Figures = field(default_factory=Figures)
    pairs: dict[tuple[str, str], JudgePair] = field(default_factory=dict)

    def add(self, rows: Iterable[tuple[Scores, float | None]], passes_at: float | None) -> None:
        """Add rows: each judge's score, None where it gave none, and how far they are apart."""
        alike: defaultdict[tuple[str, ...], list[Scores]] = defaultdict(list)
        apart = []
        for scores, disagreement in rows:
            alike[tuple(scores)].append(scores)
            if disagreement is not None:
                apart.append(float(disagreement))
                if passes_at is not None and _is_split(scores, passes_at):
                    self.split += 1
        # A judge is one column: what is the same in many rows is looked at once.
        for names, found in alike.items():
            self.rows += len(found)
            columns = zip(*[one.values() for one in found], strict=True)
            self._add_seats(dict(zip(names, columns, strict=True)))
        self.compared += len(apart)
        self.unanimous += apart.count(0.0)
        counted = Counter(apart)
        self.total += sums(counted)[0] if counted else 0
        self.apart.add_counted(counted)

    def _add_seats(self, columns: Mapping[str, Sequence[float | None]]) -> None:
        """Add what judges gave for the same rows, a column each."""
        seats = {
            name: [None if score is None else float(score) for score in column]
            for name, column in columns.items()
        }
        for name, column in seats.items():
            given = Counter([score for score in column if score is not None])
            seat = self.seats.setdefault(name, PanelSeat())
            seat.scored += given.total()
            seat.failed += len(column) - given.total()
            seat.total += sums(given)[0] if given else 0
        for one, other in combinations(seats, 2) if len(seats) <= _MOST_PAIRED else ():
            distances = [
                abs(a - b)
                for a, b in zip(seats[one], seats[other], strict=True)
                if a is not None and b is not None
            ]
            if distances:
                self.pairs.setdefault((one, other), JudgePair()).add(Counter(distances))

    def merge(self, other: PanelFigures) -> None:
        """Add what another count counted."""
        self.rows += other.rows
        self.compared += other.compared
        self.unanimous += other.unanimous
        self.split += other.split
        self.total += other.total
        for name, seat in other.seats.items():
            self.seats.setdefault(name, PanelSeat()).merge(seat)
        self.apart.merge(other.apart)
        for names, pair in other.pairs.items():
            self.pairs.setdefault(names, JudgePair()).merge(pair)

    @property
    def disagreement(self) -> float | None:
        """How far two judges are apart on average, over the rows; None of none."""
        return float(self.total / self.compared) if self.compared else None

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON."""
        return {
            "rows": self.rows, "compared": self.compared, "disagreement": self.disagreement,
            "unanimous": self.unanimous, "split": self.split,
            "judges": {
                name: {"scored": one.scored, "failed": one.failed, "mean": one.mean}
                for name, one in self.seats.items()
            },
        }  # fmt: skip


def _is_split(scores: Scores, passes_at: float) -> bool:
    """Whether judges stand on both sides of the pass mark."""
    return len({score >= passes_at for score in scores.values() if score is not None}) == 2
