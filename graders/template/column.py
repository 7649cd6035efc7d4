"""Templates rendered a column of rows at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

from graders.grade import Failure
from graders.hosted import Code
from graders.template.grammar import Template
from graders.template.jinja import JinjaTemplate
from graders.template.path import (
    MissingVariableError,
    Path,
    Rendering,
    SampleParseError,
    ToolArguments,
    resolve,
    to_text,
)

__all__ = ["Rendered", "render_column"]


@dataclass(frozen=True, slots=True)
class Rendered:
    """A template rendered for a column of rows.

    Attributes:
        texts: one text a row; "" in a failed row.
        failures: the failed rows by position.
    """

    texts: list[str]
    failures: dict[int, Failure]


def render_column(
    template: Template | JinjaTemplate,
    items: Sequence[Any],
    samples: Sequence[Any],
    *,
    rendering: Rendering = "json",
    tool_arguments: ToolArguments = "parsed",
) -> Rendered:
    """Render a template for a column of rows.

    Args:
        template: what to render.
        items: one item a row.
        samples: one sample a row, as `graders.sample.prepare` gives them.
        rendering: how values that are not text are shown.
        tool_arguments: as for `resolve`.

    Returns:
        One text a row; a row in which a path leads nowhere is failed with
        `invalid_variable_error`, one whose output_json does not parse with `sample_parse_error`.
    """
    if isinstance(template, Template):
        try:
            return Rendered(_render_fast(template, items, samples), {})
        except (LookupError, TypeError):
            pass  # Some row needs the careful way, which also finds each row's own reason.
    texts: list[str] = []
    failures: dict[int, Failure] = {}
    for row, (item, sample) in enumerate(zip(items, samples, strict=True)):
        try:
            if isinstance(template, JinjaTemplate):
                texts.append(template.render(item, sample))
            else:
                texts.append(_render_row(template, item, sample, rendering, tool_arguments))
        except (MissingVariableError, SampleParseError) as error:
            missing = isinstance(error, MissingVariableError)
            code: Code = "invalid_variable_error" if missing else "sample_parse_error"
            failures[row] = Failure(code, str(error), path=str(error.path or ""))
        else:
            continue
        texts.append("")
    return Rendered(texts, failures)


def _render_fast(template: Template, items: Sequence[Any], samples: Sequence[Any]) -> list[str]:
    """Render where every path leads to text; anything else raises and goes the careful way."""
    if len(template.parts) == 1 and isinstance(path := template.parts[0], Path):
        return _text_column(path, items, samples)
    rows = len(items)
    # A path that stands twice is walked once.
    values = {path: _text_column(path, items, samples) for path in template.paths}
    columns = [
        repeat(part, rows) if isinstance(part, str) else values[part] for part in template.parts
    ]
    return list(map("".join, zip(*columns, strict=True)))


def _text_column(path: Path, items: Sequence[Any], samples: Sequence[Any]) -> list[str]:
    steps = path.steps
    if path.namespace == "item":
        values: list[Any] = list(items)
    elif not steps:
        raise TypeError  # The whole sample is an object, also where it is given as a text.
    elif steps[:1] == ("output_text",):
        values = [s if type(s) is str else s["output_text"] for s in samples]
        steps = steps[1:]
    else:
        values = list(samples)
    for step in steps:
        # Exact types: what merely can be indexed might answer otherwise than `resolve` does.
        if not set(map(type, values)) <= {list if isinstance(step, int) else dict}:
            raise TypeError
        values = [value[step] for value in values]
    if not set(map(type, values)) <= {str}:
        raise TypeError
    return values


def _render_row(
    template: Template,
    item: Any,
    sample: Any,
    rendering: Rendering,
    tool_arguments: ToolArguments,
) -> str:
    pieces: list[str] = []
    for part in template.parts:
        if isinstance(part, str):
            pieces.append(part)
            continue
        value = resolve(part, item, sample, tool_arguments=tool_arguments)
        pieces.append(_shown(str(part), value, rendering))
    return "".join(pieces)


def _shown(place: str, value: Any, rendering: Rendering) -> str:
    try:
        return to_text(value, rendering)
    except (TypeError, ValueError) as error:
        raise SampleParseError(f"{place}: the value cannot be written as JSON: {error}") from None
