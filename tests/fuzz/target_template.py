"""Templates over hostile rows: refused with a place, or rendered as jinja2's own sandbox does.

Input: the template, 0xFF, and a row of JSON.
"""

from __future__ import annotations

import json
import re
from typing import Any

from jinja2 import StrictUndefined
from jinja2 import TemplateError as JinjaError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from graders.errors import TemplateError
from graders.jsontext import DEEPEST, nests_deeper
from graders.sample import Wanted, prepare
from graders.template import Path, Template, compile_template, render_column
from tests.fuzz import row

TOKENS = (
    *row.TOKENS, b"{{ item.a }}", b"{{sample.output_text}}", b"{{ sample.output_json.a[0] }}",
    b"{{ sample }}", b"{{ item }}", b"{{", b"}}", b"{%", b"{#", b"{{{", b"item.", b"[0]", b"[-1]",
    b"[99999999999999999999]", b".arguments.a", b".items", b".__class__", b" | upper", b"()",
    b"\xff", b"\n", b"\r\n",
)  # fmt: skip
_CODES = ("invalid_variable_error", "sample_parse_error")


def target(data: bytes) -> None:
    first, _, rest = data.partition(b"\xff")
    text = row.text_of(first)
    template = _compiled(text)
    if isinstance(template, TemplateError):
        assert text.startswith("{{", template.start)
        assert str(template).count("\n") == 2
        return
    assert isinstance(template, Template)
    item, raw = row.row_of(rest)
    try:
        sample = prepare(raw, Wanted(output_json=True))
    except ValueError:
        sample = None
    for rendering in ("json", "python"):
        for arguments in ("parsed", "text"):
            _check_column(template, item, sample, rendering, arguments)
    alone = render_column(template, [item], [sample], tool_arguments="text")
    if not alone.failures and sample is not None:
        _check_by_jinja(template, item, sample, alone.texts[0])


def _compiled(text: str) -> Any:
    try:
        return compile_template(text)
    except TemplateError as error:
        return error


def _check_column(template: Any, item: Any, sample: Any, rendering: Any, arguments: Any) -> None:
    alone = render_column(template, [item], [sample], rendering=rendering, tool_arguments=arguments)
    # The second row sends the column the careful way.
    both = render_column(
        template, [item, None], [sample, None], rendering=rendering, tool_arguments=arguments
    )
    assert alone.texts[0] == both.texts[0]
    assert alone.failures.get(0) == both.failures.get(0)
    for failure in alone.failures.values():
        assert failure.code in _CODES
        assert failure.message
        assert "\0" not in failure.message
        assert alone.texts[0] == ""


def _check_by_jinja(template: Template, item: Any, sample: Any, expected: str) -> None:
    if re.search(r"\{\{\{|\{%|\{#|\r", template.text) or any(map(_is_odd, template.paths)):
        return  # The languages differ there.
    environment = _Environment(
        undefined=StrictUndefined, finalize=_shown, keep_trailing_newline=True
    )
    seen = {"output_text": sample} if isinstance(sample, str) else sample
    try:
        other = environment.from_string(template.text)
        shown = other.render(item=item, sample=seen)
    except (JinjaError, UnicodeError, RecursionError):
        return
    assert shown == expected


def _is_odd(path: Path) -> bool:
    """Whether jinja2 has no such path: its keys are Python's words."""
    keys = [step for step in path.steps if isinstance(step, str)]
    # A sample as a whole may hold what could not be parsed.
    return path.steps == () or not all(key.isascii() and key.isidentifier() for key in keys)


class _Environment(ImmutableSandboxedEnvironment):
    """Keys come before methods, as in our own templates."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        found = isinstance(obj, dict) and attribute in obj
        return obj[attribute] if found else super().getattr(obj, attribute)


def _shown(value: Any) -> Any:
    if isinstance(value, str | StrictUndefined):
        return value
    assert not nests_deeper(value, DEEPEST)
    return json.dumps(value, ensure_ascii=False)
