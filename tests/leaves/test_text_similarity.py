"""text_similarity: what is asked of the metrics."""

from __future__ import annotations

from graders.config import TextSimilarity
from graders.leaves import text_similarity


def test_the_input_is_the_candidate_and_the_reference_the_truth() -> None:
    config = TextSimilarity.model_validate(
        {
            "type": "text_similarity", "name": "t", "input": "", "reference": "",
            "evaluation_metric": "rouge_2",
        }
    )  # fmt: skip
    request = text_similarity.request(config, ["candidate"], ["truth"])
    assert request.metric == "rouge_2"
    assert list(request.candidates) == ["candidate"]
    assert list(request.references) == ["truth"]
