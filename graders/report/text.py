"""Texts of rows as they may stand on a terminal, where nothing in them can steer it, and tables of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from rich.cells import cell_len, chop_cells
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.table import Table
from rich.text import Text

__all__ = ["clean", "columns", "fitted", "hint", "shortened", "wrapped"]

_HANG: Final = 4
"""Columns by which a line that goes on is set in, besides what its beginning is."""
_LEAST: Final = 20
"""Columns that a text gets at least, however narrow the terminal."""


def clean(text: str) -> str:
    """Return a text with what could steer a terminal, or cannot be written, shown as `�`."""
    return "".join(c if c.isprintable() or c in "\n\t" else "�" for c in text)


def shortened(text: str, limit: int) -> Text:
    """Return the beginning of a text in one line, clean."""
    if not text:
        return Text("(empty)", "dim")
    shown = clean(text[:limit].replace("\n", "⏎").replace("\t", " "))
    return Text(shown + ("…" if len(text) > limit else ""))


def hint(code: str) -> Text:
    """Return the line that says who knows more of a code."""
    return Text(f"graders explain {code} says more", "dim")


def columns(*texts: str, figures: Sequence[str] = (), gap: int = 2, whole: bool = False) -> Table:
    """Return a table without lines: columns of texts, then columns of figures, by their headings.

    Args:
        texts: the headings of texts.
        figures: the headings of figures.
        gap: spaces between columns.
        whole: whether figures stand in one line each, however little room that leaves for texts.
    """
    table = Table(box=None, padding=(0, gap, 0, 0), pad_edge=False)
    for heading in texts:
        table.add_column(heading, overflow="fold", min_width=min(len(heading), 12))
    for heading in figures:
        table.add_column(heading, justify="right", no_wrap=whole)
    return table


def wrapped(text: str, width: int) -> list[str]:
    """Return a text as lines of at most so many columns; a line that goes on is set in.

    Only what can be broken is: a path, an id or an address longer than a line stays whole, for it is
    there to be copied. Characters of two columns count so.
    """
    lines = []
    for line in text.split("\n"):
        inset, ends = _breaks(line, width)
        begins = [0, *ends]
        for begin, end in zip(begins, [*ends, len(line)], strict=True):
            lines.append((" " * inset if begin else "") + line[begin:end].rstrip(" "))
    return lines


def fitted(view: RenderableType) -> RenderableType:
    """Return a view whose lines of text are wrapped as `wrapped` does it; tables fit by themselves."""
    if isinstance(view, Group):
        return Group(*map(fitted, view.renderables))
    if isinstance(view, str):
        view = Text(view)
    return _Lines(view) if isinstance(view, Text) else view


class _Lines:
    """A text whose lines go on set in."""

    def __init__(self, text: Text) -> None:
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        for line in self._text.split("\n", allow_blank=True):
            inset, ends = _breaks(line.plain, options.max_width)
            for place, part in enumerate(line.divide(ends)):
                part.rstrip()
                shown = Text(" " * inset if place else "").append_text(part)
                shown.style, shown.no_wrap, shown.overflow = line.style, True, "ignore"
                yield shown


def _breaks(line: str, width: int) -> tuple[int, list[int]]:
    """Return how far lines that go on are set in, and where they begin."""
    inset = min(len(line) - len(line.lstrip(" ")), width // 2) + _HANG
    inset = min(inset, max(width - _LEAST, 0))
    ends: list[int] = []
    used, at = 0, 0
    for word in _words(line, max(width - inset, _LEAST)):
        wide = cell_len(word.rstrip(" "))
        if used + wide > width and (line[:at].strip(" ") or used > inset):
            ends.append(at)
            used = inset
        used += cell_len(word)
        at += len(word)
    return inset, ends


def _words(line: str, most: int) -> Iterator[str]:
    """Yield what a line can be broken into: words with the spaces after them, and parts of long ones."""
    for word in re.findall(r"^ +|[^ ]+ *", line):
        bare = word.strip(" ")
        if cell_len(bare) <= most:
            yield word
        elif "|" in bare:  # A metric's signature.
            yield from re.findall(r"[^|]*\||[^|]+", word)
        elif cell_len(bare) > len(bare):  # Scripts that put no spaces between words.
            yield from chop_cells(word, most)
        else:
            yield word
