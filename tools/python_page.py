"""Writes docs/reference/python.md from the docstrings of what `graders` exports; tools/reference.py calls it."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import re
import typing
from collections.abc import Iterator
from textwrap import dedent

import graders

WIDE = 92

HEAD = """# Every public name

What `import graders` gives, with what each takes, gives and raises, as its own docstring says. [Python API](api.md) shows how they are
used together.
"""

GROUPS = (
    "Functions",
    "Grading",
    "Graders made in Python",
    "Options",
    "Exceptions",
    "Calls and who performs them",
    "Results and parts",
)
_GRADING = ("Grader", "Grade", "Failure", "Explanation", "Usage", "Reward", "Run")
_SECTION = re.compile(
    r"^(Args|Attributes|Returns|Yields|Raises|Source|Example|Examples):(?: (.+))?$"
)
_TITLES = {
    "Args": "Takes",
    "Attributes": "Has",
    "Returns": "Gives",
    "Yields": "Yields",
    "Raises": "Raises",
}


def python_page(made: str) -> str:
    """Return docs/reference/python.md."""
    named: dict[str, list[str]] = {group: [] for group in GROUPS}
    for name in graders.__all__:
        if name != "__version__":
            named[_group(name, getattr(graders, name))].append(name)
    parts = [made, HEAD]
    for group, names in named.items():
        names.sort(key=lambda name: (_GRADING.index(name) if name in _GRADING else 99, name))
        parts.append(f"## {group}\n\n{' · '.join(f'[`{n}`](#{n.lower()})' for n in names)}\n")
        parts += [part for name in names for part in _described(name, getattr(graders, name))]
    return "\n".join(parts)


def _group(name: str, thing: object) -> str:
    if inspect.isfunction(thing):
        return "Functions"
    if name in _GRADING:
        return "Grading"
    if inspect.isclass(thing):
        if issubclass(thing, Exception):
            return "Exceptions"
        if issubclass(thing, graders.GraderConfig):
            return "Graders made in Python"
        if name.endswith(("Options", "Keywords")) or name in {"Reading", "Layout"}:
            return "Options"
        if name.endswith(
            ("Call", "Performer", "Performers", "Reply", "Sandbox", "ChatError", "PythonError")
        ):
            return "Calls and who performs them"
    return "Results and parts"


def _described(name: str, thing: typing.Any) -> Iterator[str]:
    """Yield the parts of a name: its signature, its docstring, and those of its members."""
    yield f"### {name}\n"
    if inspect.isfunction(thing) or (dataclasses.is_dataclass(thing) and isinstance(thing, type)):
        yield _signature(name, thing)
    yield _prose(inspect.getdoc(thing) or "")
    if (
        isinstance(thing, type)
        and issubclass(thing, graders.GraderConfig)
        and thing is not graders.GraderConfig
    ):
        yield f"Its fields stand in [configs](config.md#{_type(thing)}).\n" if _type(thing) else ""
    for member, value in _members(thing):
        called = value.fget if isinstance(value, property) else value
        if isinstance(value, property):
            yield f"#### {name}.{member}\n"
        else:
            yield f"#### {name}.{member}()\n\n{_signature(member, called)}"
        yield _prose(inspect.getdoc(called) or "")


def _type(kind: type) -> str:
    default = kind.model_fields["type"].default if "type" in kind.model_fields else None  # type: ignore[attr-defined]
    return default if isinstance(default, str) else ""


def _members(thing: typing.Any) -> Iterator[tuple[str, typing.Any]]:
    if not inspect.isclass(thing) or issubclass(thing, enum.Enum):
        return
    for base in reversed(thing.__mro__):
        if not base.__module__.startswith("graders."):
            continue
        for member, value in vars(base).items():
            plain = value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
            if member.startswith("_") or getattr(thing, member, None) is None:
                continue
            ours = inspect.isfunction(plain) or isinstance(plain, property)
            if ours and inspect.getdoc(plain) and vars(thing).get(member, value) is value:
                yield member, plain


def _signature(name: str, called: typing.Any) -> str:
    """Return how something is called, on one line where it fits, as a block."""
    found = inspect.signature(called)
    words, starred = [], False
    for one in found.parameters.values():
        if one.name in {"self", "cls"}:
            continue
        if one.kind is one.KEYWORD_ONLY and not starred:
            starred = True
            words.append("*")
        starred |= one.kind is one.VAR_POSITIONAL
        words.append(_parameter(one))
    gives = (
        ""
        if inspect.isclass(called) or found.return_annotation is found.empty
        else f" -> {_hint(found.return_annotation)}"
    )
    line = f"{name}({', '.join(words)}){gives}"
    if len(line) > WIDE:
        line = f"{name}(\n" + "".join(f"    {word},\n" for word in words) + f"){gives}"
    return f"```text\n{line}\n```\n"


def _parameter(one: inspect.Parameter) -> str:
    stars = {one.VAR_POSITIONAL: "*", one.VAR_KEYWORD: "**"}.get(one.kind, "")
    hint = "" if one.annotation is one.empty else f": {_hint(one.annotation)}"
    default = "" if one.default is one.empty else f" = {_default(one.default)}"
    return f"{stars}{one.name}{hint}{default}"


def _hint(annotation: typing.Any) -> str:
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return re.sub(r"\b(?:typing|collections\.abc|configs|graders(?:\.\w+)+)\.", "", text)


def _default(value: object) -> str:
    text = repr(value)
    return "..." if text.startswith("<") else text


def _prose(text: str) -> str:
    """Return a docstring in Google's form as Markdown."""
    made: list[str] = []
    section: list[str] | None = None
    for line in text.splitlines():
        head = _SECTION.match(line)
        if head:
            made += _section(section) if section is not None else []
            made.append(
                f"\n**{_TITLES.get(head[1], head[1])}**{f': {head[2]}' if head[2] else ''}\n"
            )
            section = []
        elif section is not None and (line.startswith("    ") or not line.strip()):
            section.append(line)
        else:
            made += _section(section) if section is not None else []
            section = None
            made.append(line)
    made += _section(section) if section is not None else []
    return _fenced(re.sub(r"\n{3,}", "\n\n", "\n".join(made))).strip() + "\n"


def _section(lines: list[str]) -> list[str]:
    """Return the entries of a section as a list, or its text as it stands."""
    items = re.split(r"\n(?=\S)", dedent("\n".join(lines)).strip())
    entry = re.compile(r"([\w.*]+): (.*)", re.DOTALL)
    told = [entry.fullmatch(one) for one in items]
    if not all(told):
        return [*items, ""]
    return [*(f"- `{one[1]}`: {' '.join(one[2].split())}" for one in told if one), ""]


def _fenced(text: str) -> str:
    return re.sub(
        r"(?<=\n\n)(?: {4}.*(?:\n|$)(?:\n(?= {4}))*)+",
        lambda found: f"```text\n{dedent(found[0]).rstrip()}\n```\n",
        text,
    )
