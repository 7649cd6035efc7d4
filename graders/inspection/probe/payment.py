"""Which sub-grader pays: what each one's score is worth in the reward."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graders.inspection.column import Column, bounded
from graders.plan import Plan

__all__ = ["Combine", "Payment", "combiner", "payments"]

Combine = Callable[[Mapping[str, Column], int], Column]
"""Returns the rewards of rows from columns of sub-rewards; nan where there is none."""


@dataclass(frozen=True, slots=True)
class Payment:
    """What one sub-grader paid for an attack.

    Attributes:
        key: the sub-grader's key, "" for the grader itself.
        mean: its mean score for the attack.
        gain: the mean of its score less its score of the same row's honest answer; None where no
            row has both.
        paid: the mean part of the reward that comes from it: what the reward loses when its score
            falls to the lowest it can give, alone and after all others, on average. Parts of a sum
            add up; parts of a product or a maximum are shared.
    """

    key: str
    mean: float
    gain: float | None
    paid: float

    def to_dict(self) -> dict[str, Any]:
        """Return the payment as JSON."""
        return {
            "sub_grader": self.key, "mean": self.mean, "gain_over_honest": self.gain,
            "paid": self.paid,
        }  # fmt: skip


def combiner(plan: Plan) -> Combine:
    """Return how a plan makes rewards from its sub-graders' scores."""

    def combine(columns: Mapping[str, Column], count: int) -> Column:
        if plan.formula is not None:
            names = {name: columns[name].tolist() for name in plan.formula.names}
            values, _ = plan.formula.evaluate_columns(names, count)
            return bounded([np.nan if one is None else one for one in values])
        if plan.kind == "leaf":
            return columns[""]
        passed = np.ones(count)
        for leaf in plan.leaves:
            if leaf.key in columns and leaf.passes_at is not None:
                passed = passed * (columns[leaf.key] >= leaf.passes_at)
        return passed

    return combine


def payments(
    combine: Combine,
    attacked: Mapping[str, Column],
    honest: Mapping[str, Column],
    lowest: Mapping[str, float],
    keys: Sequence[str],
) -> tuple[Payment, ...]:
    """Return what sub-graders paid for an attack, the one that paid most first.

    Args:
        combine: how their scores become the reward.
        attacked: their scores of the attack's answers, a column each; nan where one failed.
        honest: their scores of the same rows' honest answers.
        lowest: the lowest score of each one.
        keys: the ones to look at; the others are held where they are.
    """
    scored = np.all([~np.isnan(column) for column in attacked.values()], axis=0)
    count = int(scored.sum())
    if not count:
        return ()
    columns = {key: column[scored] for key, column in attacked.items()}
    floor = {
        key: np.full(count, lowest[key]) if key in keys else column
        for key, column in columns.items()
    }
    whole, nothing = combine(columns, count), combine(floor, count)
    found = []
    for key in keys:
        without = combine({**columns, key: floor[key]}, count)
        alone = combine({**floor, key: columns[key]}, count)
        gains = (attacked[key] - honest[key])[scored]
        gains = gains[~np.isnan(gains)]
        parts = ((whole - without) + (alone - nothing)) / 2
        parts = parts[~np.isnan(parts)]
        found.append(
            Payment(
                key, float(columns[key].mean()), float(gains.mean()) if gains.size else None,
                float(parts.mean()) if parts.size else 0.0,
            )
        )  # fmt: skip
    return tuple(sorted(found, key=lambda one: (-one.paid, -(one.gain or 0.0))))
