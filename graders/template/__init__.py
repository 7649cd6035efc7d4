"""Templates: `{{ item.answer }}` inside any text, compiled once, rendered a column at a time."""

from __future__ import annotations

from typing import Literal

from graders.template.column import Rendered, render_column
from graders.template.grammar import Template, compile_hosted, hosted_parts
from graders.template.jinja import JinjaTemplate, compile_jinja
from graders.template.path import (
    MissingVariableError,
    Path,
    Rendering,
    SampleParseError,
    ToolArguments,
    resolve,
    to_text,
    without_nulls,
)

__all__ = [
    "Dialect",
    "JinjaTemplate",
    "MissingVariableError",
    "Path",
    "Rendered",
    "Rendering",
    "SampleParseError",
    "Template",
    "ToolArguments",
    "compile_template",
    "hosted_parts",
    "render_column",
    "resolve",
    "to_text",
    "without_nulls",
]

Dialect = Literal["hosted", "jinja2"]


def compile_template(
    text: str, dialect: Dialect = "hosted", rendering: Rendering = "json"
) -> Template | JinjaTemplate:
    """Compile a template.

    Args:
        text: the template.
        dialect: `hosted` is the documented grammar, `jinja2` the opt-in.
        rendering: how a jinja2 template shows values that are not text; for a hosted template
            `render_column` is told.

    Raises:
        TemplateError: `{{ }}` around anything but a path of the documented grammar, or `{{`
            without its `}}`; in the other dialect, not a template of it.
    """
    return compile_jinja(text, rendering) if dialect == "jinja2" else compile_hosted(text)
