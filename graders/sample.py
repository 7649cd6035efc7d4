"""What a grader sees as `sample`: output_text, output_json, output_tools, choices, output_audio."""

from __future__ import annotations

from typing import Any, Final

from graders import jsontext
from graders.errors import quoted

__all__ = ["Absent", "Unparsed", "item_of", "prepare", "prepared", "sample_of"]

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


def prepare(raw: Any, *, want_json: bool) -> str | dict[str, Any] | Absent:
    """Return a row's sample as templates and python graders see it.

    Args:
        raw: text, an object with any of the documented keys, a chat completion (its first
            choice gives output_text and output_tools), or None or an `Absent` for a row
            without a sample.
        want_json: whether anything asks for `output_json`; when it does and the sample brings
            none, it is parsed from output_text, or is an `Unparsed` saying why it could not be.

    Returns:
        The text itself where that is all anybody asks for; else a dict that leaves `raw` as it is.

    Raises:
        ValueError: `raw` is neither text nor an object, or its output_text is not text.
    """
    if raw is None:
        return Absent("the row has no sample")
    if isinstance(raw, str):
        return _with_json({"output_text": raw}) if want_json else raw
    if isinstance(raw, Absent):
        return raw
    if not isinstance(raw, dict):
        raise ValueError(f"a sample is text or an object, not {_kind(raw)}")
    sample = dict(raw)
    if "output_text" not in sample and "choices" in sample:
        _adopt_first_choice(sample)
    text = sample.get("output_text", _ABSENT)
    if text is None:
        # A reply that only calls tools has no text; "null" would be a text nobody wrote.
        del sample["output_text"]
    elif text is not _ABSENT and not isinstance(text, str):
        raise ValueError(f"sample.output_text is text, not {_kind(text)}")
    return _with_json(sample) if want_json else sample


def prepared(raw: Any, *, want_json: bool) -> str | dict[str, Any] | Absent:
    """Return a sample as `prepare` does; what is none is absent, with the reason."""
    try:
        return prepare(raw, want_json=want_json)
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


def _adopt_first_choice(sample: dict[str, Any]) -> None:
    """Fill output_text and output_tools from a chat completion's first choice."""
    choices = sample["choices"]
    first = choices[0] if isinstance(choices, list) and choices else None
    message = first.get("message") if isinstance(first, dict) else None
    if not isinstance(message, dict):
        return
    sample["output_text"] = message.get("content")
    tools = message.get("tool_calls")
    if tools is not None and "output_tools" not in sample:
        sample["output_tools"] = tools


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, int | float):
        return "a number"
    return type(value).__name__
