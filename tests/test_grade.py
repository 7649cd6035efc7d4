"""Grades: a reward or failures, never both, never neither."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest

from graders.grade import Failure, Grade, Usage

FAILURE = Failure("invalid_variable_error", "item.x: nothing there", "exact")


def test_a_scored_grade_has_a_reward_and_no_failures():
    grade = Grade(reward=0.5, sub_rewards={"a": 1.0, "b": 0.0}, name="n", type="multi")
    assert grade.to_dict() == {"reward": 0.5, "sub_rewards": {"a": 1.0, "b": 0.0}, "failures": []}


def test_a_failed_grade_has_failures_and_no_reward():
    grade = Grade(reward=None, sub_rewards={"exact": None}, failures=(FAILURE,))
    assert grade.to_dict() == {
        "reward": None,
        "sub_rewards": {"exact": None},
        "failures": [
            {
                "code": "invalid_variable_error",
                "message": "item.x: nothing there",
                "where": "exact",
            }
        ],
    }


def test_a_grade_with_both_or_neither_cannot_be_made():
    for reward, failures in ((1.0, (FAILURE,)), (None, ())):
        with pytest.raises(ValueError, match="either a reward or failures"):
            Grade(reward=reward, failures=failures)


@pytest.mark.parametrize("reward", [math.nan, math.inf, -math.inf])
def test_a_reward_is_finite(reward):
    with pytest.raises(ValueError, match="finite"):
        Grade(reward=reward)


@pytest.mark.parametrize("reward", [0.0, -3.5, 100.0, 1e300])
def test_a_reward_is_not_clipped(reward):
    assert Grade(reward=reward).reward == reward


def test_a_grade_is_frozen_and_equal_whatever_time_it_took():
    grade = Grade(reward=1.0, execution_time=1.0)
    assert grade == Grade(reward=1.0, execution_time=2.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        grade.reward = 0.0  # type: ignore[misc]


def test_a_result_line_has_nothing_that_depends_on_time():
    assert "time" not in json.dumps(Grade(reward=1.0, execution_time=9.0).to_dict())


def test_replaced_failures_and_usage_stand_in_the_line_where_there_are_any():
    grade = Grade(reward=0.0, replaced=(FAILURE,), usage={"judge": Usage(1, 2, 3, 0)})
    line = grade.to_dict()
    assert line["replaced"] == [FAILURE.to_dict()]
    assert line["usage"] == {
        "judge": {
            "prompt_tokens": 1,
            "total_tokens": 3,
            "completion_tokens": 2,
            "cached_tokens": 0,
        }
    }


def test_a_failure_reads_as_a_sentence():
    assert str(FAILURE) == "invalid_variable_error in exact: item.x: nothing there"
    assert str(Failure("other_error", "broken")) == "other_error: broken"
    assert Failure("other_error", "broken", details="more").to_dict()["details"] == "more"


def test_usage_adds_up():
    assert Usage(1, 2, 3, 4) + Usage(10, 20, 30, 40) == Usage(11, 22, 33, 44)


def test_the_hosted_response_shows_zero_with_flags_for_a_failed_grade():
    response = Grade(
        reward=None,
        sub_rewards={"exact": None, "b": 1.0},
        failures=(FAILURE,),
        name="n",
        type="multi",
    ).hosted
    assert response["reward"] == 0.0
    assert response["sub_rewards"] == {"exact": 0.0, "b": 1.0}
    assert response["metadata"]["errors"]["invalid_variable_error"] is True
    assert response["metadata"]["errors"]["invalid_variable_error_details"] == FAILURE.message


def test_the_hosted_response_keeps_the_flags_of_replaced_failures():
    response = Grade(reward=0.25, replaced=(FAILURE,)).hosted
    assert response["reward"] == 0.25
    assert response["metadata"]["errors"]["invalid_variable_error"] is True


def test_the_hosted_details_prefer_a_failures_own_details():
    failed = Failure("python_grader_runtime_error", "it raised", details="Traceback: …")
    errors = Grade(reward=None, failures=(failed,)).hosted["metadata"]["errors"]
    assert errors["python_grader_runtime_error_details"] == "Traceback: …"
