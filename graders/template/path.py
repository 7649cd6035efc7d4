"""Paths into a row: `item.a.b[0]` resolved to a value, and a value shown as text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Literal

from graders import jsontext
from graders.errors import nearest, quoted, shown
from graders.sample import Absent, Unparsed

__all__ = [
    "MissingVariableError",
    "Path",
    "Rendering",
    "SampleParseError",
    "ToolArguments",
    "resolve",
    "to_text",
    "without_nulls",
    "without_unparsed",
]

Rendering = Literal["json", "python"]
ToolArguments = Literal["parsed", "text"]


@dataclass(frozen=True, slots=True)
class Path:
    """A path into a row: a namespace and the keys and indexes to walk."""

    namespace: Literal["item", "sample"]
    steps: tuple[str | int, ...]

    def __str__(self) -> str:
        return self.namespace + "".join(
            f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.steps
        )

    def upto(self, count: int) -> str:
        """Return the path's text with only its first `count` steps."""
        return str(Path(self.namespace, self.steps[:count]))


_WHOLE_SAMPLE: Final = Path("sample", ())


class _PathError(LookupError):
    """A path gives no text in one row.

    Attributes:
        path: the path; None where another template language does not say which.
    """

    def __init__(self, message: str, path: Path | None = None) -> None:
        super().__init__(message if path is None else f"{path}: {message}")
        self.path = path


class MissingVariableError(_PathError):
    """A path leads nowhere in one row; the message names it, what is there, and the nearest."""


class SampleParseError(_PathError):
    """A path leads into an `output_json` that could not be parsed."""


def resolve(path: Path, item: Any, sample: Any, *, tool_arguments: ToolArguments = "parsed") -> Any:
    """Return the value a path leads to in one row.

    Args:
        path: where to go.
        item: the row's item, None when it has none.
        sample: the row's sample as `graders.sample.prepare` gives it.
        tool_arguments: whether a path may go on into the JSON text of a tool call's `arguments`.

    Raises:
        MissingVariableError: there is nothing there.
        SampleParseError: `output_json` is asked for and the output text is not JSON.
    """
    value = item if path.namespace == "item" else sample
    if value is None:
        raise MissingVariableError(f"the row has no {path.namespace}", path)
    if isinstance(value, Absent):
        raise MissingVariableError(f"{value.reason}", path)
    if path.namespace == "sample" and isinstance(value, str):
        value = {"output_text": value}
    for count, step in enumerate(path.steps):
        if isinstance(value, Unparsed):
            raise SampleParseError(f"{value.reason}", path)
        if (
            isinstance(value, str)
            and tool_arguments == "parsed"
            and count
            and path.steps[count - 1] == "arguments"
        ):
            value = _parse_arguments(path, count, value)
        value = _walk(path, count, step, value)
    if isinstance(value, Unparsed):
        raise SampleParseError(f"{value.reason}", path)
    return without_unparsed(value) if path == _WHOLE_SAMPLE else value


def without_unparsed(sample: Any) -> Any:
    """Return a sample without an `output_json` that could not be parsed."""
    if isinstance(sample, dict) and isinstance(sample.get("output_json"), Unparsed):
        return {key: value for key, value in sample.items() if key != "output_json"}
    return sample


def _parse_arguments(path: Path, count: int, text: str) -> Any:
    try:
        return jsontext.decode(text)
    except ValueError:
        raise MissingVariableError(
            f"the text of {path.upto(count)} is not JSON: {quoted(text, 60)}", path
        ) from None


def _walk(path: Path, count: int, step: str | int, value: Any) -> Any:
    if isinstance(step, int) and isinstance(value, list | tuple) and step < len(value):
        return value[step]
    if isinstance(step, str) and isinstance(value, dict) and step in value:
        return value[step]
    here = path.upto(count)
    if isinstance(step, int):
        if isinstance(value, list | tuple):
            size = f"{len(value)} element{'s' if len(value) != 1 else ''}"
            raise MissingVariableError(f"{here} is a list of {size}, there is no [{step}]", path)
        raise MissingVariableError(f"{here} is {_kind(value)}, not a list", path)
    if isinstance(value, dict):
        near = nearest(step, map(str, islice(value, 1000)))
        there = ", ".join(shown(str(key), 60) for key in islice(value, 12)) or "none"
        there += ", …" if len(value) > 12 else ""
        hint = f"; did you mean {here}.{shown(near)}?" if near else ""
        if (here, step) == ("sample", "output_text") and isinstance(value.get("choices"), list):
            only = ", it only calls tools" if value.get("output_tools") else ""
            hint = f"; the answer has no text{only}"
        if (here, step) == ("item", "sample"):
            right = Path("sample", path.steps[1:])
            hint = f"; Foundry's evaluations put the answer there, here it is {right}"
        raise MissingVariableError(f"{here} has no {step}; keys there: {there}{hint}", path)
    hint = f"; write {here}[{step}]" if isinstance(value, list) and step.isdigit() else ""
    raise MissingVariableError(f"{here} is {_kind(value)}, not an object{hint}", path)


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return f"the text {quoted(value, 40)}"
    if value is None or isinstance(value, bool | int | float):
        return quoted(value)
    if isinstance(value, dict):
        return "an object"
    return "a list" if isinstance(value, list | tuple) else f"a {type(value).__name__}"


def to_text(value: Any, rendering: Rendering = "json") -> str:
    """Return a value as a template shows it: text as it is, anything else as JSON.

    `rendering="python"` shows what is not text as Python's `str()` does.

    Raises:
        TypeError, ValueError: the value is not JSON.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list) and jsontext.nests_deeper(value, jsontext.DEEPEST):
        raise ValueError("it nests too deeply")
    try:
        if rendering == "python":
            return str(value)
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        raise ValueError("it nests too deeply") from None


def without_nulls(value: Any, paths: Iterable[Sequence[str | int]]) -> Any:
    """Return a value without the keys that paths end with, where these are null.

    Tables fill what a row lacks with null, which a template shows as the text `null`. The value itself is
    not changed; it is copied along a path where something is left out.
    """
    for steps in paths:
        value = _without_null(value, steps, 0)
    return value


def _without_null(value: Any, steps: Sequence[str | int], at: int) -> Any:
    step, last = steps[at], at == len(steps) - 1
    if isinstance(value, list) and isinstance(step, int) and step < len(value):
        if last and value[step] is None:
            return value[:step]  # What comes after it would stand in its place.
        left = value[step] if last else _without_null(value[step], steps, at + 1)
        same = left is value[step]
        return value if same else [*value[:step], left, *value[step + 1 :]]
    if isinstance(value, Mapping) and step in value:
        if last and value[step] is None:
            return {key: one for key, one in value.items() if key != step}
        left = value[step] if last else _without_null(value[step], steps, at + 1)
        return value if left is value[step] else {**value, step: left}
    return value
