"""Figures of a run that grow by blocks and merge in any order to the same numbers.

Sums are kept as fractions and values in dyadic bins, so neither the cut into blocks nor the order
in which they come back can change a figure, and memory stays flat whatever the number of rows.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

from graders.batch.agreement import PanelFigures, Repeats
from graders.grade import Failure, Usage
from graders.kinds import Panelled

__all__ = ["QUANTILES", "Category", "Figures", "Repeats", "Tally"]

MAX_BINS: Final = 8192
FIRST_ROWS: Final = 5
_LARGE: Final = 2.0**32
_HUGE: Final = 2**600
_JUST_OUTSIDE: Final = 0.05
_DRAWN_BINS: Final = 256
QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(slots=True)
class Figures:
    """Count, mean, spread, extremes and distribution of a column of numbers."""

    count: int = 0
    total: Fraction = Fraction(0)
    squares: Fraction = Fraction(0)
    lowest: float = math.inf
    highest: float = -math.inf
    at_lowest: int = 0
    at_highest: int = 0
    bins: Counter[int] = field(default_factory=Counter)
    shift: int = 20
    """A bin is 2**-shift wide; it widens when there are too many."""

    def add(self, values: Sequence[float]) -> None:
        """Add finite numbers."""
        if not values:
            return
        self.count += len(values)
        self.total += _exact_sum(values)
        self.squares += _sum_of_squares(values)
        low, high = min(values), max(values)
        self._meet(low, values.count(low), high, values.count(high))
        # Beyond 2**32 a float holds nothing finer than our bins; scale by fractions there.
        if low > -_LARGE and high < _LARGE:
            scale = 2.0**self.shift
            self.bins.update([math.floor(value * scale) for value in values])
        else:
            width = Fraction(2) ** -self.shift
            self.bins.update([math.floor(Fraction(value) / width) for value in values])
        self._widen()

    def merge(self, other: Figures) -> None:
        """Add what another column counted."""
        self.count += other.count
        self.total += other.total
        self.squares += other.squares
        self._meet(other.lowest, other.at_lowest, other.highest, other.at_highest)
        while self.shift > other.shift:
            self._halve()
        by, bins = other.shift - self.shift, self.bins
        for index, times in other.bins.items():
            place = index >> by
            bins[place] = bins.get(place, 0) + times
        self._widen()

    def _meet(self, low: float, at_low: int, high: float, at_high: int) -> None:
        if low <= self.lowest:
            self.at_lowest = at_low + (self.at_lowest if low == self.lowest else 0)
            self.lowest = low
        if high >= self.highest:
            self.at_highest = at_high + (self.at_highest if high == self.highest else 0)
            self.highest = high

    def _widen(self) -> None:
        while len(self.bins) > MAX_BINS:
            self._halve()

    def _halve(self) -> None:
        halved: dict[int, int] = {}
        for index, times in self.bins.items():
            place = index >> 1
            halved[place] = halved.get(place, 0) + times
        self.bins, self.shift = Counter(halved), self.shift - 1

    @property
    def mean(self) -> float | None:
        """The mean, None of nothing."""
        return float(self.total / self.count) if self.count else None

    @property
    def spread(self) -> float | None:
        """The standard deviation (of a sample), None of fewer than two numbers."""
        if self.count < 2:
            return None
        if self.lowest == self.highest:
            return 0.0
        variance = (self.squares - self.total * self.total / self.count) / (self.count - 1)
        if variance > _HUGE:  # No float may hold it, though one holds its root.
            return math.sqrt(variance / _HUGE / _HUGE) * _HUGE
        return math.sqrt(max(variance, Fraction(0)))

    def values(self, most: int = 8) -> list[tuple[float, int]] | None:
        """Return (value, count) where there are at most so many values, to five decimals."""
        if len(self.bins) > most or self.shift < 20:
            return None
        return [(round(index / 2**20, 5), self.bins[index]) for index in sorted(self.bins)]

    def quantile(self, share: float) -> float | None:
        """Return the value that this share of the numbers does not exceed, to a bin's width."""
        if not self.count:
            return None
        wanted, width = max(1, math.ceil(share * self.count)), Fraction(2) ** -self.shift
        seen = 0
        for index in sorted(self.bins):
            seen += self.bins[index]
            if seen >= wanted:
                break
        # A value stands at its bin's lower end where only one is in it, as 0.5 and 1 do.
        return self._within(index * width)

    def interval(self, confidence: float = 0.95, draws: int = 1000) -> tuple[float, float] | None:
        """Return the bootstrap interval of the mean: the same for the same numbers.

        The numbers are drawn anew, as many as there are, `draws` times; what is drawn is their
        distribution in at most some hundred bins. None of fewer than two numbers.
        """
        if self.count < 2 or self.mean is None:
            return None
        import numpy as np  # noqa: PLC0415  (a run without a summary needs none)

        coarse = Figures(bins=Counter(self.bins), shift=self.shift)
        while len(coarse.bins) > _DRAWN_BINS:
            coarse._halve()
        places = sorted(coarse.bins)
        reach = max(places[-1] - places[0], 1)
        # As shares of the reach, so that no number is too large to be drawn with.
        offsets = np.array([float(Fraction(place - places[0], reach)) for place in places])
        shares = np.array([coarse.bins[place] / self.count for place in places])
        drawn = np.random.default_rng(0).multinomial(self.count, shares, size=draws) / self.count
        shifts = (drawn - shares) @ offsets
        shifts.sort()
        low, high = (_quantile(shifts, (1 + side * confidence) / 2) for side in (-1, 1))
        mean, width = Fraction(self.mean), reach * Fraction(2) ** -coarse.shift
        return (
            self._within(mean + Fraction(low) * width),
            self._within(mean + Fraction(high) * width),
        )

    def _within(self, value: Fraction) -> float:
        """Return a value between the lowest and the highest number."""
        return float(min(max(value, Fraction(self.lowest)), Fraction(self.highest)))

    def bars(self, count: int = 20) -> list[tuple[str, int]]:
        """Return the bars of the distribution: a value each where there are few, else ranges."""
        few = self.values()
        if few is not None:
            return [(f"{value:g}", times) for value, times in few]
        return [(f"{low:.3g} – {high:.3g}", times) for low, high, times in self.histogram(count)]

    def histogram(self, bars: int = 10) -> list[tuple[float, float, int]]:
        """Return (from, to, count) bars over [0, 1], or over lowest..highest of a wider reach.

        A bar holds its lower end; the last one holds both. Values just outside [0, 1] (BLEU of
        identical short texts is a little above 1) stand in the first and the last bar. A value
        less than a bin below a bar's lower end counts as that end, as 0.3 in floats is.
        """
        if not self.count:
            return []
        low, high = self.lowest, self.highest
        if low >= -_JUST_OUTSIDE and high <= 1 + _JUST_OUTSIDE:
            low, high = 0.0, 1.0
        start, width = Fraction(low), (Fraction(high) - Fraction(low)) / bars
        size = Fraction(2) ** -self.shift
        counts = [0] * bars
        for index, times in self.bins.items():
            place = math.ceil(((index + 1) * size - start) / width) - 1 if width else 0
            counts[min(max(place, 0), bars - 1)] += times
        ends = [float(start + i * width) for i in range(bars + 1)]
        return [(ends[i], ends[i + 1], counts[i]) for i in range(bars)]

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON."""
        return {
            "count": self.count,
            "mean": self.mean,
            "spread": self.spread,
            "min": self.lowest if self.count else None,
            "max": self.highest if self.count else None,
            "at_min": self.at_lowest,
            "at_max": self.at_highest,
        }


def _quantile(ascending: Any, share: float) -> float:
    """Return what `numpy.quantile` does, which loads a module of some 45 ms for it."""
    place = share * (len(ascending) - 1)
    below = int(place)
    low, high = float(ascending[below]), float(ascending[min(below + 1, len(ascending) - 1)])
    part = place - below
    return low + (high - low) * part if part < 0.5 else high - (high - low) * (1 - part)


def _exact_sum(values: Sequence[float]) -> Fraction:
    """Return the sum, exact to the last bit: rounded, then what that left over, and so on."""
    total, rest = Fraction(0), list(values)
    try:
        while part := math.fsum(rest):
            total += Fraction(part)
            rest.append(-part)
    except OverflowError:
        return sum(map(Fraction, values), Fraction(0))
    return total


def _sum_of_squares(values: Sequence[float]) -> Fraction:
    squares = [value * value for value in values]
    if math.isinf(max(squares)):  # Only such values take the slow way, whoever stands beside them.
        large = [value for value in values if math.isinf(value * value)]
        rest = _exact_sum([square for square in squares if not math.isinf(square)])
        return sum((Fraction(value) ** 2 for value in large), rest)
    return _exact_sum(squares)


@dataclass(slots=True)
class Category:
    """The rows of one category.

    Attributes:
        rows: how many there are.
        scored: those of them with a reward.
        total: sum of the rewards.
        squares: sum of their squares.
    """

    rows: int = 0
    scored: int = 0
    total: Fraction = Fraction(0)
    squares: Fraction = Fraction(0)

    def add(self, rewards: Sequence[float | None]) -> None:
        """Add rows: a reward each, None for a failed one."""
        found = [one for one in rewards if one is not None]
        self.rows += len(rewards)
        self.scored += len(found)
        if found:
            self.total += _exact_sum(found)
            self.squares += _sum_of_squares(found)

    def merge(self, other: Category) -> None:
        """Add what another count counted."""
        self.rows += other.rows
        self.scored += other.scored
        self.total += other.total
        self.squares += other.squares

    @property
    def mean(self) -> float | None:
        """The mean reward of the scored rows, None of none."""
        return float(self.total / self.scored) if self.scored else None

    @property
    def spread(self) -> float | None:
        """The standard deviation (of a sample), None of fewer than two."""
        if self.scored < 2:
            return None
        variance = (self.squares - self.total * self.total / self.scored) / (self.scored - 1)
        return math.sqrt(max(variance, Fraction(0)))

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON."""
        return {
            "rows": self.rows, "scored": self.scored, "failed": self.rows - self.scored,
            "mean": self.mean, "spread": self.spread,
        }  # fmt: skip


@dataclass(slots=True)
class Tally:
    """What a run has counted.

    Attributes:
        rows: rows seen.
        scored: rows with a reward.
        replaced: rows whose invalid grade `invalid_grade` stands for; they count as scored.
        rewards: figures of the rewards.
        sub_rewards: figures of each sub-grader's rewards.
        codes: failed rows by failure code; a row counts once for each of its codes.
        sub_failures: failures by sub-grader.
        first: for each code, the first few failures as (row index, message).
        usage: tokens of the judges' replies by model, those from a cache included.
        repeats: how much each judge agrees with itself, where it is asked several times.
        panels: how much the judges of a panel agree with each other, by sub-grader.
        groups: rows by category, "" for those that have none; {} where nobody asks.
    """

    rows: int = 0
    scored: int = 0
    replaced: int = 0
    rewards: Figures = field(default_factory=Figures)
    sub_rewards: dict[str, Figures] = field(default_factory=dict)
    codes: Counter[str] = field(default_factory=Counter)
    sub_failures: Counter[str] = field(default_factory=Counter)
    first: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    usage: dict[str, Usage] = field(default_factory=dict)
    repeats: dict[str, Repeats] = field(default_factory=dict)
    panels: dict[str, PanelFigures] = field(default_factory=dict)
    groups: dict[str, Category] = field(default_factory=dict)

    @property
    def failed(self) -> int:
        """Rows without a reward."""
        return self.rows - self.scored

    @property
    def mean_of_all(self) -> float | None:
        """The mean with failed rows as 0.0, which is what the hosted service would report."""
        return float(self.rewards.total / self.rows) if self.rows else None

    def add(
        self,
        indexes: Sequence[int],
        rewards: Sequence[float | None],
        sub_rewards: Mapping[str, Sequence[float | None]],
        failures: Mapping[int, tuple[Failure, ...]],
        replaced: Mapping[int, tuple[Failure, ...]],
    ) -> None:
        """Add a graded chunk whose rows have these indexes."""
        self.rows += len(rewards)
        self.scored += len(rewards) - len(failures)
        self.replaced += len(replaced)
        self.rewards.add([reward for reward in rewards if reward is not None])
        for key, column in sub_rewards.items():
            figures = self.sub_rewards.setdefault(key, Figures())
            figures.add([score for score in column if score is not None])
        for row, found in sorted([*failures.items(), *replaced.items()]):
            self.codes.update({failure.code for failure in found})
            self.sub_failures.update({failure.where for failure in found})
            for failure in {failure.code: failure for failure in reversed(found)}.values():
                first = self.first.setdefault(failure.code, [])
                if len(first) < FIRST_ROWS:
                    first.append((indexes[row], failure.message))

    def add_groups(self, groups: Sequence[str | None], rewards: Sequence[float | None]) -> None:
        """Add rows by category; None and "" are rows that have none."""
        found: dict[str, list[float | None]] = {}
        for group, reward in zip(groups, rewards, strict=True):
            found.setdefault(group or "", []).append(reward)
        for group, values in found.items():
            self.groups.setdefault(group, Category()).add(values)

    def add_usage(self, usage: Mapping[str, Usage]) -> None:
        """Add tokens by model."""
        for model, one in usage.items():
            self.usage[model] = self.usage.get(model, Usage()) + one

    def add_repeats(
        self, key: str, rows: Sequence[Sequence[float | None]], passes_at: float | None
    ) -> None:
        """Add what a judge said, time after time, for each row it was asked for."""
        figures = self.repeats.setdefault(key, Repeats())
        for scores in rows:
            figures.add(scores, passes_at)

    def add_panel(self, key: str, rows: Sequence[Panelled | None], passes_at: float | None) -> None:
        """Add what a panel gave for each row; None for one that it was not asked for."""
        figures = self.panels.setdefault(key, PanelFigures())
        for one in rows:
            if one is not None:
                figures.add(one.scores, one.disagreement, passes_at)

    def merge(self, other: Tally) -> None:
        """Add what another tally counted."""
        for key, panel in other.panels.items():
            self.panels.setdefault(key, PanelFigures()).merge(panel)
        self.add_usage(other.usage)
        for key, repeats in other.repeats.items():
            self.repeats.setdefault(key, Repeats()).merge(repeats)
        for key, group in other.groups.items():
            self.groups.setdefault(key, Category()).merge(group)
        self.rows += other.rows
        self.scored += other.scored
        self.replaced += other.replaced
        self.rewards.merge(other.rewards)
        for key, figures in other.sub_rewards.items():
            self.sub_rewards.setdefault(key, Figures()).merge(figures)
        self.codes += other.codes
        self.sub_failures += other.sub_failures
        for code, found in other.first.items():
            self.first[code] = sorted([*self.first.get(code, []), *found])[:FIRST_ROWS]

    def to_dict(self) -> dict[str, Any]:
        """Return the tally as JSON: nothing in it depends on time."""
        return {
            "rows": self.rows,
            "scored": self.scored,
            "failed": self.failed,
            "replaced": self.replaced,
            "mean_of_scored": self.rewards.mean,
            "mean_of_all": self.mean_of_all,
            "reward": {
                **self.rewards.to_dict(),
                "quantiles": {f"{share:g}": self.rewards.quantile(share) for share in QUANTILES},
                "mean_95": self.rewards.interval(),
            },
            "histogram": [
                {"from": low, "to": high, "count": count}
                for low, high, count in self.rewards.histogram()
            ],
            "sub_rewards": {key: one.to_dict() for key, one in self.sub_rewards.items()},
            "failures": {
                code: {
                    "rows": count,
                    "first": [
                        {"index": index, "message": message} for index, message in self.first[code]
                    ],
                }
                for code, count in sorted(self.codes.items())
            },
            "usage": {model: one.to_dict() for model, one in sorted(self.usage.items())},
            "repeats": {key: one.to_dict() for key, one in self.repeats.items()},
            **(
                {"panel": {key: one.to_dict() for key, one in self.panels.items()}}
                if self.panels
                else {}
            ),
            **(
                {"by": {key: self.groups[key].to_dict() for key in sorted(self.groups)}}
                if self.groups
                else {}
            ),
        }
