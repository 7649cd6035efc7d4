"""`assert_reward` in Python tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import graders


def test_it_gives_the_explanation_where_all_is_as_expected(grader_file: Path) -> None:
    with graders.load(grader_file) as grader:
        explained = graders.assert_reward(grader, 1, item={"a": "x"}, sample="x")
        assert explained.grade.reward == 1.0
        graders.assert_reward(explained, pytest.approx(1.0), sub_rewards={"near": "> 0"})
        graders.assert_reward(grader, 0.9, within=0.1, item={"a": "x"}, sample="x")
        graders.assert_reward(grader, failure="invalid_variable_error", item={}, sample="x")
        graders.assert_reward(grader, None, item={}, sample="x")
        graders.assert_reward(grader, sub_rewards={"exact": None}, expected=None, sample="x")
    graders.assert_reward(grader_file, {"below": 1}, item={"a": "x"}, sample="y")


@pytest.mark.parametrize(
    ("expectation", "said"),
    [
        ({"expected": 1}, "reward: expected 1.0, got 0.25"),
        ({"expected": ">= 0.5"}, "reward: expected >= 0.5, got 0.25"),
        ({"sub_rewards": {"near": 1}}, "near: expected 1.0, got 0.5"),
        ({"sub_rewards": {"nera": 1}}, "there is no sub-reward 'nera'; there is: exact, near"),
        ({"failure": "other_error"}, "failure: expected other_error, got the reward 0.25"),
    ],
)
def test_its_failure_shows_how_the_reward_came_about(
    grader_file: Path, expectation: dict[str, Any], said: str
) -> None:
    with pytest.raises(AssertionError) as caught:
        graders.assert_reward(grader_file, **expectation, item={"a": "xy"}, sample="xz")
    text = str(caught.value)
    assert text.startswith(said)
    assert "(exact + near) / 2\n= (0.0 + 0.5) / 2\n= 0.25" in text
    assert "near.reference   xy" in text


def test_a_row_that_fails_unforeseen_is_no_pass(grader_file: Path) -> None:
    with pytest.raises(AssertionError, match="the row fails: invalid_variable_error"):
        graders.assert_reward(grader_file, sub_rewards={"near": None}, item={}, sample="x")
    with pytest.raises(AssertionError, match="but the row fails: invalid_variable_error"):
        graders.assert_reward(grader_file, 0.0, item={}, sample="x")


def test_an_expectation_of_no_form_is_an_error_of_the_test(grader_file: Path) -> None:
    with pytest.raises(ValueError, match="expects a reward"):
        graders.assert_reward(grader_file, item={}, sample="x")
    with pytest.raises(ValueError, match="is needed"):
        graders.assert_reward(grader_file, "high", item={}, sample="x")
