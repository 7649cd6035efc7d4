"""Intervals and tests of few or many rows, as scipy and statsmodels give them: plain numbers in, plain numbers out.

None of them loads a library: a summary is not to wait for one. Tests compare each with scipy's.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

__all__ = [
    "MOST_FLIPS",
    "Interval",
    "Z",
    "clopper_pearson",
    "permutation_p",
    "root",
    "sign_p",
    "student",
    "student_p",
    "wilson",
]  # fmt: skip

Z: Final = 1.959963984540054
"""The standard normal's 97.5% quantile."""
_MANY: Final = 1000
"""Degrees of freedom from which a series in their inverse gives Student's quantile to 1e-13."""
MOST_FLIPS: Final = 16
"""Differences whose signs are flipped in every way there is: 65,536 of them."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95% interval.

    Attributes:
        low: the lower end.
        high: the upper end.
        method: how it comes about, in the words of textbooks.
    """

    low: float
    high: float
    method: str

    def to_dict(self, name: str) -> dict[str, Any]:
        """Return the interval as JSON, under this name."""
        return {f"{name}_95": [self.low, self.high], f"{name}_95_method": self.method}

    @staticmethod
    def json(name: str, found: Interval | None) -> dict[str, Any]:
        """Return an interval as JSON, null where there is none."""
        if found is None:
            return {f"{name}_95": None, f"{name}_95_method": None}
        return found.to_dict(name)


def wilson(hits: int, rows: int) -> Interval | None:
    """Return the 95% Wilson score interval of a share, within [0, 1]; None of no rows.

    Source: Wilson 1927, Probable inference, the law of succession, and statistical inference; equals
    scipy's `binomtest(hits, rows).proportion_ci(method="wilson")`.
    """
    if not rows:
        return None
    share, square = hits / rows, Z * Z
    middle = (share + square / (2 * rows)) / (1 + square / rows)
    half = Z / (1 + square / rows)
    half *= math.sqrt(share * (1 - share) / rows + square / (4 * rows * rows))
    # Exact at the ends, where rounding would leave a last bit.
    low = 0.0 if hits == 0 else max(0.0, middle - half)
    high = 1.0 if hits == rows else min(1.0, middle + half)
    return Interval(low, high, "Wilson")


def clopper_pearson(hits: int, rows: int) -> Interval | None:
    """Return the exact 95% interval of a share, within [0, 1]; None of no rows.

    Source: Clopper and Pearson 1934, The use of confidence or fiducial limits; equals scipy's
    `binomtest(hits, rows).proportion_ci(method="exact")`.
    """
    if not rows:
        return None
    low = 0.0 if hits == 0 else _beta_quantile(0.025, hits, rows - hits + 1)
    high = 1.0 if hits == rows else _beta_quantile(0.975, hits + 1, rows - hits)
    return Interval(low, high, "Clopper-Pearson")


def student(mean: Fraction, variance: Fraction, count: int) -> Interval:
    """Return Student's 95% interval of the mean of `count` numbers, two at least.

    Args:
        mean: their mean.
        variance: their variance, with `count - 1` below.
        count: how many they are.

    Source: Student 1908, The probable error of a mean; equals scipy's `t.interval`.
    """
    half = Fraction(student_quantile(count - 1)) * Fraction(root(variance / count))
    return Interval(_float(mean - half), _float(mean + half), "Student's t")


def student_quantile(freedom: int) -> float:
    """Return the 97.5% quantile of Student's t of so many degrees of freedom, one at least."""
    if freedom > _MANY:  # Cornish and Fisher's series: Abramowitz and Stegun 26.7.5.
        z = Z
        terms = (
            (z**3 + z) / 4,
            (5 * z**5 + 16 * z**3 + 3 * z) / 96,
            (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
            (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
        )
        return z + math.fsum(one / freedom**power for power, one in enumerate(terms, 1))
    below = _beta_quantile(0.05, freedom / 2, 0.5)
    return math.sqrt(freedom * (1 - below) / below)


def student_p(mean: float, error: float, freedom: int) -> float | None:
    """Return the two-sided p-value of a mean against 0; None where the numbers do not vary.

    Args:
        mean: the mean.
        error: its standard error.
        freedom: degrees of freedom.
    """
    if not error or freedom < 1:
        return None
    t = mean / error
    return _beta(freedom / (freedom + t * t), freedom / 2, 0.5) if math.isfinite(t * t) else 0.0


def sign_p(ups: int, downs: int) -> float | None:
    """Return the exact two-sided p-value of as many ups and downs: the sign test; None of none.

    Of verdicts that flip it is McNemar's exact test. Equals scipy's `binomtest(ups, ups + downs)`.
    """
    rows, fewer = ups + downs, min(ups, downs)
    if not rows:
        return None
    if ups == downs:
        return 1.0
    return min(1.0, 2 * _beta(0.5, rows - fewer, fewer + 1))


def permutation_p(deltas: Sequence[float]) -> float | None:
    """Return the exact two-sided p-value of the mean of paired differences; None of too many.

    Every difference's sign is flipped in every way: the share of ways whose mean is at least as far
    from 0. Differences of 0 change nothing. More than 16 others are too many. Equals scipy's
    `permutation_test` of samples.

    Source: Fisher 1935, The design of experiments.
    """
    sizes = [Fraction(one) for one in deltas if one]
    if len(sizes) > MOST_FLIPS:
        return None
    scale = max(
        (one.denominator for one in sizes), default=1
    )  # A power of two: all are whole then.
    whole = [int(one * scale) for one in sizes]
    # A tie may be a last bit of a float away, as 0.8 - 0.5 is from 0.3.
    nearly = abs(sum(whole)) - (sum(map(abs, whole)) >> 40)
    sums = [0]
    for one in whole:
        sums = [way for each in sums for way in (each + one, each - one)]
    return sum(abs(one) >= nearly for one in sums) / len(sums)


def root(value: Fraction) -> float:
    """Return the square root of a fraction, also of one that no float holds; at the most the largest float."""
    if value <= 0:
        return 0.0
    power = (value.numerator.bit_length() - value.denominator.bit_length()) // 2
    try:
        return math.ldexp(math.sqrt(value / Fraction(4) ** power), power)
    except OverflowError:
        return sys.float_info.max


def _float(value: Fraction) -> float:
    try:
        return float(value)
    except OverflowError:
        return sys.float_info.max if value > 0 else -sys.float_info.max


def _beta(x: float, a: float, b: float) -> float:
    """Return the regularized incomplete beta function.

    Source: the continued fraction of Abramowitz and Stegun 26.5.8, from the side where it is short.
    """
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta_fraction(1 - x, b, a)
    return _beta_fraction(x, a, b)


def _beta_fraction(x: float, a: float, b: float) -> float:
    log = a * math.log(x) + b * math.log1p(-x) - _log_beta(a, b) - math.log(a)
    top, under = 1.0, 1 / (1 - (a + b) * x / (a + 1))
    value = under
    for m in range(1, 10_000_000):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            under = 1 / (1 + term * under)
            top = 1 + term / top
            value *= top * under
        if abs(top * under - 1) < 3e-16:
            break
    return math.exp(log) * value


def _beta_quantile(share: float, a: float, b: float) -> float:
    """Return where the beta distribution's share lies, by Newton's steps within a bracket."""
    low, high = 0.0, 1.0
    at = a / (a + b)
    for _ in range(200):
        over = _beta(at, a, b) - share
        low, high = (low, at) if over > 0 else (at, high)
        slope = math.exp((a - 1) * math.log(at) + (b - 1) * math.log1p(-at) - _log_beta(a, b))
        new = at - over / slope if slope else low
        if not low < new < high:
            new = (low + high) / 2
        if abs(new - at) <= 1e-16 * at:
            break
        at = new
    return at


def _log_beta(a: float, b: float) -> float:
    """Return the logarithm of the beta function; large numbers lose no digits by differences."""
    less, more = min(a, b), max(a, b)
    if more < 10:
        return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    rest = (more - 0.5) * math.log1p(-less / (a + b)) + _stirling(more) - _stirling(a + b)
    if less < 10:
        return math.lgamma(less) + less - less * math.log(a + b) + rest
    half = 0.5 * math.log(2 * math.pi / (a + b))
    return half + (less - 0.5) * math.log(less / (a + b)) + rest + _stirling(less)


def _stirling(x: float) -> float:
    """Return what Stirling's formula leaves of the logarithm of the gamma function, from 10 on."""
    terms = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360)
    return math.fsum(one / x ** (2 * power + 1) for power, one in enumerate(terms))
