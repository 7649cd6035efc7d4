"""label_model: a judge chooses one of the labels a row; 1.0 for a passing one, else 0.0."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, ValidationInfo

from graders import jsontext
from graders.calls import ChatCall, ChatReply
from graders.errors import nearest, quoted
from graders.kinds import judge
from graders.kinds.field import Str, fault
from graders.kinds.kind import YES_OR_NO, Rows, Scores

__all__ = ["LabelModel", "LabelModelKind"]

if TYPE_CHECKING:  # Made in Python, any sequence will do.
    Labels = Sequence[str]
else:
    Labels = Annotated[tuple[Str, ...], Field(min_length=1)]


def _check_passing_labels(passing: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    labels = info.data.get("labels")
    for label in passing:
        if labels is not None and label not in labels:
            near = nearest(label, labels)
            hint = f"did you mean {quoted(near)}?" if near else f"labels: {', '.join(labels)}"
            raise fault(f"{quoted(label)} is not one of the labels; {hint}")
    return passing


class LabelModel(judge.JudgeConfig):
    """Let a model choose a label; 1.0 for a passing one, else 0.0. In Evals and inside multi."""

    type: Literal["label_model"] = "label_model"
    labels: Labels
    """What the judge chooses from."""
    passing_labels: Annotated[Labels, AfterValidator(_check_passing_labels)]
    """The labels that pass; each one of `labels`."""


class LabelModelKind(judge.JudgeKind[LabelModel]):
    """Asks a judge."""

    name = "label_model"
    config = LabelModel
    alone = False
    gives_labels = True
    not_here: ClassVar = {
        "pass_threshold": (
            "a label_model has no pass_threshold: its passing_labels say what passes; leave it out"
        ),
        "sampling_params": "a label_model has no sampling_params; leave it out",
        "range": "a label_model has no range: its labels give 1 or 0; leave it out",
    }

    def ask(self, config: LabelModel, rows: Rows, repeats: int) -> ChatCall:
        result = {
            "type": "string",
            "description": "The label assigned to the response.",
            "enum": list(dict.fromkeys(config.labels)),
        }
        schema = judge.reply_schema(result)
        return judge.call(config, rows, repeats, "label_classification", schema, {})

    def settle(
        self, config: LabelModel, replies: Sequence[ChatReply], repeats: int
    ) -> judge.Judged:
        """Return 1.0 where the label passes and 0.0 where it does not, and the failures."""
        labels, passing = set(config.labels), set(config.passing_labels)

        def score_of(label: Any) -> float:
            if not isinstance(label, str) or label not in labels:
                raise ValueError(f"has a result that is not one of the labels: {quoted(label)}")
            return 1.0 if label in passing else 0.0

        return judge.settle(replies, repeats, score_of, config.model)

    def scores(self, config: LabelModel) -> Scores:
        return YES_OR_NO

    def best(self, config: LabelModel) -> str:
        return config.passing_labels[0]

    def points(self, config: LabelModel) -> Sequence[str]:
        return [f"label {label}" for label in config.labels]

    def hit(self, config: LabelModel, score: float, said: Sequence[str]) -> Iterator[str]:
        chosen = {_label(text) for text in said}
        yield from (f"label {label}" for label in config.labels if label in chosen)


def _label(text: str) -> Any:
    """Return the label in a reply's text, None where there is none."""
    try:
        return jsontext.decode(jsontext.bare(text))["result"]
    except (ValueError, KeyError, TypeError):
        return None
