"""Comparing two sides: matched by row, then column by column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from graders.batch.tally import Moments
from graders.errors import RowsError, quoted
from graders.inspection.column import Column
from graders.inspection.diff.result import (
    DiffReport,
    Flip,
    GroupDelta,
    Moved,
    RowDelta,
    SideFigures,
)
from graders.inspection.diff.side import Side
from graders.inspection.group import split
from graders.inspection.rank import kendall, spearman
from graders.statistic import MOST_FLIPS, permutation_p, root, sign_p, student_p

__all__ = ["Matched", "compare", "match"]

READ_FIRST: Final = 10
_AT_ONCE: Final = 1 << 16
_FLIPS: Final[tuple[Flip, ...]] = ("up", "down", "lost", "gained")


@dataclass(slots=True)
class Matched:
    """Two sides with the same rows in the same order.

    Attributes:
        a: the first side.
        b: the second.
        only_a: rows that only the first side had.
        only_b: rows that only the second side had.
        unreadable: rows that neither could read.
    """

    a: Side
    b: Side
    only_a: int = 0
    only_b: int = 0
    unreadable: int = 0

    @property
    def deltas(self) -> Column:
        """Second less first; nan where one has no reward."""
        return self.b.column - self.a.column

    def flips(self) -> dict[Flip, NDArray[np.bool_]]:
        """Return which rows changed their verdict, by how."""
        one, other = self.a.column, self.b.column
        here, there = ~np.isnan(one), ~np.isnan(other)
        both = here & there
        before, after = one >= self.a.threshold, other >= self.b.threshold
        return {
            "up": both & ~before & after,
            "down": both & before & ~after,
            "lost": here & ~there,
            "gained": there & ~here,
        }

    def row(self, place: int, flip: Flip | None) -> RowDelta:
        """Return one row."""
        keys = dict.fromkeys([*self.a.subs, *self.b.subs])
        return RowDelta(
            self.a.indexes[place],
            self.a.ids[place] if self.a.ids[place] is not None else self.b.ids[place],
            _known(self.a.rewards[place]),
            _known(self.b.rewards[place]),
            flip,
            {key: (_sub(self.a, key, place), _sub(self.b, key, place)) for key in keys},
            self.a.codes.get(place, ()),
            self.b.codes.get(place, ()),
        )

    def rows(self) -> Iterator[RowDelta]:
        """Yield every row."""
        kinds = self._kinds()
        for place in range(len(kinds)):
            yield self.row(place, _flip(kinds[place]))

    def first(self, count: int = READ_FIRST) -> list[RowDelta]:
        """Return the rows to read first: changed verdicts, then the largest deltas."""
        kinds, sizes = self._kinds(), np.abs(self.deltas)
        # A reward lost or gained has no delta; what there is of it says how much it matters.
        alone = np.nan_to_num(np.abs(self.a.column)) + np.nan_to_num(np.abs(self.b.column))
        sizes = np.where(np.isnan(sizes), np.where(kinds > 0, alone, 0.0), sizes)
        order = np.lexsort((np.arange(len(kinds)), -sizes, kinds == 0))
        return [
            self.row(int(place), _flip(kinds[place]))
            for place in order[:count]
            if kinds[place] or sizes[place] > 0
        ]

    def _kinds(self) -> NDArray[np.int8]:
        kinds = np.zeros(len(self.a.rewards), dtype=np.int8)
        for number, which in enumerate(self.flips().values(), 1):
            kinds[which] = number
        return kinds


def match(a: Side, b: Side) -> Matched:
    """Match two sides by the rows' indexes.

    Raises:
        RowsError: they share no row, or a row has two ids.
    """
    one, other = np.array(a.indexes, dtype=np.int64), np.array(b.indexes, dtype=np.int64)
    found = Matched(a, b)
    if not np.array_equal(one, other):
        common, first, second = np.intersect1d(one, other, return_indices=True)
        if not len(common):
            raise RowsError(f"{a.name} and {b.name} have no row in common")
        found = Matched(
            a.taken(first.tolist()), b.taken(second.tolist()),
            len(one) - len(common), len(other) - len(common),
        )  # fmt: skip
    alike = True
    for place, index in enumerate(found.a.indexes):
        if found.a.ids.same(found.b.ids, place):
            continue
        alike = False
        left, right = found.a.ids[place], found.b.ids[place]
        if left is not None and right is not None and left != right:
            raise RowsError(
                f"row {index} is {quoted(left)} in {a.name} and {quoted(right)} in {b.name}: "
                "these are results of different rows"
            )
    if alike:  # What is the same on both sides is held once.
        found.b.indexes, found.b.ids = found.a.indexes, found.a.ids
    return found


def compare(
    matched: Matched,
    *,
    formulas: tuple[str, str] | None = None,
    look: Callable[[RowDelta], RowDelta] | None = None,
    by: str = "",
) -> DiffReport:
    """Return what two sides differ in.

    Args:
        matched: the sides.
        formulas: both formulas, where there are.
        look: adds to a row that is to be read first what it looks like.
        by: where in a row the categories stand.
    """
    a, b, deltas = matched.a, matched.b, matched.deltas
    both = ~np.isnan(deltas)
    known = deltas[both]
    figures = _moments(known)
    changed, raised = int((known != 0).sum()), int((known > 0).sum())
    flipped = matched.flips()
    flips = {kind: int(which.sum()) for kind, which in flipped.items()}
    groups = _groups(matched, flipped)
    appeared, gone = _failures(matched)
    moved = [_moved(matched, key) for key in a.subs if key in b.subs]
    return DiffReport(
        a=_figures(a),
        b=_figures(b),
        compared=int(both.sum()),
        only_a=matched.only_a,
        only_b=matched.only_b,
        unreadable=matched.unreadable,
        changed=changed,
        raised=raised,
        mean_delta=figures.mean,
        interval=figures.interval(shares=False),
        chance=_chance(known, changed, figures),
        raised_p=sign_p(raised, changed - raised),
        flip_p=sign_p(flips["up"], flips["down"]),
        largest=_largest(known),
        spearman=spearman(a.column[both], b.column[both]),
        kendall=kendall(a.column[both], b.column[both]),
        flips=flips,
        moved=tuple(sorted(moved, key=lambda one: -(one.mean_distance or 0.0))),
        added=tuple(key for key in b.subs if key not in a.subs),
        removed=tuple(key for key in a.subs if key not in b.subs),
        formulas=formulas if formulas is not None and formulas[0] != formulas[1] else None,
        appeared=appeared,
        gone=gone,
        histogram=tuple(_histogram(known)),
        read_first=tuple(one if look is None else look(one) for one in matched.first()),
        by=by,
        groups=groups or {},
        crowded=groups is None,
    )


def _groups(
    matched: Matched, flips: Mapping[Flip, NDArray[np.bool_]]
) -> dict[str, GroupDelta] | None:
    """Return what the sides differ in by category, the largest first; None of too many."""
    a, b = matched.a, matched.b
    parts = None if a.crowded or b.crowded else split(a.groups or b.groups)
    if parts is None:
        return None
    one, other, deltas = a.column, b.column, matched.deltas
    return {
        name: _group(
            one[where], other[where], deltas[where],
            {kind: int(which[where].sum()) for kind, which in flips.items()},
        )
        for name, where in parts.items()
    }  # fmt: skip


def _group(a: Column, b: Column, deltas: Column, flips: Mapping[Flip, int]) -> GroupDelta:
    one, other, delta = Moments(), Moments(), Moments()
    for moments, column in ((one, a), (other, b), (delta, deltas)):
        moments.merge(_moments(column[~np.isnan(column)]))
    return GroupDelta(
        len(a), len(a) - one.count, len(b) - other.count, one.mean, other.mean, delta.mean,
        delta.interval(shares=False), flips,
    )  # fmt: skip


def _moments(column: Column) -> Moments:
    """Return count, mean and spread of numbers, of which few are taken at once: a float of Python's is four times as large."""
    found = Moments()
    for start in range(0, len(column), _AT_ONCE):
        found.add(column[start : start + _AT_ONCE].tolist())
    return found


def _chance(deltas: Column, changed: int, figures: Moments) -> tuple[float, str] | None:
    """Return the p-value of the mean delta, and its test: exact where few deltas are not 0."""
    if changed <= MOST_FLIPS:
        found = permutation_p(deltas[deltas != 0].tolist()) if changed else None
        return None if found is None else (found, "exact permutation")
    variance = figures.variance
    if not variance or figures.mean is None:
        return None
    found = student_p(figures.mean, root(variance / figures.count), figures.count - 1)
    return None if found is None else (found, "paired t")


def _figures(side: Side) -> SideFigures:
    scored = side.column[~np.isnan(side.column)]
    rows = len(side.rewards)
    figures = _moments(scored)
    return SideFigures(
        side.name, side.threshold, rows, rows - len(scored),
        int((scored >= side.threshold).sum()), figures.mean,
        float(figures.total / rows) if rows else None,
    )  # fmt: skip


def _moved(matched: Matched, key: str) -> Moved:
    one, other = matched.a.sub_column(key), matched.b.sub_column(key)
    both = ~np.isnan(one) & ~np.isnan(other)
    deltas = (other - one)[both]
    there = bool(deltas.size)
    return Moved(
        key, len(deltas), int((deltas != 0).sum()),
        float(one[both].mean()) if there else None,
        float(other[both].mean()) if there else None,
        float(deltas.mean()) if there else None,
        float(np.abs(deltas).mean()) if there else None,
        _largest(deltas), int(np.isnan(one).sum()), int(np.isnan(other).sum()),
    )  # fmt: skip


def _failures(matched: Matched) -> tuple[dict[str, int], dict[str, int]]:
    """Return the rows by failure code that they have on one side only: the second, the first."""
    appeared: Counter[str] = Counter()
    gone: Counter[str] = Counter()
    for place in matched.a.codes.keys() | matched.b.codes.keys():
        before, after = matched.a.codes.get(place, ()), matched.b.codes.get(place, ())
        appeared.update(set(after) - set(before))
        gone.update(set(before) - set(after))
    return dict(sorted(appeared.items())), dict(sorted(gone.items()))


def _largest(deltas: Column) -> float | None:
    return float(deltas[np.argmax(np.abs(deltas))]) if deltas.size else None


def _histogram(deltas: Column, bars: int = 20) -> list[tuple[float, float, int]]:
    """Return the deltas in bars around 0, as far as the largest of them."""
    largest = _largest(deltas)
    if not largest:
        return []
    counts, ends = np.histogram(deltas, bins=bars, range=(-abs(largest), abs(largest)))
    return [(float(ends[at]), float(ends[at + 1]), int(counts[at])) for at in range(bars)]


def _known(value: float) -> float | None:
    return None if value != value else value  # noqa: PLR0124  (nan)


def _sub(side: Side, key: str, place: int) -> float | None:
    return _known(side.subs[key][place]) if key in side.subs else None


def _flip(kind: Any) -> Flip | None:
    return _FLIPS[int(kind) - 1] if kind else None
