"""The hosted service's wire shapes: error flags and the `graders.run` response. No logic.

The flags are the 14 that the API reference documents and the 10 more that real responses carry.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, get_args

__all__ = ["CODES", "DETAILS", "FLAGS", "FLAG_OF_CODE", "Code", "error_flags", "run_response"]

Code = Literal[
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
    # Not in the API reference, but in real responses:
    "model_grader_exceeded_max_tokens_error",
    "endpoint_grader_internal_error",
    "endpoint_grader_server_error",
    # Ours: the hosted service has no flag for these; FLAG_OF_CODE says what they become.
    "row_parse_error",
    "formula_runtime_error",
    "metric_time_error",
]
"""Why a row was not scored. All but the last three are the hosted service's own flags."""

CODES: Final[tuple[str, ...]] = get_args(Code)

# A line that is not a row, and a formula that parsed but has no finite value for this row:
# the service documents no flag of its own for either. Nor for texts too long to compare in time.
_OURS: Final = dict.fromkeys(
    ("row_parse_error", "formula_runtime_error", "metric_time_error"), "other_error"
)

FLAGS: Final = (
    *(code for code in CODES if code not in _OURS),
    "endpoint_grader_safety_check_error",  # Not in the API reference, but in real responses.
)

DETAILS: Final = (
    "python_grader_server_error_type",
    "python_grader_runtime_error_details",
    "model_grader_server_error_details",
    # Not in the API reference, but in real responses:
    "sample_parse_error_details",
    "invalid_variable_error_details",
    "model_grader_refusal_error_details",
    "model_grader_parse_error_details",
    "endpoint_grader_internal_error_details",
    "endpoint_grader_server_error_details",
)

FLAG_OF_CODE: Final[Mapping[str, str]] = {code: _OURS.get(code, code) for code in CODES}

_DETAIL_OF_FLAG: Final[Mapping[str, str]] = {
    "python_grader_server_error": "python_grader_server_error_type",
    **{name.removesuffix("_details"): name for name in DETAILS if name.endswith("_details")},
}


def error_flags(failures: Iterable[tuple[str, str]]) -> dict[str, bool | str | None]:
    """Return the `metadata.errors` object for (code, details) pairs.

    Every flag is present: False, or None for the details, unless a failure sets it.
    Where two failures share a flag, the details of the first are kept.
    """
    errors: dict[str, bool | str | None] = dict.fromkeys(FLAGS, False)
    errors.update(dict.fromkeys(DETAILS, None))
    for code, details in failures:
        flag = FLAG_OF_CODE[code]
        errors[flag] = True
        detail = _DETAIL_OF_FLAG.get(flag)
        if detail is not None and errors[detail] is None:
            errors[detail] = details
    return errors


def run_response(
    *,
    name: str,
    type: str,  # noqa: A002  (the wire's own word)
    reward: float | None,
    sub_rewards: Mapping[str, float | None],
    failures: Iterable[tuple[str, str]],
    execution_time: float,
    usage: Mapping[str, Mapping[str, int]],
) -> dict[str, Any]:
    """Return the body the hosted `graders.run` endpoint answers with.

    A grade or sub-grade that failed shows as 0.0 with its flags set, as the service does.

    Args:
        name: the grader's name.
        type: the grader's type.
        reward: the reward, None for a failed grade.
        sub_rewards: rewards of a multi's sub-graders, empty for the other types.
        failures: (code, details) pairs.
        execution_time: seconds.
        usage: token counts per model name, empty without model graders.
    """
    models = list(usage)
    return {
        "reward": 0.0 if reward is None else reward,
        "metadata": {
            "name": name,
            "type": type,
            "errors": error_flags(failures),
            "execution_time": execution_time,
            "scores": {},
            "token_usage": _sum(usage) if usage else None,
            "sampled_model_name": models[0] if len(models) == 1 else None,
        },
        "sub_rewards": {key: 0.0 if value is None else value for key, value in sub_rewards.items()},
        "model_grader_token_usage_per_model": {model: dict(usage[model]) for model in models},
    }


def _sum(usage: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for counts in usage.values():
        for kind, count in counts.items():
            total[kind] = total.get(kind, 0) + count
    return total
