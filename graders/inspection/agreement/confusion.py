"""A yes-or-no verdict against people's: confusion, kappa, rates with their intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from graders.inspection.column import Column
from graders.statistic import Interval, Z, wilson

__all__ = ["Confusion", "Rate", "confusion"]


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of rows, with its 95% Wilson interval; None of no rows."""

    hits: int
    rows: int

    @property
    def value(self) -> float | None:
        """The share."""
        return self.hits / self.rows if self.rows else None

    @property
    def interval(self) -> Interval | None:
        """The interval."""
        return wilson(self.hits, self.rows)

    def to_dict(self) -> dict[str, Any]:
        """Return the rate as JSON."""
        interval = self.interval
        return {
            "value": self.value, "hits": self.hits, "rows": self.rows,
            "wilson_95": None if interval is None else [interval.low, interval.high],
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Confusion:
    """Rows by what the grader and what people say.

    Attributes:
        both: both pass them.
        grader_only: only the grader passes them.
        people_only: only people pass them.
        neither: nobody passes them.
    """

    both: int
    grader_only: int
    people_only: int
    neither: int

    @property
    def rows(self) -> int:
        """All rows."""
        return self.both + self.grader_only + self.people_only + self.neither

    @property
    def agreement(self) -> Rate:
        """The share of rows with the same verdict."""
        return Rate(self.both + self.neither, self.rows)

    @property
    def tpr(self) -> Rate:
        """Of the rows that people pass, those that the grader passes."""
        return Rate(self.both, self.both + self.people_only)

    @property
    def tnr(self) -> Rate:
        """Of the rows that people fail, those that the grader fails."""
        return Rate(self.neither, self.neither + self.grader_only)

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa; None where chance alone would agree on every row.

        Source: Cohen 1960, A coefficient of agreement for nominal scales.
        """
        rows = self.rows
        if not rows:
            return None
        graded, labelled = self.both + self.grader_only, self.both + self.people_only
        chance = graded * labelled + (rows - graded) * (rows - labelled)
        if chance == rows * rows:
            return None
        return (rows * (self.both + self.neither) - chance) / (rows * rows - chance)

    @property
    def kappa_interval(self) -> Interval | None:
        """The 95% interval of kappa, by the normal distribution: of few rows it is only a hint.

        Source: Fleiss, Cohen and Everitt 1969, Large sample standard errors of kappa; equals
        `cohens_kappa` of statsmodels.
        """
        kappa, rows = self.kappa, self.rows
        if kappa is None:
            return None
        table = ((self.both, self.grader_only), (self.people_only, self.neither))
        graded = [sum(line) / rows for line in table]
        labelled = [sum(column) / rows for column in zip(*table, strict=True)]
        chance = sum(one * other for one, other in zip(graded, labelled, strict=True))
        same = sum(
            table[at][at] / rows * (1 - (graded[at] + labelled[at]) * (1 - kappa)) ** 2
            for at in (0, 1)
        )
        apart = sum(
            table[at][1 - at] / rows * (labelled[at] + graded[1 - at]) ** 2 for at in (0, 1)
        )
        whole = same + (1 - kappa) ** 2 * apart - (kappa - chance * (1 - kappa)) ** 2
        half = Z * math.sqrt(max(whole, 0.0) / rows) / (1 - chance)
        return Interval(kappa - half, kappa + half, "normal approximation")

    def to_dict(self) -> dict[str, Any]:
        """Return the table and its figures as JSON."""
        return {
            "both_pass": self.both, "grader_only_passes": self.grader_only,
            "people_only_pass": self.people_only, "both_fail": self.neither,
            "kappa": self.kappa, **Interval.json("kappa", self.kappa_interval), "agreement": self.agreement.to_dict(),
            "tpr": self.tpr.to_dict(), "tnr": self.tnr.to_dict(),
        }  # fmt: skip


def confusion(scores: Column, passing: Column, threshold: float) -> Confusion:
    """Return how scores that pass from a threshold on agree with labels of 1.0 and 0.0."""
    graded, labelled = scores >= threshold, passing > 0
    return Confusion(
        int((graded & labelled).sum()), int((graded & ~labelled).sum()),
        int((~graded & labelled).sum()), int((~graded & ~labelled).sum()),
    )  # fmt: skip
