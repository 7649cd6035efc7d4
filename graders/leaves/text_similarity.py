"""text_similarity: ask the metrics for a column of scores. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from graders.config import TextSimilarity
from graders.metrics import Request

__all__ = ["request"]


def request(config: TextSimilarity, inputs: Sequence[str], references: Sequence[str]) -> Request:
    """Return what to ask the metrics: `input` is the candidate, `reference` the ground truth."""
    return Request(config.evaluation_metric, inputs, references)
