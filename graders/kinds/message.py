"""What a judge is sent: messages of texts, images and audio, and how it is to sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import Discriminator, Field, JsonValue, Tag

from graders.kinds.field import Model, Number, Text

__all__ = [
    "PARTS", "TAG", "AudioData", "InputAudio", "InputImage", "InputText", "Message", "Messages",
    "OutputText", "SamplingParams",
]  # fmt: skip

TAG: Final = "\N{NULL}"
"""Begins every union tag, so that none can be mistaken for a key in a JSON path."""


class InputText(Model):
    """A text part of a message."""

    type: Literal["input_text"] = "input_text"
    text: Text
    """May hold templates."""
    prompt_cache_breakpoint: JsonValue = None
    """Passed on to the model's service."""


class OutputText(Model):
    """A text part of a message that a model wrote."""

    type: Literal["output_text"] = "output_text"
    text: Text
    """May hold templates."""


class InputImage(Model):
    """An image part of a message."""

    type: Literal["input_image"] = "input_image"
    image_url: Text
    """A URL or a data URL. May hold templates."""
    detail: Literal["auto", "low", "high", "original"] | None = None
    """How closely the model looks."""
    file_id: str | None = None
    """Null in every public example."""


class AudioData(Model):
    """Audio as base64."""

    data: Text
    """Base64. May hold templates."""
    format: Literal["mp3", "wav"]
    """The encoding of the data."""


class InputAudio(Model):
    """An audio part of a message."""

    type: Literal["input_audio"] = "input_audio"
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


_One = (
    Annotated[Text, Tag(f"{TAG}text")]
    | Annotated[InputText, Tag(f"{TAG}input_text")]
    | Annotated[OutputText, Tag(f"{TAG}output_text")]
    | Annotated[InputImage, Tag(f"{TAG}input_image")]
    | Annotated[InputAudio, Tag(f"{TAG}input_audio")]
)
Part = Annotated[_One, Discriminator(_kind_of_part)]
Content = Annotated[
    _One | Annotated[tuple[Part, ...], Tag(f"{TAG}list")], Discriminator(_kind_of_part)
]


class Message(Model):
    """One message to the judge."""

    role: Literal["user", "assistant", "system", "developer"]
    """Who speaks."""
    content: Content
    """A text, one part, or a list of texts and parts."""
    type: Literal["message"] | None = None
    """Always `message`, where given."""


class SamplingParams(Model):
    """How the judge samples."""

    seed: Annotated[int, Field(strict=True)] | None = None
    """For repeatable sampling, where the model supports it."""
    temperature: Annotated[Number, Field(ge=0, le=2)] | None = None
    """0 to 2; reasoning models have none."""
    top_p: Annotated[Number, Field(ge=0, le=1)] | None = None
    """0 to 1; the service's default is 1."""
    max_completions_tokens: Annotated[int, Field(strict=True, ge=1)] | None = None
    """At least 1. The field is really spelled so."""
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = (
        None
    )
    """For reasoning models only."""


if TYPE_CHECKING:  # Made in Python, any sequence will do.
    Messages = Sequence[Message]
else:
    Messages = Annotated[tuple[Message, ...], Field(min_length=1)]

PARTS: Final[Mapping[str, type[Model]]] = {
    "input_text": InputText,
    "output_text": OutputText,
    "input_image": InputImage,
    "input_audio": InputAudio,
}
"""The parts of a message, by type."""
