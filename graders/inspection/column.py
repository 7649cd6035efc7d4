"""Columns of numbers, nan where there is none."""

from __future__ import annotations

from array import array
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["LARGEST", "Column", "bounded"]

Column = NDArray[np.float64]

LARGEST: Final = 1e300
"""Larger rewards count as this in figures: the sum or difference of two is still a number."""


def bounded(values: array[float] | list[float]) -> Column:
    """Return numbers as a column."""
    found: Column = np.clip(np.asarray(values, dtype=np.float64), -LARGEST, LARGEST)
    return found
