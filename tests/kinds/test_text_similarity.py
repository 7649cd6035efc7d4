"""text_similarity: what is asked of the metrics."""

from __future__ import annotations

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
