"""The hosted wire shapes: every documented flag, and the undocumented ones of real responses."""

from __future__ import annotations

from typing import Any

import pytest

from graders.hosted import CODES, DETAILS, FLAG_OF_CODE, FLAGS, error_flags, run_response

DOCUMENTED_FLAGS = {
    "formula_parse_error",
    "sample_parse_error",
    "truncated_observation_error",
    "unresponsive_reward_error",
    "invalid_variable_error",
    "other_error",
    "python_grader_server_error",
    "python_grader_runtime_error",
    "model_grader_server_error",
    "model_grader_refusal_error",
    "model_grader_parse_error",
}
DOCUMENTED_DETAILS = {
    "python_grader_server_error_type",
    "python_grader_runtime_error_details",
    "model_grader_server_error_details",
}
UNDOCUMENTED_FLAGS = {
    "model_grader_exceeded_max_tokens_error",
    "endpoint_grader_internal_error",
    "endpoint_grader_server_error",
    "endpoint_grader_safety_check_error",
}
UNDOCUMENTED_DETAILS = {
    "sample_parse_error_details",
    "invalid_variable_error_details",
    "model_grader_refusal_error_details",
    "model_grader_parse_error_details",
    "endpoint_grader_internal_error_details",
    "endpoint_grader_server_error_details",
}


def response(**changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "name": "n",
        "type": "string_check",
        "reward": 1.0,
        "sub_rewards": {},
        "failures": [],
        "execution_time": 0.5,
        "usage": {},
    }
    return run_response(**{**fields, **changes})


def test_all_flags_are_there_and_no_others():
    assert set(FLAGS) == DOCUMENTED_FLAGS | UNDOCUMENTED_FLAGS
    assert set(DETAILS) == DOCUMENTED_DETAILS | UNDOCUMENTED_DETAILS
    errors = error_flags([])
    assert set(errors) == set(FLAGS) | set(DETAILS)
    assert all(errors[flag] is False for flag in FLAGS)
    assert all(errors[detail] is None for detail in DETAILS)


@pytest.mark.parametrize("code", CODES)
def test_every_code_sets_one_flag_and_at_most_its_own_details(code):
    errors = error_flags([(code, "the reason")])
    flag = FLAG_OF_CODE[code]
    assert [name for name in FLAGS if errors[name]] == [flag]
    details = [name for name in DETAILS if errors[name] is not None]
    assert all(name.startswith(flag) and errors[name] == "the reason" for name in details)
    assert len(details) <= 1


def test_codes_of_ours_become_other_error():
    for code in set(CODES) - set(FLAGS):
        assert FLAG_OF_CODE[code] == "other_error"


def test_the_first_of_two_details_is_kept_and_both_flags_are_set():
    errors = error_flags(
        [
            ("python_grader_runtime_error", "first"),
            ("python_grader_runtime_error", "second"),
            ("python_grader_server_error", "unauthorized_error"),
        ]
    )
    assert errors["python_grader_runtime_error_details"] == "first"
    assert errors["python_grader_server_error_type"] == "unauthorized_error"
    assert errors["python_grader_runtime_error"] is errors["python_grader_server_error"] is True


def test_a_response_without_models_has_null_usage():
    assert response() == {
        "reward": 1.0,
        "metadata": {
            "name": "n",
            "type": "string_check",
            "errors": error_flags([]),
            "execution_time": 0.5,
            "scores": {},
            "token_usage": None,
            "sampled_model_name": None,
        },
        "sub_rewards": {},
        "model_grader_token_usage_per_model": {},
    }


def test_a_failed_grade_and_a_failed_sub_grade_show_as_zero():
    body = response(reward=None, sub_rewards={"a": None, "b": 0.5}, failures=[("other_error", "x")])
    assert body["reward"] == 0.0
    assert body["sub_rewards"] == {"a": 0.0, "b": 0.5}
    assert body["metadata"]["errors"]["other_error"] is True


def test_usage_is_summed_over_models_and_one_model_is_named():
    counts = {
        "prompt_tokens": 190,
        "total_tokens": 324,
        "completion_tokens": 134,
        "cached_tokens": 0,
    }
    one = response(usage={"judge": counts})
    assert one["metadata"]["token_usage"] == counts
    assert one["metadata"]["sampled_model_name"] == "judge"
    assert one["model_grader_token_usage_per_model"] == {"judge": counts}
    two = response(usage={"judge": counts, "other": counts})
    assert two["metadata"]["token_usage"] == {key: 2 * count for key, count in counts.items()}
    assert two["metadata"]["sampled_model_name"] is None
