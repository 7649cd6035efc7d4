"""score_model: a judge gives a number a row.

Source: the hosted guide for the reply's shape and for clipping to `range`; the schema's words are
those of the public cookbook. A reply that is not the documented object, or whose result is not a
finite number, fails with `model_grader_parse_error`: the guide's "default to 0" is what the hosted
response shows for it, beside its flag (docs/decisions/0009-model-graders.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator

from graders.calls import ChatCall, ChatReply
from graders.kinds import judge
from graders.kinds.field import PASS_THRESHOLD, Number, fault
from graders.kinds.kind import Rows, Scores
from graders.kinds.message import SamplingParams

__all__ = ["ScoreModel", "ScoreModelKind"]


def _check_range(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] >= limits[1]:
        raise fault(f"the lower end comes first and is smaller, got {list(limits)}")
    return limits


class ScoreModel(judge.JudgeConfig):
    """Let a model give a score, clipped to `range`."""

    type: Literal["score_model"] = "score_model"
    range: Annotated[
        tuple[Number, Number],
        BeforeValidator(lambda limits: (0.0, 1.0) if limits is None else limits),
        AfterValidator(_check_range),
    ] = (0.0, 1.0)
    """Lowest and highest score."""
    sampling_params: SamplingParams | None = None
    """How the judge samples."""
    pass_threshold: Number | None = PASS_THRESHOLD


class ScoreModelKind(judge.JudgeKind[ScoreModel]):
    """Asks a judge; passes from the middle of its range, as the Azure SDK has it."""

    name = "score_model"
    config = ScoreModel

    def ask(self, config: ScoreModel, rows: Rows, repeats: int) -> ChatCall:
        low, high = config.range
        result = {
            "type": "number",
            "description": "The float score assigned to the response. This should be in "
            f"inclusive range {low} to {high}.",
            "minimum": low,
            "maximum": high,
        }
        params = config.sampling_params
        sampling = {} if params is None else params.model_dump(exclude_none=True)
        schema = judge.reply_schema(result)
        return judge.call(config, rows, repeats, "float_score_classification", schema, sampling)

    def settle(
        self, config: ScoreModel, replies: Sequence[ChatReply], repeats: int
    ) -> judge.Judged:
        """Return the scores, clipped to the config's range, and the failures of a column."""
        low, high = config.range

        def score_of(result: Any) -> float:
            if isinstance(result, bool) or not isinstance(result, int | float):
                raise ValueError("has a result that is not a number")
            try:
                score = float(result)
            except OverflowError:
                score = math.inf
            if not math.isfinite(score):
                raise ValueError("has a result that is not a finite number")
            return min(max(score, low), high)

        return judge.settle(replies, repeats, score_of, config.model)

    def scores(self, config: ScoreModel) -> Scores:
        return Scores(*config.range)

    def _passes_without_threshold(self, config: ScoreModel) -> float:
        return (config.range[0] + config.range[1]) / 2
