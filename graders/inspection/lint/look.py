"""What cells of text look like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from graders import jsontext

__all__ = ["looks_of"]

_BOOLS: Final = frozenset({"true", "false"})


def looks_of(item: Any) -> Mapping[str, str]:
    """Return what each cell of a row looks like: `bool`, `number`, `JSON`, `text`; empty ones left out."""
    if not isinstance(item, dict):
        return {}
    return {name: _look(value) for name, value in item.items() if value and isinstance(value, str)}


def _look(cell: str) -> str:
    text = cell.strip()
    if text.lower() in _BOOLS:
        return "bool"
    if text[:1] not in "[{-0123456789":
        return "text"
    try:
        value = jsontext.decode(text)
    except ValueError:
        return "text"
    return "JSON" if isinstance(value, dict | list) else "number"
