"""The names of the metrics, what can be asked of them, and how to ask for several at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from graders.errors import OptionError, UnavailableError

__all__ = ["METRICS", "Measure", "MetricOptions", "Request", "checked"]

Measure = Literal["fmeasure", "recall", "precision"]

METRICS = (
    "fuzzy_match",
    "bleu",
    "gleu",
    "meteor",
    "rouge_1",
    "rouge_2",
    "rouge_3",
    "rouge_4",
    "rouge_5",
    "rouge_l",
)


@dataclass(frozen=True, slots=True)
class Request:
    """One metric asked for over a column of candidates and a column of references.

    Attributes:
        metric: one of `METRICS`.
        candidates: the texts to score.
        references: as many texts, the ground truth of each.
    """

    metric: str
    candidates: Sequence[str]
    references: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricOptions:
    """What the hosted documentation leaves open about ROUGE.

    Attributes:
        rouge_backend: whose ROUGE: the `rouge-score` library's, or that of the `rouge` library.
        rouge_measure: which of a ROUGE score's figures counts.
        rouge_stemmer: whether words are stemmed first (`rouge_score` only).
    """

    rouge_backend: Literal["rouge_score", "rouge"] = "rouge_score"
    rouge_measure: Measure = "fmeasure"
    rouge_stemmer: bool = False


def checked(metric: str) -> str:
    """Return the name of a metric that can be computed here.

    Raises:
        OptionError: there is no metric of that name.
        UnavailableError: the metric is `cosine`, which needs embeddings.
    """
    if metric == "cosine":
        raise UnavailableError(
            "cosine compares embeddings, and graders.metrics makes none; a grader asks a server "
            "or the embedded model for them, see graders.load"
        )
    if metric not in METRICS:
        raise OptionError(f"there is no metric {metric!r}; there are {', '.join(METRICS)}")
    return metric
