"""What a grader sees as `sample`: output_text, output_json, output_tools, choices, output_audio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from graders import jsontext
from graders.errors import quoted
from graders.shape import kind_of, read_shape

__all__ = ["Absent", "Unparsed", "Wanted", "item_of", "prepare", "prepared", "sample_of"]

_ABSENT: Final = object()


class Absent:
    """Stands for an item or a sample that a row does not have; says why."""

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason


class Unparsed:
    """Stands for an `output_json` that was asked for and is not there; says why."""

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for of samples beside their text.

    Attributes:
        output_json: whether anything asks for `output_json`; when it does and the sample brings
            none, it is parsed from output_text, or is an `Unparsed` saying why it could not be.
        choices: whether anything may ask for the `choices` of a sample that is a text.
        answer_only: whether a model's thoughts before its answer are cut off.
    """

    output_json: bool = False
    choices: bool = False
    answer_only: bool = False


def prepare(raw: Any, wanted: Wanted = Wanted()) -> str | dict[str, Any] | Absent:
    """Return a row's sample as templates and python graders see it.

    Args:
        raw: text, or an answer in one of the shapes that `graders.shape` reads; None or an `Absent`
            for a row without a sample.
        wanted: what is asked for of it.

    Returns:
        The text itself where that is all anybody asks for; else a dict that leaves `raw` as it is.

    Raises:
        ValueError: `raw` is in no shape that holds an answer, or its output_text is not text.
    """
    if raw is None:
        return Absent("the row has no sample")
    if isinstance(raw, str):
        text = jsontext.without_thoughts(raw) if wanted.answer_only else raw
        if not (wanted.output_json or wanted.choices):
            return text
        sample: dict[str, Any] = {"output_text": text}
        if wanted.choices:
            sample["choices"] = [{"index": 0, "message": {"role": "assistant", "content": text}}]
        return _with_json(sample) if wanted.output_json else sample
    if isinstance(raw, Absent):
        return raw
    is_plain = type(raw) is dict and type(raw.get("output_text")) is str
    if (
        is_plain
        and raw.get("object") != "response"
        and not (wanted.output_json or wanted.answer_only)
    ):
        return dict(raw)  # What `read_shape` and all below would make of nearly every row.
    sample = read_shape(raw)[1]
    text_or_none = sample.get("output_text", _ABSENT)
    if text_or_none is None:
        # A reply that only calls tools has no text; "null" would be a text nobody wrote.
        del sample["output_text"]
    elif text_or_none is not _ABSENT and not isinstance(text_or_none, str):
        raise ValueError(f"sample.output_text is text, not {kind_of(text_or_none)}")
    elif wanted.answer_only and text_or_none is not _ABSENT:
        _cut_thoughts(sample)
    return _with_json(sample) if wanted.output_json else sample


def _cut_thoughts(sample: dict[str, Any]) -> None:
    """Leave of a sample's text the answer, also in the first of its choices."""
    whole = sample["output_text"]
    answer = sample["output_text"] = jsontext.without_thoughts(whole)
    match sample.get("choices"):
        case [{"message": {"content": content} as message} as first, *others] if content == whole:
            first = {**first, "message": {**message, "content": answer}}
            sample["choices"] = [first, *others]


def prepared(raw: Any, wanted: Wanted = Wanted()) -> str | dict[str, Any] | Absent:
    """Return a sample as `prepare` does; what is none is absent, with the reason."""
    try:
        return prepare(raw, wanted)
    except ValueError as error:
        return Absent(str(error))


def sample_of(sample: Any) -> dict[str, Any]:
    """Return a prepared sample as a dict for code: {} for a row without one.

    `output_json` that is not JSON is left out, as the service leaves it out.
    """
    if isinstance(sample, Absent) or sample is None:
        return {}
    if isinstance(sample, str):
        return {"output_text": sample}
    if isinstance(sample.get("output_json"), Unparsed):
        return {key: value for key, value in sample.items() if key != "output_json"}
    return dict(sample)


def item_of(item: Any) -> Any:
    """Return an item for code: {} for a row without one."""
    return {} if isinstance(item, Absent) or item is None else item


def _with_json(sample: dict[str, Any]) -> dict[str, Any]:
    if "output_json" in sample:
        return sample
    text = sample.get("output_text")
    if text is None:
        sample["output_json"] = Unparsed("the sample has no output_text to parse")
        return sample
    try:
        sample["output_json"] = jsontext.decode(text)
    except ValueError as error:
        sample["output_json"] = Unparsed(
            f"the output text is not JSON ({error}): {quoted(text, 60)}"
            if text.strip()
            else "the output text is empty, not JSON"
        )
    return sample
