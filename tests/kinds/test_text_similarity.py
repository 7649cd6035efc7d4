"""text_similarity: what is asked of the metrics."""

from __future__ import annotations

import graders
from graders.kinds import Rows, TextSimilarity
from graders.kinds.text_similarity import TextSimilarityKind
from graders.metrics import Request


def test_the_input_is_the_candidate_and_the_reference_the_truth() -> None:
    config = TextSimilarity.model_validate(
        {
            "type": "text_similarity", "name": "t", "input": "", "reference": "",
            "evaluation_metric": "rouge_2",
        }
    )  # fmt: skip
    rows = Rows({"input": ["candidate"], "reference": ["truth"]}, [{}], [{}])
    request = TextSimilarityKind().ask(config, rows, 1)
    assert isinstance(request, Request)
    assert request.metric == "rouge_2"
    assert list(request.candidates) == ["candidate"]
    assert list(request.references) == ["truth"]


def test_a_row_too_long_to_compare_in_time_has_failed_and_no_other() -> None:
    config = {
        "type": "multi", "name": "m", "calculate_output": "0.5 * near + 0.5 * same",
        "graders": {
            "near": {"type": "text_similarity", "name": "near", "evaluation_metric": "fuzzy_match",
                     "input": "{{sample.output_text}}", "reference": "{{item.answer}}"},
            "same": {"type": "string_check", "name": "same", "operation": "eq",
                     "input": "{{sample.output_text}}", "reference": "{{item.answer}}"},
        },
    }  # fmt: skip
    rows = [
        {"item": {"answer": "a"}, "sample": "a"},
        {"item": {"answer": "語" * 100_000}, "sample": "言" * 100_000},
        {"item": {"answer": "語" * 100_000}, "sample": "語" * 100_000},
    ]
    with graders.load(config, pair_seconds=2.0) as grader:
        short, long, equal = grader.grade_many(rows)
    assert (short.reward, equal.reward) == (1.0, 1.0)
    assert (long.reward, long.sub_rewards) == (None, {"near": None, "same": 0.0})
    assert [str(one) for one in long.failures] == [
        "metric_time_error in near: fuzzy_match of 100,000 with 100,000 characters may take longer than 2 seconds"
    ]
    assert long.hosted["metadata"]["errors"]["other_error"] is True
