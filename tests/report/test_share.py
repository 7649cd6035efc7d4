"""Shares of variance: of a weighted sum they are what its weights say."""

from __future__ import annotations

import random

import pytest

from graders.report.share import Moments, Shares


def shares(keys: list[str], rows: list[list[float]], blocks: int = 1) -> Shares | None:
    moments = Moments(keys)
    size = max(-(-len(rows) // blocks), 1)
    for start in range(0, len(rows), size):
        moments.add(rows[start : start + size])
    return moments.shares()


def drawn(count: int = 400) -> list[list[float]]:
    chance = random.Random(3)
    return [[chance.random(), chance.random()] for _ in range(count)]


@pytest.mark.parametrize("blocks", [1, 2, 7, 400])
def test_a_weighted_sums_shares_add_up_to_one(blocks: int) -> None:
    found = shares(["a", "b"], [[a, b, 0.8 * a + 0.2 * b] for a, b in drawn()], blocks)
    assert found is not None
    assert sum(found.parts.values()) == pytest.approx(1)
    assert found.parts["a"] == pytest.approx(0.941, abs=0.02)  # 0.64 / (0.64 + 0.04), nearly
    assert found.rest == 0.0
    assert found.rows == 400


def test_equal_parts_share_alike() -> None:
    found = shares(["a", "b"], [[a, a, a] for a, _ in drawn()])
    assert found is not None
    assert found.parts == {"a": pytest.approx(0.5), "b": pytest.approx(0.5)}


def test_a_part_that_never_varies_has_no_share() -> None:
    found = shares(["a", "b"], [[a, 0.1, a + 0.1] for a, _ in drawn()])
    assert found is not None
    assert found.parts == {"a": pytest.approx(1), "b": 0.0}


def test_a_part_against_the_others_has_a_share_below_zero() -> None:
    found = shares(["a", "b"], [[a, a / 2 + b / 100, a / 2 - b / 100] for a, b in drawn()])
    assert found is not None
    assert found.parts["b"] < 0


def test_what_no_weighted_sum_explains_is_named() -> None:
    found = shares(["a", "b"], [[a, b, float(a > b)] for a, b in drawn()])
    assert found is not None
    assert 0.2 < found.rest < 0.5
    assert found.to_dict()["rest"] == found.rest


@pytest.mark.parametrize(
    "rows", [[], [[1.0, 1.0]], [[0.3, 0.3]] * 9, [[1e300, 1e300], [-1e300, -1e300], [0.0, 0.0]]]
)
def test_without_variance_or_with_too_much_of_it_nothing_is_said(rows: list[list[float]]) -> None:
    assert shares(["a"], rows) is None


def test_without_parts_nothing_is_said() -> None:
    assert shares([], [[1.0], [2.0]]) is None
