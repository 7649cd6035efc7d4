"""score_model: ask a judge for a number a row, and settle its replies. Pure.

Source: the hosted guide for the reply's shape and for clipping to `range`; the schema's words are
those of the public cookbook. A reply that is not the documented object, or whose result is not a
finite number, fails with `model_grader_parse_error`: the guide's "default to 0" is what the hosted
response shows for it, beside its flag (docs/decisions/0009-model-graders.md).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from graders.calls import ChatCall, ChatReply
from graders.config import ScoreModel
from graders.leaves import judge

__all__ = ["ask", "schema", "settle"]


def ask(
    config: ScoreModel, texts: Mapping[str, Sequence[str]], rows: Sequence[int], repeats: int = 1
) -> ChatCall:
    """Return the call for the rows of a column.

    Args:
        config: the grader.
        texts: the rendered column of every path that `judge.templates` gives.
        rows: which rows of the columns to ask for.
        repeats: how often to ask for each row.
    """
    asked = judge.messages(config.input, texts, rows)
    params = config.sampling_params
    return ChatCall(
        config.model,
        [one for one in asked for _ in range(repeats)],
        "float_score_classification",
        schema(config.range),
        {} if params is None else params.model_dump(exclude_none=True),
        [index for _ in asked for index in range(repeats)],
        config.model_dump_json(),
    )


def schema(limits: tuple[float, float]) -> dict[str, Any]:
    """Return the JSON Schema of the documented reply."""
    low, high = limits
    return {
        "type": "object",
        "properties": {
            "steps": judge.STEPS,
            "result": {
                "type": "number",
                "description": "The float score assigned to the response. This should be in "
                f"inclusive range {low} to {high}.",
                "minimum": low,
                "maximum": high,
            },
        },
        "required": ["steps", "result"],
        "additionalProperties": False,
    }


def settle(config: ScoreModel, replies: Sequence[ChatReply], repeats: int = 1) -> judge.Judged:
    """Return the scores, clipped to the config's range, and the failures of a column."""
    low, high = config.range

    def read(reply: ChatReply) -> float:
        result = judge.read_object(reply)
        if isinstance(result, bool) or not isinstance(result, int | float):
            raise ValueError("has a result that is not a number")
        try:
            score = float(result)
        except OverflowError:
            score = math.inf
        if not math.isfinite(score):
            raise ValueError("has a result that is not a finite number")
        return min(max(score, low), high)

    return judge.settle(replies, repeats, read, config.model)
