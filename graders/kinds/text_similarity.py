"""text_similarity: the metrics measure how alike two texts are; `cosine` compares embeddings."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from graders.calls import EmbedCall, EmbedReply
from graders.grade import Failure
from graders.hosted import Code
from graders.kinds.extended import Or
from graders.kinds.field import PASS_THRESHOLD, GraderConfig, Number, Text
from graders.kinds.judge import CODE_OF_KIND
from graders.kinds.kind import Kind, Rows, Scores, Settled, TextField
from graders.metrics import METRICS, MetricFault, Request, metric_of

__all__ = ["TextSimilarity", "TextSimilarityKind"]

if TYPE_CHECKING:
    Metric = str
else:
    Metric = Annotated[Literal["cosine", *METRICS], Or("metrics", metric_of)]


class TextSimilarity(GraderConfig):
    """Measure how alike two texts are, in [0, 1]."""

    type: Literal["text_similarity"] = "text_similarity"
    input: Text
    """The candidate. May hold templates."""
    reference: Text
    """The ground truth. May hold templates."""
    evaluation_metric: Metric
    """The metric."""
    pass_threshold: Number | None = PASS_THRESHOLD


class TextSimilarityKind(Kind[TextSimilarity]):
    """Asks the metrics, for cosine an embedder; its settled cosines are in [-1, 1]."""

    name = "text_similarity"
    config = TextSimilarity
    needed_in_evals: ClassVar = ("pass_threshold",)

    def performer(self, config: TextSimilarity) -> Literal["metrics", "embed"]:
        return "embed" if self.metric(config) is None else "metrics"

    def metric(self, config: TextSimilarity) -> Metric | None:
        return None if config.evaluation_metric == "cosine" else config.evaluation_metric

    def texts(self, config: TextSimilarity) -> Iterator[TextField]:
        yield TextField(("input",), config.input)
        yield TextField(("reference",), config.reference)

    def ask(self, config: TextSimilarity, rows: Rows, repeats: int) -> Request | EmbedCall:
        inputs, references = rows.texts["input"], rows.texts["reference"]
        metric = self.metric(config)
        if metric is None:
            return EmbedCall([*inputs, *references])
        return Request(metric, inputs, references)

    def settle(self, config: TextSimilarity, replies: Sequence[Any], repeats: int) -> Settled:
        metric = self.metric(config)
        if metric is None:
            return _cosines(replies)
        return _measured(replies)

    def scores(self, config: TextSimilarity) -> Scores:
        metric = self.metric(config)
        if metric is None:
            return Scores(0.0, 1.0)
        return Scores(metric_of(metric).low, metric_of(metric).high)


def _measured(replies: Sequence[float | MetricFault]) -> Settled:
    """Return what a metric gave, and why it gave none."""
    settled = Settled()
    if MetricFault not in set(
        map(type, replies)
    ):  # Nearly always, and at a fraction of the loop's cost.
        settled.scores.extend(replies)  # type: ignore[arg-type]
        return settled
    for row, one in enumerate(replies):
        if isinstance(one, MetricFault):
            code: Code = "metric_time_error" if one.late else "other_error"
            settled.failures[row] = Failure(code, one.message)
        settled.scores.append(None if isinstance(one, MetricFault) else one)
    return settled


def _cosines(replies: Sequence[EmbedReply]) -> Settled:
    """Return the cosine of each row's two embeddings; those of the inputs come first."""
    rows = len(replies) // 2
    settled = Settled()
    for row, (one, other) in enumerate(zip(replies[:rows], replies[rows:], strict=True)):
        error = one.error or other.error
        score = None
        if error is not None or one.vector is None or other.vector is None:
            code = CODE_OF_KIND["server" if error is None else error.kind]
            message = "there is no embedding" if error is None else error.message
            details = "" if error is None else error.details
            settled.failures[row] = Failure(code, message, details=details)
        elif (score := _cosine(one.vector, other.vector)) is None:
            message = "the two embeddings have no cosine: one is zero, or their lengths differ"
            settled.failures[row] = Failure("model_grader_server_error", message)
        settled.scores.append(score)
    return settled


def _cosine(one: Sequence[float], other: Sequence[float]) -> float | None:
    if len(one) != len(other):
        return None
    # Exact sums: the same on every machine, which a matrix library's are not.
    product = math.fsum(map(float.__mul__, one, other))
    norm = math.sqrt(math.fsum(map(float.__mul__, one, one)))
    norm *= math.sqrt(math.fsum(map(float.__mul__, other, other)))
    if not norm or not math.isfinite(norm):
        return None
    return max(-1.0, min(1.0, product / norm))
