"""Views as GitHub's Markdown: for step summaries, comments and pages. No text of a row can be more than text.

What stands on a terminal as lines and tables stands here as paragraphs and tables; lines that are set in
are code, for their columns mean something.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

__all__ = ["escaped", "markdown", "within"]

_MARKS: Final = frozenset("\\`*_[]~")
_ENTITIES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "$": "&#36;", "|": "&#124;"}
_BEGINS: Final = re.compile(r"^(\s*)([-+=#]|\d+(?=[.)]))")
"""What makes a list, a heading or a line of a text that begins with it."""
_APART: Final = (
    "&#8203;"  # A space of no width: nobody is told, nothing becomes a link or a picture.
)
_LINKED: Final = re.compile(
    r"@|(?<!&)#(?=\d)|\bGH(?=-\d)|:(?=//)|\bwww(?=\.)|:(?=[\w+\\-]+:)", re.IGNORECASE
)
_ALIGNED: Final = {"right": "---:", "center": ":---:"}


def markdown(view: RenderableType, title: str) -> str:
    """Return a view as Markdown under a heading; it ends with an empty line, for more may follow."""
    parts = [f"### {escaped(title)}", *_blocks(list(_flat(view)))]
    return "\n\n".join(parts) + "\n\n"


def within(text: str, room: int) -> str:
    """Return as many whole lines of a Markdown text as fit into so many bytes, and say that it is cut."""
    if len(text.encode()) <= room:
        return text
    said = "\n\n*Cut off here: there is no room for more.*\n\n"
    left = room - len(said.encode()) - 64  # For the fence that may have to be closed.
    if left <= 0:
        return ""
    kept: list[str] = []
    fence = ""
    for line in text.split("\n"):
        left -= len(line.encode()) + 1
        if left < 0:
            break
        if match := re.match("`{3,}", line):
            fence = "" if line == fence else fence or match[0]
        kept.append(line)
    return "\n".join([*kept, *([fence] if fence else [])]) + said


def escaped(text: str) -> str:
    """Return a text of one line as Markdown that shows just it: no markup, no HTML, no link, no mention."""
    shown = "".join(map(_escaped, " ".join(text.splitlines()).strip()))
    shown = _BEGINS.sub(_begun, shown)
    return _LINKED.sub(lambda match: match[0] + _APART, shown)


def _begun(match: re.Match[str]) -> str:
    mark = match[2]
    return match[1] + (f"{mark}\\" if mark.isdigit() else f"\\{mark}")


def _escaped(character: str) -> str:
    if not character.isprintable():
        return "�"
    if character in _ENTITIES:
        return _ENTITIES[character]
    return f"\\{character}" if character in _MARKS else character


def _flat(view: RenderableType) -> Iterator[RenderableType]:
    if isinstance(view, Group):
        for one in view.renderables:
            yield from _flat(one)
    elif isinstance(view, str | Text):
        plain = view if isinstance(view, str) else view.plain
        yield from plain.split("\n")
    else:
        yield view


def _blocks(lines: Sequence[RenderableType]) -> Iterator[str]:
    """Yield paragraphs, blocks of code and tables."""
    for is_text, some in groupby(lines, lambda one: isinstance(one, str)):
        if not is_text:
            yield from (
                _table(one) if isinstance(one, Table) else _code(_drawn(one)) for one in some
            )
            continue
        for is_blank, block in groupby(map(str, some), lambda line: not line.strip()):
            if not is_blank:
                yield from _paragraphs(list(block))


def _paragraphs(lines: Sequence[str]) -> Iterator[str]:
    for is_set_in, some in groupby(lines, lambda line: line.startswith("  ")):
        if is_set_in:
            yield _code("\n".join(some))
        else:
            yield "  \n".join(map(escaped, some))


def _code(text: str) -> str:
    clean = "".join(c if c.isprintable() or c == "\n" else "�" for c in text)
    longest = max((len(run) for run in re.findall("`+", clean)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{clean}\n{fence}"


def _table(table: Table) -> str:
    columns = [[_cell(one) for one in column.cells] for column in table.columns]
    heads = [_cell(one.header) if table.show_header else "" for one in table.columns]
    aligned = [_ALIGNED.get(one.justify, "---") for one in table.columns]
    rows = [heads, aligned, *(list(row) for row in zip(*columns, strict=True))]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cell(one: RenderableType) -> str:
    plain = one if isinstance(one, str) else one.plain if isinstance(one, Text) else _drawn(one)
    return "<br>".join(escaped(line) for line in plain.split("\n")).strip()


def _drawn(view: RenderableType) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=100, color_system=None, markup=False, emoji=False, highlight=False)  # fmt: skip
    console.print(view)
    return stream.getvalue().rstrip("\n")
