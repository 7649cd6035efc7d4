"""Whether a score means what it says: the share of rows that people pass, by score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from graders.inspection.agreement.confusion import Rate
from graders.inspection.column import Column

__all__ = ["Bin", "Calibration", "calibrate"]

_BINS: Final = 10
_JUST_OUTSIDE: Final = 0.05
"""BLEU of identical short texts is a little above 1."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Rows with scores from `low` up to `high`; the last bin holds its upper end too.

    Attributes:
        low: the lower end.
        high: the upper end.
        mean: the mean score.
        passing: the rows that people pass.
    """

    low: float
    high: float
    mean: float
    passing: Rate

    def to_dict(self) -> dict[str, Any]:
        """Return the bin as JSON."""
        return {"from": self.low, "to": self.high, "mean": self.mean, **self.passing.to_dict()}


@dataclass(frozen=True, slots=True)
class Calibration:
    """A calibration curve.

    Attributes:
        low: the score that stands for 0.
        high: the score that stands for 1.
        bins: the bins that hold rows.
        error: the expected calibration error in [0, 1]: how far the share that people pass is
            from the mean score, over the rows.
    """

    low: float
    high: float
    bins: tuple[Bin, ...]
    error: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the curve as JSON."""
        return {
            "from": self.low, "to": self.high, "ece": self.error,
            "bins": [one.to_dict() for one in self.bins],
        }  # fmt: skip


def calibrate(scores: Column, passing: Column) -> Calibration:
    """Return the calibration curve of scores in [0, 1], or from the lowest to the highest score.

    Source: Naeini et al. 2015, Obtaining well calibrated probabilities using Bayesian binning,
    for the error; ten bins of equal width.
    """
    if not len(scores):
        return Calibration(0.0, 1.0, (), None)
    low, high = float(scores.min()), float(scores.max())
    if low >= -_JUST_OUTSIDE and high <= 1 + _JUST_OUTSIDE:
        low, high = 0.0, 1.0
    width = (high - low) or 1.0
    # Rounded, so that 0.3 is in the bin that begins there.
    place = np.clip(np.floor(np.round((scores - low) / width * _BINS, 9)), 0, _BINS - 1)
    bins, error = [], 0.0
    for number in np.unique(place):
        which = place == number
        rows, hits = int(which.sum()), int(passing[which].sum())
        mean = float(scores[which].mean())
        error += abs(hits / rows - (mean - low) / width) * rows / len(scores)
        ends = (low + width * float(number) / _BINS, low + width * (float(number) + 1) / _BINS)
        bins.append(Bin(*ends, mean, Rate(hits, rows)))
    return Calibration(low, high, tuple(bins), error)
