"""Texts of rows as they may stand on a terminal: nothing in them can steer it."""

from __future__ import annotations

from rich.text import Text

__all__ = ["clean", "shortened"]


def clean(text: str) -> str:
    """Return a text with what could steer a terminal, or cannot be written, shown as `�`."""
    return "".join(c if c.isprintable() or c in "\n\t" else "�" for c in text)


def shortened(text: str, limit: int) -> Text:
    """Return the beginning of a text in one line, clean."""
    if not text:
        return Text("(empty)", "dim")
    shown = clean(text[:limit].replace("\n", "⏎").replace("\t", " "))
    return Text(shown + ("…" if len(text) > limit else ""))
