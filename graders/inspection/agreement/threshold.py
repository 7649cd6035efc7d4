"""The threshold at which a score agrees best with people's labels, and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from graders.inspection.column import Column

__all__ = ["BestCut", "area", "best_cuts"]

_DRAWS: Final = 500
_MOST_CUTS: Final = 256


@dataclass(frozen=True, slots=True)
class BestCut:
    """A best threshold.

    Attributes:
        by: what it is best by: `youden_j` (TPR + TNR - 1) or `kappa`.
        cut: the score from which a row passes.
        value: what J or kappa is there.
        interval: where 95% of the best cuts of 500 bootstrap draws of the rows lie.
    """

    by: str
    cut: float
    value: float
    interval: tuple[float, float]

    def to_dict(self) -> dict[str, Any]:
        """Return the cut as JSON."""
        return {
            "by": self.by, "cut": self.cut, "value": self.value, "cut_95": list(self.interval),
        }  # fmt: skip


def best_cuts(scores: Column, passing: Column) -> tuple[BestCut, ...]:
    """Return the best threshold by Youden's J and by kappa; none where labels are all the same.

    Source: Youden 1950, Index for rating diagnostic tests. Of equally good cuts the lowest.
    """
    if not 0 < passing.sum() < len(passing):
        return ()
    cuts, place = np.unique(scores, return_inverse=True)
    pos, neg = np.zeros(len(cuts)), np.zeros(len(cuts))
    np.add.at(pos, place.reshape(-1), passing)
    np.add.at(neg, place.reshape(-1), 1 - passing)
    exact = {by: values[0] for by, values in _values(pos[None], neg[None]).items()}
    coarse_cuts, coarse_pos, coarse_neg = _coarse(cuts, pos, neg)
    rows = len(scores)
    shares = np.concatenate([coarse_pos, coarse_neg]) / rows
    drawn = np.random.default_rng(0).multinomial(rows, shares / shares.sum(), size=_DRAWS)
    size = len(coarse_cuts)
    again = _values(drawn[:, :size].astype(float), drawn[:, size:].astype(float))
    found = []
    for by, values in exact.items():
        best = int(np.argmax(values))
        where = coarse_cuts[np.argmax(again[by], axis=1)]
        low, high = np.quantile(where, [0.025, 0.975], method="inverted_cdf")
        cut = float(cuts[best])
        # Draws are cut coarsely where there are many scores; the best cut itself is never outside.
        ends = (min(float(low), cut), max(float(high), cut))
        found.append(BestCut(by, cut, float(values[best]), ends))
    return tuple(found)


def area(scores: Column, passing: Column) -> float | None:
    """Return the area under the ROC curve: how often a passing row has the higher score.

    A tie counts half. None where labels are all the same.
    """
    pos, neg = np.sort(scores[passing > 0]), np.sort(scores[passing <= 0])
    if not len(pos) or not len(neg):
        return None
    below = np.searchsorted(neg, pos, "left").sum()
    upto = np.searchsorted(neg, pos, "right").sum()
    return float(below + upto) / (2 * len(pos) * len(neg))


def _values(pos: Column, neg: Column) -> dict[str, Column]:
    """Return J and kappa at each cut, a draw a line, from the labels at each score."""
    passed_pos = np.cumsum(pos[:, ::-1], axis=1)[:, ::-1]
    passed_neg = np.cumsum(neg[:, ::-1], axis=1)[:, ::-1]
    all_pos, all_neg = passed_pos[:, :1], passed_neg[:, :1]
    rows = all_pos + all_neg
    youden = passed_pos / np.maximum(all_pos, 1) - passed_neg / np.maximum(all_neg, 1)
    graded = passed_pos + passed_neg
    same = passed_pos + all_neg - passed_neg
    chance = (graded * all_pos + (rows - graded) * all_neg) / rows
    apart = rows - chance
    kappa = np.where(apart > 0, (same - chance) / np.where(apart > 0, apart, 1), 0.0)
    return {"youden_j": youden, "kappa": kappa}


def _coarse(cuts: Column, pos: Column, neg: Column) -> tuple[Column, Column, Column]:
    """Return at most so many cuts that memory stays small, with about as many rows between each."""
    if len(cuts) <= _MOST_CUTS:
        return cuts, pos, neg
    upto = np.cumsum(pos + neg)
    wanted = np.searchsorted(upto, np.linspace(0, upto[-1], _MOST_CUTS, endpoint=False), "right")
    starts = np.unique(np.concatenate([[0], wanted]))
    return cuts[starts], np.add.reduceat(pos, starts), np.add.reduceat(neg, starts)
