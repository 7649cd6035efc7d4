"""label_model: ask a judge for one of the labels a row; 1.0 for a passing one, else 0.0. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graders.calls import ChatCall, ChatReply
from graders.config import LabelModel
from graders.errors import quoted
from graders.leaves import judge

__all__ = ["ask", "schema", "settle"]


def ask(
    config: LabelModel, texts: Mapping[str, Sequence[str]], rows: Sequence[int], repeats: int = 1
) -> ChatCall:
    """Return the call for the rows of a column; arguments as for `score_model.ask`."""
    asked = judge.messages(config.input, texts, rows)
    return ChatCall(
        config.model,
        [one for one in asked for _ in range(repeats)],
        "label_classification",
        schema(config.labels),
        {},
        [index for _ in asked for index in range(repeats)],
        config.model_dump_json(),
    )


def schema(labels: Sequence[str]) -> dict[str, Any]:
    """Return the JSON Schema of the documented reply; its enum holds the labels."""
    return {
        "type": "object",
        "properties": {
            "steps": judge.STEPS,
            "result": {
                "type": "string",
                "description": "The label assigned to the response.",
                "enum": list(dict.fromkeys(labels)),
            },
        },
        "required": ["steps", "result"],
        "additionalProperties": False,
    }


def settle(config: LabelModel, replies: Sequence[ChatReply], repeats: int = 1) -> judge.Judged:
    """Return 1.0 where the label passes and 0.0 where it does not, and the failures."""
    labels, passing = set(config.labels), set(config.passing_labels)

    def read(reply: ChatReply) -> float:
        label = judge.read_object(reply)
        if not isinstance(label, str) or label not in labels:
            raise ValueError(f"has a result that is not one of the labels: {quoted(label)}")
        return 1.0 if label in passing else 0.0

    return judge.settle(replies, repeats, read, config.model)
