"""Rank correlation: known values, ties, and the same as counting pairs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from graders.inspection.rank import kendall, ranks, spearman


def column(*values: float) -> np.ndarray:
    return np.array(values, dtype=float)


def test_equal_values_share_their_mean_rank() -> None:
    assert ranks(column(10, 30, 20, 20)).tolist() == [1.0, 4.0, 2.5, 2.5]


def test_known_values() -> None:
    # scipy.stats.spearmanr and kendalltau of the same columns.
    one, other = column(1, 2, 3, 4, 5), column(5, 6, 7, 8, 7)
    assert spearman(one, other) == pytest.approx(0.8207826816681233, abs=1e-15)
    assert kendall(one, other) == pytest.approx(0.7378647873726218, abs=1e-15)
    one, other = column(12, 2, 1, 12, 2), column(1, 4, 7, 1, 0)
    assert kendall(one, other) == pytest.approx(-0.47140452079103173, abs=1e-15)


def test_the_same_order_is_one_and_the_opposite_minus_one() -> None:
    up, down = column(1, 2, 3), column(9, 5, 1)
    assert (spearman(up, up), kendall(up, up)) == (1.0, 1.0)
    assert (spearman(up, down), kendall(up, down)) == (-1.0, -1.0)


@pytest.mark.parametrize("values", [[], [1.0], [2.0, 2.0, 2.0]])
def test_there_is_none_of_too_few_values(values: list[float]) -> None:
    one = column(*values)
    other = column(*range(len(values)))
    assert spearman(one, other) is None
    assert kendall(one, other) is None


pairs = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=2, max_size=150)


@given(pairs)
def test_rho_and_tau_are_scipys(rows: list[tuple[int, int]]) -> None:
    one, other = (column(*values) for values in zip(*rows, strict=True))
    if one.min() == one.max() or other.min() == other.max():
        assert spearman(one, other) is kendall(one, other) is None
        return
    assert spearman(one, other) == pytest.approx(stats.spearmanr(one, other).statistic, abs=1e-12)
    assert kendall(one, other) == pytest.approx(stats.kendalltau(one, other).statistic, abs=1e-12)


@given(pairs)
def test_tau_is_what_counting_pairs_gives(rows: list[tuple[int, int]]) -> None:
    one, other = (column(*values) for values in zip(*rows, strict=True))
    signs = [
        (np.sign(one[i] - one[j]), np.sign(other[i] - other[j]))
        for i in range(len(rows))
        for j in range(i)
    ]
    apart = [sum(pair[side] != 0 for pair in signs) for side in (0, 1)]
    found = kendall(one, other)
    if not all(apart):
        assert found is None
    else:
        expected = sum(a * b for a, b in signs) / math.sqrt(apart[0] * apart[1])
        assert found == pytest.approx(expected, abs=1e-12)
