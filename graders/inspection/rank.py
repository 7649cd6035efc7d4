"""Rank correlation of two columns: Spearman's rho and Kendall's tau-b, ties handled."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from graders.inspection.column import Column

__all__ = ["kendall", "ranks", "spearman"]

_RUN: Final = 64


def ranks(values: Column) -> Column:
    """Return the rank of each value, 1 for the lowest; equal values share their mean rank."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    mean: Column = (last - counts + 1 + last) / 2
    return mean[place.reshape(-1)]


def spearman(first: Column, second: Column) -> float | None:
    """Return Spearman's rho in [-1, 1]: Pearson's correlation of the ranks.

    None where there are fewer than two rows or one column has a single value.
    """
    if len(first) < 2:
        return None
    one, other = ranks(first), ranks(second)
    one, other = one - one.mean(), other - other.mean()
    norm = math.sqrt(float(one @ one) * float(other @ other))
    return max(-1.0, min(1.0, float(one @ other) / norm)) if norm else None


def kendall(first: Column, second: Column) -> float | None:
    """Return Kendall's tau-b in [-1, 1], in the time of a sort.

    None where there are fewer than two rows or one column has a single value.

    Source: Knight 1966, A computer method for calculating Kendall's tau with ungrouped data.
    """
    count = len(first)
    if count < 2:
        return None
    one, other = _places(first), _places(second)
    order = np.lexsort((other, one))
    one, other = one[order], other[order]
    pairs = count * (count - 1) // 2
    ties_one, ties_other = _tied(one), _tied(other)
    ties_both = _tied(one.astype(np.int64) * (int(other.max()) + 1) + other)
    discordant = _inversions(other)
    apart_one, apart_other = pairs - ties_one, pairs - ties_other
    if not apart_one or not apart_other:
        return None
    # Pairs tied in the first column are sorted by the second, so none of them is an inversion.
    more = pairs - ties_one - ties_other + ties_both - 2 * discordant
    return max(-1.0, min(1.0, more / math.sqrt(apart_one) / math.sqrt(apart_other)))


def _places(values: Column) -> NDArray[np.int32]:
    """Return which of the different values each is, the lowest first; no more rows than 2**31 fit into memory."""
    return np.unique(values, return_inverse=True)[1].reshape(-1).astype(np.int32)


def _tied(values: NDArray[np.int32] | NDArray[np.int64]) -> int:
    """Return how many pairs of values are equal."""
    _, counts = np.unique(values, return_counts=True)
    return sum(int(one) * (int(one) - 1) // 2 for one in counts)


def _inversions(values: NDArray[np.int32]) -> int:
    """Return how many pairs stand in the wrong order, by merging runs twice as long each time."""
    count, width = len(values), _RUN
    # Short runs all at once: what is padded at the end is greater than all and inverts nothing.
    padded = np.full(-(-count // width) * width, count, dtype=values.dtype)
    padded[:count] = values
    runs = padded.reshape(-1, width)
    found = sum(int((runs[:, :-step] > runs[:, step:]).sum()) for step in range(1, width))
    padded = np.sort(runs, axis=1).reshape(-1)
    while width < len(padded):
        for start in range(0, len(padded) - width, 2 * width):
            left, right = padded[start : start + width], padded[start + width : start + 2 * width]
            # Of each value on the right: those on the left that are greater.
            found += len(left) * len(right) - int(np.searchsorted(left, right, "right").sum())
            padded[start : start + 2 * width] = np.sort(
                padded[start : start + 2 * width], kind="stable"
            )
        width *= 2
    return found
