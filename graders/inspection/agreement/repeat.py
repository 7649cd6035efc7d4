"""How much of a judge's scores is the rows, and how much is when it was asked."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["Repeated", "Variance", "variance_of"]

_SHOWN: Final = (1, 2, 3, 5, 8, 10)


@dataclass(frozen=True, slots=True)
class Repeated:
    """What asking so many times and taking the mean would give.

    Attributes:
        times: how many times.
        noise: the standard deviation that is left within a row.
        share: the share of the variance that is between rows: 1 is a judge without noise.
    """

    times: int
    noise: float
    share: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the forecast as JSON."""
        return {"times": self.times, "noise": self.noise, "between_rows": self.share}


@dataclass(frozen=True, slots=True)
class Variance:
    """Where the variance of a judge's scores comes from.

    Attributes:
        rows: rows with at least two verdicts.
        verdicts: their verdicts.
        between: the variance between rows.
        within: the variance within a row.
        forecast: what asking 1, 2, 3 ... times would give.
    """

    rows: int
    verdicts: int
    between: float
    within: float
    forecast: tuple[Repeated, ...]

    @property
    def share(self) -> float | None:
        """The share of one verdict's variance that is between rows; None of no variance."""
        whole = self.between + self.within
        return self.between / whole if whole else None

    def to_dict(self) -> dict[str, Any]:
        """Return the shares as JSON."""
        share = self.share
        return {
            "rows": self.rows, "verdicts": self.verdicts,
            "between_variance": self.between, "within_variance": self.within,
            "between_share": share, "within_share": None if share is None else 1 - share,
            "averaging": [one.to_dict() for one in self.forecast],
        }  # fmt: skip


def variance_of(repeats: Iterable[Sequence[float | None]]) -> Variance | None:
    """Return the variance shares of a judge asked several times; None of fewer than two such rows.

    Source: one-way random effects with unequal groups (Searle 1971, Linear models); averaging by
    Spearman and Brown. A negative estimate between rows is 0.
    """
    groups = [[one for one in row if one is not None] for row in repeats]
    groups = [group for group in groups if len(group) > 1]
    count, total = len(groups), sum(map(len, groups))
    if count < 2:
        return None
    means = [math.fsum(group) / len(group) for group in groups]
    whole = math.fsum(one for group in groups for one in group) / total
    within = math.fsum(
        (one - mean) ** 2 for group, mean in zip(groups, means, strict=True) for one in group
    )
    within /= total - count
    between = math.fsum(
        len(group) * (mean - whole) ** 2 for group, mean in zip(groups, means, strict=True)
    )
    size = (total - sum(len(group) ** 2 for group in groups) / total) / (count - 1)
    variance = max(0.0, (between / (count - 1) - within) / size)
    forecast = tuple(_forecast(times, variance, within) for times in _SHOWN)
    return Variance(count, total, variance, within, forecast)


def _forecast(times: int, between: float, within: float) -> Repeated:
    left = within / times
    whole = between + left
    return Repeated(times, math.sqrt(left), between / whole if whole else None)
