"""How well a grader agrees with people, and with itself: plain data, made from columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graders.batch.tally import by_category
from graders.errors import RowsError, quoted
from graders.inspection.agreement.calibration import Calibration, calibrate
from graders.inspection.agreement.confusion import Confusion, confusion
from graders.inspection.agreement.label import Labels
from graders.inspection.agreement.repeat import Variance, variance_of
from graders.inspection.agreement.threshold import BestCut, area, best_cuts
from graders.inspection.column import Column
from graders.inspection.diff import Side
from graders.inspection.group import split
from graders.inspection.rank import kendall, spearman
from graders.statistic import Interval

__all__ = ["Agreement", "AgreementReport", "GroupAgreement", "agree"]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How one score agrees with people's labels.

    Attributes:
        key: the sub-grader's key, "" for the reward.
        threshold: the score from which a row passes.
        failed: labelled rows without a score.
        table: the verdicts at that threshold.
        area: the area under the ROC curve.
        spearman: Spearman's rho of the score and the label.
        kendall: Kendall's tau-b of them.
        cuts: the best thresholds.
        calibration: the calibration curve.
    """

    key: str
    threshold: float
    failed: int
    table: Confusion
    area: float | None
    spearman: float | None
    kendall: float | None
    cuts: tuple[BestCut, ...]
    calibration: Calibration

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON."""
        return {
            "sub_grader": self.key, "threshold": self.threshold, "rows": self.table.rows,
            "failed": self.failed, **self.table.to_dict(), "roc_area": self.area,
            "spearman": self.spearman, "kendall_tau_b": self.kendall,
            "best_thresholds": [one.to_dict() for one in self.cuts],
            "calibration": self.calibration.to_dict(),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class GroupAgreement:
    """How the reward agrees with people's labels in one category.

    Attributes:
        rows: labelled rows.
        failed: those of them without a reward.
        table: the verdicts of the others.
    """

    rows: int
    failed: int
    table: Confusion

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON."""
        rates = {"agreement": self.table.agreement, "tpr": self.table.tpr, "tnr": self.table.tnr}
        told: dict[str, Any] = {
            "rows": self.rows, "failed": self.failed, "passing": self.table.tpr.rows,
            "kappa": self.table.kappa, **Interval.json("kappa", self.table.kappa_interval),
        }  # fmt: skip
        for name, rate in rates.items():
            told |= {name: rate.value, **Interval.json(name, rate.interval)}
        return told


@dataclass(frozen=True, slots=True)
class AgreementReport:
    """How well a grader agrees with people, and with itself.

    Attributes:
        name: the grader's name, or the file's.
        rows: rows of the results.
        labelled: those of them with a label.
        labels: rows by label, the commonest few.
        passing: labelled rows that people pass.
        scores: how each score agrees: the reward first, then each sub-grader; none without labels.
        variances: the variance shares of each judge that was asked several times.
        by: where in a row categories stand; "" where nobody knows.
        groups: the reward's agreement by category; {} where nobody asks for it.
        crowded: whether there are more categories than anybody could read figures of.
    """

    name: str
    rows: int
    labelled: int = 0
    labels: Mapping[str, int] = field(default_factory=dict)
    passing: int = 0
    scores: tuple[Agreement, ...] = ()
    variances: Mapping[str, Variance] = field(default_factory=dict)
    by: str = ""
    groups: Mapping[str, GroupAgreement] = field(default_factory=dict)
    crowded: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON."""
        return {
            "name": self.name, "rows": self.rows, "labelled": self.labelled,
            "labels": dict(self.labels), "passing": self.passing,
            "scores": [one.to_dict() for one in self.scores],
            **by_category(self.groups, crowded=self.crowded),
            "repeats": {key: one.to_dict() for key, one in self.variances.items()},
        }  # fmt: skip


def agree(
    side: Side, labels: Labels | None, marks: Mapping[str, float] | None = None, by: str = ""
) -> AgreementReport:
    """Return how well results agree with labels, and each judge with itself.

    Args:
        side: the results.
        labels: the labels; None where there are none.
        marks: the score from which each sub-grader passes; 0.5 where not told.
        by: where in a row the categories stand.

    Raises:
        RowsError: no labelled row is among the results, or a row has another id there.
    """
    variances = {
        key: found
        for key, rows in side.repeats.items()
        if (found := variance_of(rows.values())) is not None
    }
    if labels is None:
        return AgreementReport(side.name, len(side.rewards), variances=variances)
    _, places, which = np.intersect1d(
        np.array(side.indexes, dtype=np.int64), np.array(labels.indexes, dtype=np.int64),
        return_indices=True,
    )  # fmt: skip
    if not len(places):
        raise RowsError(f"no labelled row is among the rows of {side.name}")
    for place, at in zip(places, which, strict=True):
        one, other = side.ids[place], labels.ids[at]
        if one is not None and other is not None and one != other:
            raise RowsError(
                f"row {side.indexes[place]} is {quoted(one)} in {side.name} and {quoted(other)} "
                "among the labels: these are different rows"
            )
    passing, numbers = labels.passing[which], labels.numbers[which]
    marks = {"": side.threshold, **dict.fromkeys(side.subs, 0.5), **(marks or {})}
    groups = (
        None if side.crowded else split([side.groups[at] for at in places] if side.groups else [])
    )
    columns = {"": side.column, **{key: side.sub_column(key) for key in side.subs}}
    return AgreementReport(
        side.name, len(side.rewards), len(places), labels.counts, int(passing.sum()),
        tuple(
            _agreement(key, column[places], passing, numbers, marks[key])
            for key, column in columns.items()
        ),
        variances, by,
        {
            name: _group(columns[""][places[where]], passing[where], side.threshold)
            for name, where in (groups or {}).items()
        },
        groups is None,
    )  # fmt: skip


def _group(scores: Column, passing: Column, threshold: float) -> GroupAgreement:
    known = ~np.isnan(scores)
    table = confusion(scores[known], passing[known], threshold)
    return GroupAgreement(len(scores), len(scores) - table.rows, table)


def _agreement(
    key: str, scores: Column, passing: Column, numbers: Column, threshold: float
) -> Agreement:
    known = ~np.isnan(scores)
    scores, passing, numbers = scores[known], passing[known], numbers[known]
    return Agreement(
        key, threshold, int((~known).sum()), confusion(scores, passing, threshold),
        area(scores, passing), spearman(scores, numbers), kendall(scores, numbers),
        best_cuts(scores, passing), calibrate(scores, passing),
    )  # fmt: skip
