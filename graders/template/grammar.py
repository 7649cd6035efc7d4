"""Templates of the hosted dialect, compiled once.

Grammar of the hosted dialect (inner spaces are free):

    template  := (text | "{{" path "}}")*
    path      := ("item" | "sample") ("." key | "[" index "]")*
    key       := one or more letters, digits or underscores
    index     := one or more digits

Everything else is text: `{%`, `{#`, single braces, JSON around a template, a lone `}}`. `{{` opens
a path and nothing but a path; of more than two braces in a row, the last two open it. A rendered
value is never rendered again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from graders.errors import TemplateError, nearest, quoted
from graders.template.path import Path

__all__ = ["Template", "compile_hosted", "hosted_parts"]

_PATH: Final = re.compile(r"\s*(item|sample)\b((?:\s*\.\s*\w+|\s*\[\s*[0-9]+\s*\])*)\s*")
_STEP: Final = re.compile(r"\.\s*(\w+)|\[\s*([0-9]+)\s*\]")
_MAX_INDEX_DIGITS: Final = 18


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled template of the hosted dialect: texts and paths, in order."""

    text: str
    parts: tuple[str | Path, ...]

    @property
    def paths(self) -> tuple[Path, ...]:
        """The distinct paths, in order of appearance."""
        return tuple(dict.fromkeys(part for part in self.parts if isinstance(part, Path)))


def compile_hosted(text: str) -> Template:
    """Compile a template of the hosted dialect.

    Raises:
        TemplateError: `{{ }}` around anything but a path of the documented grammar, or `{{`
            without its `}}`.
    """
    parts: list[str | Path] = []
    at = 0
    while (opened := text.find("{{", at)) != -1:
        inside = opened + 2
        while text.startswith("{", inside):
            inside += 1
        opened = inside - 2
        match = _PATH.match(text, inside)
        if match is None or not text.startswith("}}", match.end()):
            raise _template_error(text, opened, inside)
        if opened > at:
            parts.append(text[at:opened])
        parts.append(Path(_namespace(match[1]), tuple(_steps(match[2]))))
        at = match.end() + 2
    if at < len(text) or not parts:
        parts.append(text[at:])
    return Template(text, tuple(parts))


def hosted_parts(text: str) -> tuple[str | Path, ...] | None:
    """Return the texts and paths of a hosted template, in order; None for what is none."""
    try:
        return compile_hosted(text).parts
    except TemplateError:
        return None


def _namespace(word: str) -> Literal["item", "sample"]:
    return "item" if word == "item" else "sample"


def _steps(text: str) -> Iterator[str | int]:
    for key, index in _STEP.findall(text):
        # An index beyond any list stays a number: it is missing in every row, not an error here.
        yield key or int((index.lstrip("0") or "0")[:_MAX_INDEX_DIGITS])


def _template_error(text: str, opened: int, inside: int) -> TemplateError:
    closed = text.find("}}", inside)
    newline = text.find("\n", inside)
    if closed == -1:
        end = len(text) if newline == -1 else newline
        message = "this {{ has no }}; write {{ item.name }} or {{ sample.output_text }}"
        return TemplateError(message, text=text, start=opened, end=min(end, opened + 40))
    content = text[inside:closed].strip()
    message = "only {{ item.… }} and {{ sample.… }} paths are templates" + _advice(content)
    return TemplateError(message, text=text, start=opened, end=closed + 2)


def _advice(content: str) -> str:
    if not content:
        return "; this one is empty"
    word = re.match(r"\w+", content)
    if "|" in content:
        return "; there are no filters"
    if "(" in content:
        return "; there are no calls"
    if re.search(r"\[\s*-", content):
        return "; an index counts from 0, there are no negative ones"
    if re.match(r"(item|sample)\s*[\[.].*[^\w.\[\] ]", content):
        return (
            "; a key is letters, digits and underscores "
            '(dialect="jinja2" reads other keys, written item["a key"])'
        )
    if word is None:
        return ""
    name = word.group()
    if name in ("item", "sample"):
        return "; a path is item.key or item.list[0]"
    near = nearest(name, ("item", "sample"))
    return f"; did you mean {near}?" if near else f"; {quoted(name)} is neither"
