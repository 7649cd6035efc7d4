"""Rows by category: which of them stand together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from graders.rows import MOST_CATEGORIES

__all__ = ["split"]


def split(groups: Sequence[str | None]) -> dict[str, NDArray[np.intp]] | None:
    """Return the places of each category's rows, the largest first; "" has those without one.

    None where there are more categories than anybody could read figures of.
    """
    codes: dict[str, int] = {}
    column = np.fromiter(
        (codes.setdefault(name or "", len(codes)) for name in groups), np.intp, len(groups)
    )
    if len(codes) - ("" in codes) > MOST_CATEGORIES:
        return None
    order = np.argsort(column, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(column, minlength=len(codes)))[:-1])
    found = dict(zip(codes, parts, strict=True)) if codes else {}
    return dict(sorted(found.items(), key=lambda each: (-len(each[1]), each[0])))
