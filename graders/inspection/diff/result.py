"""What two graders, or two files of results, differ in: plain data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from graders.batch.tally import by_category
from graders.inspection.column import LARGEST
from graders.statistic import Interval

__all__ = ["DiffReport", "Flip", "GroupDelta", "Moved", "RowDelta", "SideFigures"]

Flip = Literal["up", "down", "lost", "gained"]
"""A verdict that changed: `up` now passes, `down` no longer; `lost` its reward, `gained` one."""


@dataclass(frozen=True, slots=True)
class SideFigures:
    """One side's figures.

    Attributes:
        name: the grader's name, or the file's.
        threshold: the reward from which a row passes.
        rows: rows compared.
        failed: those without a reward.
        passed: those at or above the threshold.
        mean_of_scored: the mean of the rewards; None of none.
        mean_of_all: the same with failed rows as 0.
    """

    name: str
    threshold: float
    rows: int
    failed: int
    passed: int
    mean_of_scored: float | None
    mean_of_all: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Moved:
    """How far one sub-grader moved, over the rows that both sides score with it.

    Attributes:
        key: its key.
        rows: such rows.
        changed: those where its reward differs.
        mean_a: its mean on the first side.
        mean_b: its mean on the second.
        mean_delta: the mean difference, second less first.
        mean_distance: the mean size of the difference.
        largest: the largest difference by size, with its sign.
        failed_a: rows it failed on, on the first side.
        failed_b: the same on the second.
    """

    key: str
    rows: int
    changed: int
    mean_a: float | None
    mean_b: float | None
    mean_delta: float | None
    mean_distance: float | None
    largest: float | None
    failed_a: int
    failed_b: int

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON."""
        return {
            "sub_grader": self.key, "rows": self.rows, "changed": self.changed,
            "mean_a": self.mean_a, "mean_b": self.mean_b, "mean_delta": self.mean_delta,
            "mean_distance": self.mean_distance, "largest": self.largest,
            "failed_a": self.failed_a, "failed_b": self.failed_b,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class GroupDelta:
    """One category's rows on both sides.

    Attributes:
        rows: how many there are.
        failed_a: those without a reward on the first side.
        failed_b: the same on the second.
        mean_a: the mean reward on the first side, of those that have one there.
        mean_b: the same on the second.
        mean_delta: the mean of second less first, over the rows that both score.
        interval: its 95% interval.
        flips: rows by how their verdict changed.
    """

    rows: int
    failed_a: int
    failed_b: int
    mean_a: float | None
    mean_b: float | None
    mean_delta: float | None
    interval: Interval | None
    flips: Mapping[Flip, int]

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON."""
        return {
            "rows": self.rows, "failed_a": self.failed_a, "failed_b": self.failed_b,
            "mean_a": self.mean_a, "mean_b": self.mean_b, "mean_delta": self.mean_delta,
            **Interval.json("mean_delta", self.interval), **{str(kind): count for kind, count in self.flips.items()},
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class RowDelta:
    """One row on both sides.

    Attributes:
        index: the row's index.
        identity: its id, None where it has none.
        a: its reward on the first side, None where it failed.
        b: the same on the second.
        flip: how its verdict changed, None where it did not.
        subs: its sub-rewards, first and second side, by key.
        codes_a: its failure codes on the first side.
        codes_b: the same on the second.
        answer: the beginning of its answer, "" where the rows are not at hand.
        rendered_a: the beginnings of the first grader's rendered text fields by sub-grader key.
        rendered_b: the same of the second.
    """

    index: int
    identity: Any
    a: float | None
    b: float | None
    flip: Flip | None
    subs: Mapping[str, tuple[float | None, float | None]]
    codes_a: tuple[str, ...] = ()
    codes_b: tuple[str, ...] = ()
    answer: str = ""
    rendered_a: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    rendered_b: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def delta(self) -> float | None:
        """The second reward less the first."""
        if self.a is None or self.b is None:
            return None
        delta = self.b - self.a
        return delta if math.isfinite(delta) else math.copysign(LARGEST, delta)

    def to_line(self) -> dict[str, Any]:
        """Return the row as it stands in a file of deltas."""
        body: dict[str, Any] = {"index": self.index}
        if self.identity is not None:
            body["id"] = self.identity
        return {
            **body,
            "a": self.a,
            "b": self.b,
            "delta": self.delta,
            "flip": self.flip,
            "sub_rewards": {key: {"a": one, "b": other} for key, (one, other) in self.subs.items()},
            "failures": {"a": list(self.codes_a), "b": list(self.codes_b)},
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the row as JSON, with what it looks like."""
        return {
            **self.to_line(),
            "id": self.identity,
            "answer": self.answer,
            "rendered": {
                "a": {key: dict(texts) for key, texts in self.rendered_a.items()},
                "b": {key: dict(texts) for key, texts in self.rendered_b.items()},
            },
        }


@dataclass(frozen=True, slots=True)
class DiffReport:
    """What two sides differ in.

    Attributes:
        a: the first side's figures over the rows of both.
        b: the second side's.
        compared: rows that both sides score; the deltas are of these.
        only_a: rows that only the first side has.
        only_b: rows that only the second side has.
        unreadable: rows that could not be read, and so were not graded.
        changed: compared rows whose reward differs.
        raised: those of them that the second side gives more.
        mean_delta: the mean of second less first.
        interval: its 95% interval.
        chance: how likely such a mean is where both sides give alike on average, and how that is
            tested; None where the deltas do not vary.
        raised_p: the sign test's p-value of rewards raised and lowered.
        flip_p: McNemar's exact p-value of verdicts that now pass and no longer pass.
        largest: the largest delta by size, with its sign.
        spearman: Spearman's rho of the two rewards; None where one side has a single value.
        kendall: Kendall's tau-b of them.
        flips: rows by how their verdict changed.
        moved: how far each sub-grader of both sides moved, the farthest first.
        added: sub-graders that only the second side has.
        removed: sub-graders that only the first side has.
        formulas: both formulas, where there are and they differ.
        appeared: rows by failure code that they have on the second side only.
        gone: rows by failure code that they have on the first side only.
        histogram: (from, to, count) of the deltas.
        read_first: the rows to read first: changed verdicts, then the largest deltas.
        by: where in a row categories stand; "" where nobody knows.
        groups: what the sides differ in by category; {} where nobody asks for them.
        crowded: whether there are more categories than anybody could read figures of.
    """

    a: SideFigures
    b: SideFigures
    compared: int
    only_a: int
    only_b: int
    unreadable: int
    changed: int
    raised: int
    mean_delta: float | None
    interval: Interval | None
    chance: tuple[float, str] | None
    raised_p: float | None
    flip_p: float | None
    largest: float | None
    spearman: float | None
    kendall: float | None
    flips: Mapping[Flip, int]
    moved: tuple[Moved, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    formulas: tuple[str, str] | None
    appeared: Mapping[str, int]
    gone: Mapping[str, int]
    histogram: tuple[tuple[float, float, int], ...]
    read_first: tuple[RowDelta, ...]
    by: str = ""
    groups: Mapping[str, GroupDelta] = field(default_factory=dict)
    crowded: bool = False

    @property
    def flipped(self) -> int:
        """Rows whose verdict changed, or that lost or gained their reward."""
        return sum(self.flips.values())

    @property
    def drop(self) -> float | None:
        """How far the mean fell: over the rows both score or over all, whichever fell farther."""
        found = []
        if self.mean_delta is not None:
            found.append(-self.mean_delta)
        if self.a.mean_of_all is not None and self.b.mean_of_all is not None:
            found.append(self.a.mean_of_all - self.b.mean_of_all)
        return max(found, default=None)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON."""
        return {
            "a": self.a.to_dict(),
            "b": self.b.to_dict(),
            "compared": self.compared,
            "only_in_a": self.only_a,
            "only_in_b": self.only_b,
            "unreadable": self.unreadable,
            "changed": self.changed,
            "raised": self.raised,
            "lowered": self.changed - self.raised,
            "mean_delta": self.mean_delta,
            **Interval.json("mean_delta", self.interval),
            "mean_delta_p": None if self.chance is None else self.chance[0],
            "mean_delta_p_method": None if self.chance is None else self.chance[1],
            "sign_test_p": self.raised_p,
            "mcnemar_exact_p": self.flip_p,
            "largest_delta": self.largest,
            "drop": self.drop,
            "spearman": self.spearman,
            "kendall_tau_b": self.kendall,
            "flips": dict(self.flips),
            "sub_graders": [one.to_dict() for one in self.moved],
            "added": list(self.added),
            "removed": list(self.removed),
            "formulas": None if self.formulas is None else list(self.formulas),
            "failures": {"appeared": dict(self.appeared), "gone": dict(self.gone)},
            "histogram": [
                {"from": low, "to": high, "count": count} for low, high, count in self.histogram
            ],
            **by_category(self.groups, crowded=self.crowded),
            "read_first": [one.to_dict() for one in self.read_first],
        }
