"""The six grader types as frozen typed objects, and the JSON Schema made from them.

Every description here also stands in `graders schema` and in the reference. What the validators
say to a user is worded in `graders.config.fault`, which knows where the value stands.

Source: the hosted API's schemas and guide; docs/reference/config.md names each limit.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import itertools
import json
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    Tag,
    ValidationInfo,
    model_validator,
)
from pydantic_core import PydanticCustomError

from graders.errors import TemplateError, nearest, quoted
from graders.template import compile_template

__all__ = [
    "OPERATIONS",
    "TAG",
    "TYPES",
    "AudioData",
    "EvalCriteria",
    "GraderConfig",
    "InputAudio",
    "InputImage",
    "InputText",
    "LabelModel",
    "Message",
    "Multi",
    "OutputText",
    "Python",
    "SamplingParams",
    "ScoreModel",
    "StringCheck",
    "SubGrader",
    "TextSimilarity",
]

TAG: Final = "\N{NULL}"
"""Begins every union tag, so that none can be mistaken for a key in a JSON path."""

OPERATIONS: Final = ("eq", "ne", "like", "ilike")
MAX_SOURCE_BYTES: Final = 256_000

Operation = Literal["eq", "ne", "like", "ilike"]
Metric = Literal[
    "cosine", "fuzzy_match", "bleu", "gleu", "meteor",
    "rouge_1", "rouge_2", "rouge_3", "rouge_4", "rouge_5", "rouge_l",
]  # fmt: skip
ReasoningEffort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
Role = Literal["user", "assistant", "system", "developer"]


def _check_template(text: str, info: ValidationInfo) -> str:
    dialect = (info.context or {}).get("dialect", "hosted")
    try:
        compile_template(text, dialect)
    except TemplateError as error:
        raise PydanticCustomError(
            "template_parse_error", "{problem}", {"problem": str(error)}
        ) from None
    return text


Text = Annotated[str, Field(strict=True), AfterValidator(_check_template)]
"""A text that may hold templates."""

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
"""A finite number; neither a bool nor a text that looks like one."""


Str = Annotated[str, Field(strict=True)]
ModelName = Annotated[Str, Field(min_length=1)]
Labels = Annotated[tuple[Str, ...], Field(min_length=1)]


def _fault(message: str) -> PydanticCustomError:
    return PydanticCustomError("fault", "{problem}", {"problem": message})


def _default_range(limits: Any) -> Any:
    return (0.0, 1.0) if limits is None else limits


def _check_range(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] >= limits[1]:
        raise _fault(f"the lower end comes first and is smaller, got {list(limits)}")
    return limits


def _check_source(source: str) -> str:
    size = len(source.encode(errors="replace"))
    if size > MAX_SOURCE_BYTES:
        raise _fault(f"the source has {size:,} bytes; the service allows {MAX_SOURCE_BYTES:,}")
    return source


def _check_passing_labels(passing: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    labels = info.data.get("labels")
    for label in passing:
        if labels is not None and label not in labels:
            near = nearest(label, labels)
            hint = f"did you mean {quoted(near)}?" if near else f"labels: {', '.join(labels)}"
            raise _fault(f"{quoted(label)} is not one of the labels; {hint}")
    return passing


def _as_map(graders: Any) -> Any:
    """Take a single grader, as an older API reference has it, for a map of one."""
    if isinstance(graders, dict) and isinstance(graders.get("type"), str):
        named = _with_name(graders)
        return {named["name"]: named} if isinstance(named["name"], str) else graders
    return graders


def _type_of_grader(value: Any) -> str | None:
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return f"{TAG}{kind}" if isinstance(kind, str) else None


def _with_name(data: dict[str, Any]) -> dict[str, Any]:
    """Give a grader without a name one in the hosted form, the same for equal configs."""
    if data.get("name") is not None:
        return data
    data = {key: value for key, value in data.items() if key != "name"}
    text = json.dumps(data, sort_keys=True, default=str)
    digest = int.from_bytes(hashlib.sha256(text.encode(errors="replace")).digest(), "big")
    letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    name = ""
    for _ in range(12):
        digest, index = divmod(digest, len(letters))
        name += letters[index]
    return {**data, "name": f"grader-{name}"}


def _describe(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """Give the properties in a JSON Schema the docstrings that stand below a model's fields."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    for field, below in itertools.pairwise(ast.iter_child_nodes(body)):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(ast.Constant(str(text))):
                schema["properties"][name]["description"] = inspect.cleandoc(text)
            case _:
                pass


class _Model(BaseModel):
    # What only some commands need is done when it is needed: the validators are built for the
    # outermost model at once, and descriptions, for which sources are parsed, for a JSON Schema.
    model_config = ConfigDict(
        frozen=True, extra="forbid", defer_build=True, json_schema_extra=_describe
    )


class _Grader(_Model):
    @model_validator(mode="before")
    @classmethod
    def _fill_name(cls, data: Any) -> Any:
        return _with_name(data) if isinstance(data, dict) else data


NAME: Final = Field(
    default="",
    strict=True,
    description="The grader's name. The service names a nameless one `grader-…`.",
)
PASS_THRESHOLD: Final = Field(
    default=None,
    description="The grade passes at or above this. It never changes the reward.",
)


class StringCheck(_Grader):
    """Compare two texts; 1.0 when the operation holds, else 0.0."""

    type: Literal["string_check"]
    name: str = NAME
    input: Text
    """The text to look at. May hold templates."""
    reference: Text
    """The text to compare with. May hold templates."""
    operation: Operation
    """`eq` equal, `ne` not equal, `like` input contains reference, `ilike` the same ignoring case."""


class TextSimilarity(_Grader):
    """Measure how alike two texts are, in [0, 1]."""

    type: Literal["text_similarity"]
    name: str = NAME
    input: Text
    """The candidate. May hold templates."""
    reference: Text
    """The ground truth. May hold templates."""
    evaluation_metric: Metric
    """The metric."""
    pass_threshold: Number | None = PASS_THRESHOLD


class InputText(_Model):
    """A text part of a message."""

    type: Literal["input_text"]
    text: Text
    """May hold templates."""
    prompt_cache_breakpoint: JsonValue = None
    """Passed on to the model's service."""


class OutputText(_Model):
    """A text part of a message that a model wrote."""

    type: Literal["output_text"]
    text: Text
    """May hold templates."""


class InputImage(_Model):
    """An image part of a message."""

    type: Literal["input_image"]
    image_url: Text
    """A URL or a data URL. May hold templates."""
    detail: Literal["auto", "low", "high", "original"] | None = None
    """How closely the model looks."""
    file_id: str | None = None
    """Null in every public example."""


class AudioData(_Model):
    """Audio as base64."""

    data: Text
    """Base64. May hold templates."""
    format: Literal["mp3", "wav"]
    """The encoding of the data."""


class InputAudio(_Model):
    """An audio part of a message."""

    type: Literal["input_audio"]
    input_audio: AudioData
    """The audio."""


def _kind_of_part(value: Any) -> str | None:
    """Return the tag of a content part: text, one of the part types, or a list of both."""
    if isinstance(value, str):
        return f"{TAG}text"
    if isinstance(value, list | tuple):
        return f"{TAG}list"
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    if kind in ("text", "list"):
        return f"{TAG}no part"  # These two tags are ours, not types of parts.
    return f"{TAG}{kind}" if isinstance(kind, str) else None


Part = Annotated[
    Annotated[Text, Tag(f"{TAG}text")]
    | Annotated[InputText, Tag(f"{TAG}input_text")]
    | Annotated[OutputText, Tag(f"{TAG}output_text")]
    | Annotated[InputImage, Tag(f"{TAG}input_image")]
    | Annotated[InputAudio, Tag(f"{TAG}input_audio")],
    Discriminator(_kind_of_part),
]
Content = Annotated[
    Annotated[Text, Tag(f"{TAG}text")]
    | Annotated[InputText, Tag(f"{TAG}input_text")]
    | Annotated[OutputText, Tag(f"{TAG}output_text")]
    | Annotated[InputImage, Tag(f"{TAG}input_image")]
    | Annotated[InputAudio, Tag(f"{TAG}input_audio")]
    | Annotated[tuple[Part, ...], Tag(f"{TAG}list")],
    Discriminator(_kind_of_part),
]


class Message(_Model):
    """One message to the judge."""

    role: Role
    """Who speaks."""
    content: Content
    """A text, one part, or a list of texts and parts."""
    type: Literal["message"] | None = None
    """Always `message`, where given."""


class SamplingParams(_Model):
    """How the judge samples."""

    seed: Annotated[int, Field(strict=True)] | None = None
    """For repeatable sampling, where the model supports it."""
    temperature: Annotated[Number, Field(ge=0, le=2)] | None = None
    """0 to 2; reasoning models have none."""
    top_p: Annotated[Number, Field(ge=0, le=1)] | None = None
    """0 to 1; the service's default is 1."""
    max_completions_tokens: Annotated[int, Field(strict=True, ge=1)] | None = None
    """At least 1. The field is really spelled so."""
    reasoning_effort: ReasoningEffort | None = None
    """For reasoning models only."""


Messages = Annotated[tuple[Message, ...], Field(min_length=1)]


class ScoreModel(_Grader):
    """Let a model give a score, clipped to `range`."""

    type: Literal["score_model"]
    name: str = NAME
    model: ModelName
    """The judge."""
    input: Messages
    """What the judge reads."""
    range: Annotated[
        tuple[Number, Number], BeforeValidator(_default_range), AfterValidator(_check_range)
    ] = (0.0, 1.0)
    """Lowest and highest score."""
    sampling_params: SamplingParams | None = None
    """How the judge samples."""
    pass_threshold: Number | None = PASS_THRESHOLD


class LabelModel(_Grader):
    """Let a model choose a label; 1.0 for a passing one, else 0.0. In Evals and inside multi."""

    type: Literal["label_model"]
    name: str = NAME
    model: ModelName
    """The judge."""
    input: Messages
    """What the judge reads."""
    labels: Labels
    """What the judge chooses from."""
    passing_labels: Annotated[Labels, AfterValidator(_check_passing_labels)]
    """The labels that pass; each one of `labels`."""


class Python(_Grader):
    """Run `grade(sample, item)` of a python source; its number is the reward."""

    type: Literal["python"]
    name: str = NAME
    source: Annotated[Str, AfterValidator(_check_source)]
    """Defines `grade(sample, item)`. At most 256,000 bytes."""
    image_tag: Str | None = None
    """The hosted image the source was written for, such as `2025-05-08`."""
    pass_threshold: Number | None = PASS_THRESHOLD


SubGrader = Annotated[
    Annotated[StringCheck, Tag(f"{TAG}string_check")]
    | Annotated[TextSimilarity, Tag(f"{TAG}text_similarity")]
    | Annotated[Python, Tag(f"{TAG}python")]
    | Annotated[ScoreModel, Tag(f"{TAG}score_model")]
    | Annotated[LabelModel, Tag(f"{TAG}label_model")],
    Discriminator(_type_of_grader),
]


class Multi(_Grader):
    """Combine sub-graders by a formula over their keys."""

    type: Literal["multi"]
    name: str = NAME
    graders: Annotated[dict[Str, SubGrader], Field(min_length=1), BeforeValidator(_as_map)]
    """The sub-graders; the keys are the names in `calculate_output`. No multi inside a multi."""
    calculate_output: Str
    """+ - * / ^ ( ), numbers, the keys, min, max, abs, floor, ceil, exp, sqrt and log."""
    pass_threshold: Number | None = PASS_THRESHOLD
    invalid_grade: Number | None = None
    """Azure: the reward of a row whose grade is invalid."""


GraderConfig = Annotated[
    Annotated[StringCheck, Tag(f"{TAG}string_check")]
    | Annotated[TextSimilarity, Tag(f"{TAG}text_similarity")]
    | Annotated[Python, Tag(f"{TAG}python")]
    | Annotated[ScoreModel, Tag(f"{TAG}score_model")]
    | Annotated[LabelModel, Tag(f"{TAG}label_model")]
    | Annotated[Multi, Tag(f"{TAG}multi")],
    Discriminator(_type_of_grader),
]
"""Any of the six grader types."""

TYPES: Final[Mapping[str, type[BaseModel]]] = {
    "string_check": StringCheck,
    "text_similarity": TextSimilarity,
    "python": Python,
    "score_model": ScoreModel,
    "label_model": LabelModel,
    "multi": Multi,
}


@dataclass(frozen=True, slots=True)
class EvalCriteria:
    """Several graders of an Evals `testing_criteria` list, applied to each row together.

    A row's reward is the verdict an Evals output item gets: 1.0 when every criterion passes,
    else 0.0. The scores are its sub-rewards.
    """

    graders: Mapping[str, SubGrader]
    name: str
    type: Literal["testing_criteria"] = "testing_criteria"
