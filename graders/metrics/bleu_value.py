"""The values of BLEU and GLEU from n-gram counts.

BLEU goes through `math.log`, `fsum` and `exp` in NLTK's order, one pair at a time: numpy's own
logarithm may differ in the last bit. What is fast is the counting, done once for both.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from math import exp, fsum, log
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["ORDERS", "bleu_value", "bleu_values", "gleu_value", "gleu_values"]

ORDERS = 4
_WEIGHT = 0.25
_SMOOTHING_K = 5

_Column: TypeAlias = "array[int] | npt.NDArray[np.int64]"


def bleu_values(
    overlaps: Sequence[_Column], candidate_sizes: _Column, reference_sizes: _Column
) -> list[float]:
    """Return sentence BLEU-4 with smoothing method 4 of each pair.

    No common word gives 0.0, and so does an empty text.
    """
    common = zip(*(counts.tolist() for counts in overlaps), strict=True)
    return list(map(bleu_value, common, candidate_sizes.tolist(), reference_sizes.tolist()))


def bleu_value(common: Sequence[int], candidate: int, reference: int) -> float:
    """Return what `bleu_values` does of one pair."""
    if not common[0]:
        return 0.0
    one, two, three, four = common
    penalty = 1 if candidate > reference else exp(1 - reference / candidate)
    if four:  # and so the others: nothing to smooth
        logs = [
            _WEIGHT * log(one / candidate),
            _WEIGHT * log(two / (candidate - 1)),
            _WEIGHT * log(three / (candidate - 2)),
            _WEIGHT * log(four / (candidate - 3)),
        ]
        return penalty * exp(fsum(logs))
    logs = []
    smoothed = 1
    size = candidate
    for count in common:
        total = max(1, size)
        size -= 1
        if count:
            logs.append(_WEIGHT * log(count / total))
        elif candidate > 1:
            # Method 4 of Chen and Cherry: the k-th empty order counts as 1 / (2^k * 5 / ln(size)).
            estimate = 1 / (2**smoothed * _SMOOTHING_K / log(candidate))
            smoothed += 1
            logs.append(_WEIGHT * log(estimate / total))
    return penalty * exp(fsum(logs))


def gleu_values(
    overlaps: Sequence[_Column], candidate_sizes: _Column, reference_sizes: _Column
) -> list[float]:
    """Return sentence GLEU of each pair: common 1..4-grams over those of the longer text."""
    import numpy as np

    common = sum(map(np.asarray, overlaps))
    longer = np.maximum(candidate_sizes, reference_sizes)
    total = sum(np.maximum(longer - order, 0) for order in range(ORDERS))
    scores: list[float] = (common / np.maximum(total, 1)).tolist()
    return scores


def gleu_value(common: Sequence[int], candidate: int, reference: int) -> float:
    """Return what `gleu_values` does of one pair."""
    longer = max(candidate, reference)
    total = sum(max(longer - order, 0) for order in range(ORDERS))
    return sum(common) / max(total, 1)
