"""Texts of rows as they may stand on a terminal, where nothing in them can steer it, and tables of them."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

__all__ = ["clean", "columns", "shortened"]


def clean(text: str) -> str:
    """Return a text with what could steer a terminal, or cannot be written, shown as `�`."""
    return "".join(c if c.isprintable() or c in "\n\t" else "�" for c in text)


def shortened(text: str, limit: int) -> Text:
    """Return the beginning of a text in one line, clean."""
    if not text:
        return Text("(empty)", "dim")
    shown = clean(text[:limit].replace("\n", "⏎").replace("\t", " "))
    return Text(shown + ("…" if len(text) > limit else ""))


def columns(*texts: str, figures: Sequence[str] = (), gap: int = 3) -> Table:
    """Return a table without lines: columns of texts, then columns of figures, by their headings."""
    table = Table(*texts, box=None, padding=(0, gap, 0, 0))
    for heading in figures:
        table.add_column(heading, justify="right")
    return table
