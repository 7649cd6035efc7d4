"""Figures of a column of numbers that grow by blocks and merge in any order to the same numbers.

Sums are kept as fractions, and values themselves while few of them differ: then every figure is
exact. Of more different values each is kept to a cell, which is told with the figure.
"""

from __future__ import annotations

import math
import sys
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import accumulate
from operator import mul
from typing import Any, Final, Self

from graders.statistic import Interval, clopper_pearson, root, student

__all__ = ["QUANTILES", "Figures", "Moments", "sums"]

MOST_VALUES: Final = 16_384
"""Different values that are kept as they are."""
MOST_CELLS: Final = 8192
QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
_JUST_OUTSIDE: Final = 0.05
_FINEST: Final = 1100
_PLAIN: Final = (1e-290, 1e290)
_BINARY: Final = frozenset({0.0, 1.0})

_BITS: Final = 53
_WHOLE: Final = 2.0**_BITS
_PLAIN_SHIFT: Final = 500
_MANY: Final = 256
_MOST_AT_ONCE: Final = 1 << 16

Cell = list[Any]
"""How many values are in a cell, the lowest and the highest of them."""


@dataclass(slots=True)
class Moments:
    """Count, mean and spread of numbers.

    Attributes:
        count: how many they are.
        total: their sum.
        squares: the sum of their squares.
        is_binary: whether each is 0 or 1.
    """

    count: int = 0
    total: Fraction = Fraction(0)
    squares: Fraction = Fraction(0)
    is_binary: bool = True

    def add(self, values: Sequence[float]) -> None:
        """Add finite numbers."""
        if values:
            self._count(Counter(values))

    def _count(self, counted: Counter[float]) -> None:
        """Add values, each so many times."""
        total, squares = sums(counted)
        self.count += counted.total()
        self.total += total
        self.squares += squares
        self.is_binary = self.is_binary and _BINARY.issuperset(counted)

    def merge(self, other: Self) -> None:
        """Add what another counted."""
        self.count += other.count
        self.total += other.total
        self.squares += other.squares
        self.is_binary = self.is_binary and other.is_binary

    @property
    def mean(self) -> float | None:
        """The mean, None of nothing."""
        return float(self.total / self.count) if self.count else None

    @property
    def variance(self) -> Fraction | None:
        """The variance of a sample, exact; None of fewer than two numbers."""
        if self.count < 2:
            return None
        return (self.squares - self.total * self.total / self.count) / (self.count - 1)

    @property
    def spread(self) -> float | None:
        """The standard deviation (of a sample), None of fewer than two numbers."""
        variance = self.variance
        return None if variance is None else root(variance)

    def interval(self, *, shares: bool = True) -> Interval | None:
        """Return the 95% interval of the mean; None of nothing.

        It is Clopper and Pearson's exact one of a share where every number is 0 or 1, else Student's:
        None of a single number and where all are equal, which say nothing of how far others would be.

        Args:
            shares: whether numbers that are all 0 or 1 are hits and misses, as rewards are; differences are not.
        """
        if shares and self.is_binary:
            return clopper_pearson(int(self.total), self.count)
        variance = self.variance
        return student(self.total / self.count, variance, self.count) if variance else None


@dataclass(slots=True)
class Figures(Moments):
    """Count, mean, spread, extremes and distribution of a column of numbers.

    Attributes:
        lowest: the lowest.
        highest: the highest.
        at_lowest: how many equal the lowest.
        at_highest: how many equal the highest.
        known: how often each value stands there; {} where there are too many different ones.
        cells: the values by cell, where there are too many.
        shift: a cell is 2**-shift wide; they widen when there are too many.
    """

    lowest: float = math.inf
    highest: float = -math.inf
    at_lowest: int = 0
    at_highest: int = 0
    known: Counter[float] = field(default_factory=Counter)
    cells: dict[int, Cell] = field(default_factory=dict)
    shift: int = _FINEST

    def add(self, values: Sequence[float]) -> None:
        """Add finite numbers."""
        self.add_counted(Counter(map(float, values)))

    def add_counted(self, counted: Counter[float]) -> None:
        """Add finite floats, each so many times; -0.0 becomes 0.0 there."""
        if not counted:
            return
        self._count(counted)
        if zeros := counted.pop(0.0, 0):  # -0.0 is the same value; which is seen first is chance.
            counted[0.0] = zeros
        low, high = min(counted), max(counted)
        self._meet(low, counted[low], high, counted[high])
        self._take(counted)

    def merge(self, other: Self) -> None:
        """Add what another column counted."""
        Moments.merge(self, other)
        self._meet(other.lowest, other.at_lowest, other.highest, other.at_highest)
        self._take(other.known)
        self._take_cells(other.cells, other.shift)

    def _meet(self, low: float, at_low: int, high: float, at_high: int) -> None:
        if low <= self.lowest:
            self.at_lowest = at_low + (self.at_lowest if low == self.lowest else 0)
            self.lowest = low
        if high >= self.highest:
            self.at_highest = at_high + (self.at_highest if high == self.highest else 0)
            self.highest = high

    def _take(self, counted: Counter[float]) -> None:
        """Add values, each so many times."""
        if not self.cells:
            if known := self.known:
                for value, times in counted.items():
                    known[value] = known.get(value, 0) + times
            else:
                self.known = known = Counter(counted)
            if len(known) <= MOST_VALUES:
                return
            counted, self.known = known, Counter()
            self.shift = _finest(counted)
        self._put_values(counted)
        self._widen()

    def _take_cells(self, cells: dict[int, Cell], shift: int) -> None:
        """Add values by cell."""
        if not cells:
            return
        if not self.cells:
            known, self.known, self.shift = self.known, Counter(), shift
            self._put_values(known)
        while self.shift > shift:
            self._halve()
        by = shift - self.shift
        self._put((index >> by, cell) for index, cell in cells.items())
        self._widen()

    def _put_values(self, counted: Counter[float]) -> None:
        cells, shift = self.cells, self.shift
        # A float times a power of two is exact unless it is too large or too small for a float.
        scale = 2.0**shift if 0 <= shift < _PLAIN_SHIFT else 0.0
        is_plain = scale and max(-self.lowest, self.highest) < 2.0**_PLAIN_SHIFT
        for value, times in counted.items():
            index = math.floor(value * scale) if is_plain else _place(value, shift)
            cell = cells.get(index)
            if cell is None:
                cells[index] = [times, value, value]
                continue
            cell[0] += times
            if value < cell[1]:
                cell[1] = value
            elif value > cell[2]:
                cell[2] = value

    def _put(self, found: Iterable[tuple[int, Cell]]) -> None:
        cells = self.cells
        for index, (times, low, high) in found:
            cell = cells.get(index)
            if cell is None:
                cells[index] = [times, low, high]
                continue
            cell[0] += times
            cell[1] = min(cell[1], low)
            cell[2] = max(cell[2], high)

    def _widen(self) -> None:
        while len(self.cells) > MOST_CELLS:
            self._halve()

    def _halve(self) -> None:
        cells, self.cells = self.cells, {}
        self._put((index >> 1, cell) for index, cell in cells.items())
        self.shift -= 1

    def _ladder(self) -> list[Cell]:
        """Return how many numbers stand where, the lowest first."""
        if self.cells:
            return [self.cells[index] for index in sorted(self.cells)]
        return [[self.known[value], value, value] for value in sorted(self.known)]

    @property
    def error(self) -> float:
        """How far a quantile may be from that of the numbers themselves: 0.0 where these are known."""
        return max((high - low for _, low, high in self.cells.values()), default=0.0)

    def quantiles(self, shares: Sequence[float] = QUANTILES) -> list[float] | None:
        """Return the quantiles at these shares, as `numpy.quantile` gives them; None of nothing.

        Between two numbers a straight line is drawn, so the median of an even number of them is
        halfway. Where the numbers are known only by cells, each is right to within `error`.

        Source: definition 7 of Hyndman and Fan 1996, Sample quantiles in statistical packages.
        """
        if not self.count:
            return None
        ladder = self._ladder()
        ends = list(accumulate(times for times, _, _ in ladder))

        def ranked(rank: int) -> float:
            step = bisect_right(ends, rank)
            times: int
            low: float
            high: float
            times, low, high = ladder[step]
            if low == high:
                return low
            return _between(low, high, (rank - ends[step] + times) / (times - 1))

        found = []
        for share in shares:
            place = share * (self.count - 1)
            below = min(int(place), self.count - 1)
            above = min(below + 1, self.count - 1)
            found.append(_between(ranked(below), ranked(above), place - below))
        return found

    def quantile(self, share: float) -> float | None:
        """Return one of the `quantiles`."""
        found = self.quantiles([share])
        return None if found is None else found[0]

    def values(self, most: int = 8) -> list[tuple[float, int]] | None:
        """Return (value, count) where there are at most so many values, to twelve digits."""
        if self.cells or len(self.known) > 8 * most:
            return None
        found: Counter[float] = Counter()
        for value in sorted(self.known):  # 0.1 + 0.2 and 0.3 are the same to whoever looks.
            found[float(f"{value:.12g}")] += self.known[value]
        return list(found.items()) if len(found) <= most else None

    def bars(self, count: int = 20) -> list[tuple[str, int]]:
        """Return the bars of the distribution: a value each where there are few, else ranges."""
        few = self.values()
        if few is None:
            return [
                (f"{low:.3g} – {high:.3g}", times) for low, high, times in self.histogram(count)
            ]
        names = [f"{value:.5g}" for value, _ in few]
        if len({*names}) < len(names):
            names = [f"{value:.12g}" for value, _ in few]
        return list(zip(names, (times for _, times in few), strict=True))

    def histogram(self, bars: int = 10) -> list[tuple[float, float, int]]:
        """Return (from, to, count) bars over [0, 1], or over lowest..highest of a wider reach.

        A bar holds its lower end; the last one holds both. Values just outside [0, 1] (BLEU of
        identical short texts is a little above 1) stand in the first and the last bar. A value
        a millionth of a bar below a bar's lower end counts as that end, as 0.3 in floats is.
        """
        if not self.count:
            return []
        low, high = self.lowest, self.highest
        if low >= -_JUST_OUTSIDE and high <= 1 + _JUST_OUTSIDE:
            low, high = 0.0, 1.0
        counts = [0] * bars
        start, reach = Fraction(low), Fraction(high) - Fraction(low)
        is_plain = _PLAIN[0] < reach < _PLAIN[1]
        for times, value, _ in self._ladder():
            if is_plain:
                place = math.floor((value - low) / (high - low) * bars + 1e-6)
            elif reach:
                place = math.floor((Fraction(value) - start) / reach * bars + Fraction(1, 10**6))
            else:
                place = 0
            counts[min(max(place, 0), bars - 1)] += times
        ends = [float(start + reach * i / bars) for i in range(bars + 1)]
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


def _place(value: float, shift: int) -> int:
    """Return which cell of 2**-shift a value is in."""
    above, below = value.as_integer_ratio()
    return (above << shift) // below if shift >= 0 else above // (below << -shift)


def _finest(values: Iterable[float]) -> int:
    """Return the finest cells that are not too many for these values."""
    values = list(values)
    top = max(map(abs, values))
    # Cells that divide the whole reach into few enough are never too many, with one more at each end:
    # finer ones are tried from there.
    reach = max(values) - min(values)
    low = -_FINEST
    if 0 < reach < math.inf and MOST_CELLS > 2:
        low = min(max(math.floor(math.log2(MOST_CELLS / 4) - math.log2(reach)), low), _FINEST)
    high, step = min(low + 1, _FINEST), 1
    while high < _FINEST and _cells(values, high, top) <= MOST_CELLS:
        low, step = high, 2 * step
        high = min(high + step, _FINEST)
    while low < high:
        shift = (low + high + 1) // 2
        if _cells(values, shift, top) <= MOST_CELLS:
            low = shift
        else:
            high = shift - 1
    return low


def _cells(values: list[float], shift: int, top: float) -> int:
    """Return in how many cells of 2**-shift values are, none of which is further from 0 than `top`."""
    if 0 <= shift < _PLAIN_SHIFT and top < 2.0**_PLAIN_SHIFT:
        scale = 2.0**shift
        return len({math.floor(value * scale) for value in values})
    return len({_place(value, shift) for value in values})


def _between(low: float, high: float, part: float) -> float:
    """Return the number at a part of the way, in the very operations of numpy."""
    apart = high - low
    if math.isinf(apart):
        return float(Fraction(low) + (Fraction(high) - Fraction(low)) * Fraction(part))
    return low + apart * part if part < 0.5 else high - apart * (1 - part)


def sums(counted: Mapping[float, int]) -> tuple[Fraction, Fraction]:
    """Return the sum of values, each so many times, and of their squares, exact to the last bit."""
    # To load numpy for it would take longer than a summary does; where it is there, it is faster.
    if len(counted) >= _MANY and "numpy" in sys.modules and sum(counted.values()) <= _MOST_AT_ONCE:
        from graders.batch.exact import exact_sums  # noqa: PLC0415

        return exact_sums(counted, counted.values())
    # A float is a whole number of 53 bits times a power of two: those of one power are added up together.
    wholes: defaultdict[int, list[int]] = defaultdict(list)
    for part, power in map(math.frexp, [value for value, times in counted.items() if times == 1]):
        wholes[power].append(int(part * _WHOLE))
    sums = {power: (sum(ones), sum(map(mul, ones, ones))) for power, ones in wholes.items()}
    for value, times in counted.items():
        if times > 1:
            part, power = math.frexp(value)
            whole = int(part * _WHOLE)
            one, two = sums.get(power, (0, 0))
            sums[power] = one + times * whole, two + times * whole * whole
    least = min(sums)
    total = sum(one << (power - least) for power, (one, _) in sums.items())
    squares = sum(two << 2 * (power - least) for power, (_, two) in sums.items())
    scale = Fraction(2) ** (least - _BITS)
    return total * scale, squares * scale * scale
