"""How much of the rewards' variance each sub-grader brings, from the results alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["Moments", "Shares"]


@dataclass(frozen=True, slots=True)
class Shares:
    """Shares of the variance of the rewards.

    A straight line through the sub-rewards is laid as near to the rewards as it can be; a part's
    share is its weight times its covariance with the reward. Of a weighted sum the shares add up
    to 1. A share below 0 is a part that works against the others.

    Attributes:
        parts: share by sub-grader.
        rest: what no straight line explains: products, minima, thresholds.
        rows: rows that were counted: those where every part has a reward.
    """

    parts: dict[str, float]
    rest: float
    rows: int

    def to_dict(self) -> dict[str, Any]:
        """Return the shares as JSON."""
        return asdict(self)


@dataclass(slots=True)
class Moments:
    """Means and products of the columns of rewards, which grow by blocks.

    Attributes:
        keys: the sub-graders, in order; the reward's column comes last.
    """

    keys: Sequence[str]
    _rows: int = 0
    _means: Any = None
    _products: Any = field(default=None, repr=False)

    def add(self, rows: ArrayLike) -> None:
        """Add rows of sub-rewards, each with its reward at the end; those that lack one do not count."""
        import numpy as np  # noqa: PLC0415  (a terminal without a report needs none)

        with np.errstate(all="ignore"):
            whole = np.asarray(rows, dtype=float).reshape(-1, len(self.keys) + 1)
            block = whole[~np.isnan(whole).any(axis=1)]
            if not len(block):
                return
            means = block.mean(axis=0)
            apart = block - means
            products = apart.T @ apart
            if self._rows:
                # Chan et al.: sums of products about a mean merge without losing digits.
                shift, count = means - self._means, self._rows + len(block)
                weight = self._rows * len(block) / count
                products = self._products + products + np.outer(shift, shift) * weight
                means = self._means + shift * (len(block) / count)
            self._means, self._products = means, products
            self._rows += len(block)

    def shares(self) -> Shares | None:
        """Return the shares; None where the rewards do not vary, or there are no parts."""
        if self._rows < 2 or not self.keys:
            return None
        import numpy as np  # noqa: PLC0415

        with np.errstate(all="ignore"):
            scales = np.sqrt(np.diag(self._products))
            # What is left of a constant by rounding is no variance.
            known = scales > 1e-12 * np.maximum(np.abs(self._means), 1e-300) * self._rows**0.5
            if not known[-1] or not np.isfinite(self._products).all():
                return None
            likeness = self._products / np.outer(scales, scales)
            varying = np.flatnonzero(known[:-1])
            parts = dict.fromkeys(self.keys, 0.0)
            if len(varying):
                to_reward = likeness[varying, -1]
                among = likeness[np.ix_(varying, varying)]
                # Equal parts leave the weights open; the shortest answer shares alike.
                weights = np.linalg.lstsq(among, to_reward, rcond=1e-9)[0]
                for place, share in zip(varying, weights * to_reward, strict=True):
                    parts[self.keys[int(place)]] = round(float(share), 9)
        rest = 1 - math.fsum(parts.values())
        return Shares(parts, round(rest, 9) if abs(rest) > 1e-6 else 0.0, self._rows)
