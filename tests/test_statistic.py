"""Intervals and tests are those of scipy and statsmodels on the same numbers."""

from __future__ import annotations

import math
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

from graders.statistic import (
    Interval,
    clopper_pearson,
    permutation_p,
    root,
    sign_p,
    student,
    student_p,
    student_quantile,
    wilson,
)

SHARES = [
    (hits, rows)
    for rows in (1, 2, 3, 10, 17, 50, 999, 12_345)
    for hits in sorted({0, 1, rows // 3, rows // 2, rows - 1, rows})
]


def ends(found: Interval | None) -> tuple[float, float]:
    assert found is not None
    return found.low, found.high


@pytest.mark.parametrize(("hits", "rows"), SHARES)
def test_intervals_of_a_share_are_those_of_scipy_and_statsmodels(hits: int, rows: int) -> None:
    for found, scipys, theirs in (
        (clopper_pearson(hits, rows), "exact", "beta"),
        (wilson(hits, rows), "wilson", "wilson"),
    ):
        wanted = stats.binomtest(hits, rows).proportion_ci(method=scipys)
        # scipy's own search of the exact one ends a little early.
        assert ends(found) == pytest.approx((wanted.low, wanted.high), rel=1e-7, abs=1e-15)
        assert ends(found) == pytest.approx(
            proportion_confint(hits, rows, method=theirs), rel=1e-9, abs=1e-15
        )


def test_a_share_of_very_many_rows_has_an_exact_interval() -> None:
    for hits, rows in ((0, 10**8), (1, 10**8), (10**6 // 3, 10**6)):
        low, high = ends(clopper_pearson(hits, rows))
        wanted = stats.beta.ppf(
            [0.025, 0.975], [hits or 1, hits + 1], [rows - hits + 1, rows - hits]
        )
        assert low == pytest.approx(wanted[0] if hits else 0.0, rel=1e-9)
        assert high == pytest.approx(wanted[1], rel=1e-9)


def test_a_share_of_no_rows_has_no_interval() -> None:
    assert clopper_pearson(0, 0) is None
    assert wilson(0, 0) is None


@pytest.mark.parametrize("freedom", [1, 2, 3, 9, 19, 20, 21, 100, 999, 1000, 1001, 10**4, 10**9])
def test_students_quantile_is_scipys(freedom: int) -> None:
    assert student_quantile(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-12)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40))
def test_students_interval_is_scipys(values: list[float]) -> None:
    exact = [Fraction(one) for one in values]
    mean = sum(exact, Fraction(0)) / len(exact)
    variance = sum(((one - mean) ** 2 for one in exact), Fraction(0)) / (len(exact) - 1)
    found = student(mean, variance, len(exact))
    error = root(variance / len(exact))
    if error:
        wanted = stats.t.interval(0.95, len(exact) - 1, float(mean), error)
        reach = max(abs(wanted[0]), abs(wanted[1]))
        assert (found.low, found.high) == pytest.approx(wanted, rel=1e-9, abs=1e-12 * reach)
    else:
        assert found.low == found.high == float(mean)


@pytest.mark.parametrize(
    ("mean", "error", "freedom"),
    [(1, 1, 1), (0.5, 0.3, 4), (2, 0.1, 30), (0.01, 0.3, 5000), (3, 0.5, 10**6), (0, 1, 5)],
)
def test_students_p_is_scipys(mean: float, error: float, freedom: int) -> None:
    wanted = 2 * stats.t.sf(abs(mean / error), freedom)
    assert student_p(mean, error, freedom) == pytest.approx(wanted, rel=1e-9)


def test_students_p_of_what_does_not_vary_is_none() -> None:
    assert student_p(1.0, 0.0, 4) is None
    assert student_p(1.0, 1.0, 0) is None
    assert student_p(1e300, 1e-300, 4) == 0.0


@pytest.mark.parametrize(
    ("ups", "downs"), [(1, 0), (0, 5), (3, 10), (10, 10), (9, 10), (100, 160), (1200, 1000)]
)
def test_the_sign_test_is_scipys_and_mcnemars_statsmodels(ups: int, downs: int) -> None:
    assert sign_p(ups, downs) == pytest.approx(stats.binomtest(ups, ups + downs).pvalue, rel=1e-9)
    table = [[4, ups], [downs, 5]]
    assert sign_p(ups, downs) == pytest.approx(mcnemar(table, exact=True).pvalue, rel=1e-9)


def test_the_sign_test_of_nothing_is_none() -> None:
    assert sign_p(0, 0) is None


@pytest.mark.parametrize("count", [2, 3, 6, 10])
def test_the_permutation_test_is_scipys(count: int) -> None:
    source = np.random.default_rng(count)
    for _ in range(5):
        one, other = np.round(source.random((2, count)), 1)
        wanted = stats.permutation_test(
            (one, other), lambda a, b, axis: np.mean(a - b, axis=axis),
            permutation_type="samples", n_resamples=10**5,
        ).pvalue  # fmt: skip
        assert permutation_p((one - other).tolist()) == pytest.approx(wanted)


def test_a_permutation_test_leaves_out_zeros_and_is_not_made_of_many() -> None:
    assert permutation_p([0.5, 0.0, 0.25, 0.0]) == permutation_p([0.5, 0.25]) == 0.5
    assert permutation_p([0.0]) == permutation_p([]) == 1.0
    assert permutation_p([1e308, 1e308, 5e-324]) == 0.5
    assert permutation_p([1.0] * 17) is None


def test_a_tie_that_floats_hide_is_a_tie() -> None:
    # 0.8 - 0.5 is a last bit more than 0.3 in floats.
    assert permutation_p([0.8 - 0.5, 0.1, -0.4]) == permutation_p([3.0, 1.0, -4.0]) == 1.0


def test_roots_of_what_no_float_holds() -> None:
    assert root(Fraction(2)) == math.sqrt(2)
    assert root(Fraction(10) ** 600) == pytest.approx(1e300)
    assert root(Fraction(1, 10**600)) == pytest.approx(1e-300)
    assert root(Fraction(10) ** 700) == sys.float_info.max
    assert root(Fraction(0)) == root(Fraction(-1)) == 0.0
