"""The JSON of other commands (diff, probe) as sections: known keys well, all others plainly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from graders import jsontext
from graders.htmltext import Html, element, shortened
from graders.report.html.chart import meter
from graders.report.html.table import Column, facts, row_link, section, table
from graders.report.terminal import number

__all__ = ["appendix", "named_rows"]

_MOST_ROWS: Final = 100
_MOST_COLUMNS: Final = 12
_MOST_BYTES: Final = 400_000
_CELL: Final = 200
_DEPTH: Final = 4
_INDEX: Final = ("index", "row", "row_index")
"""Keys whose value is a row's index."""
_INDEXES: Final = ("worst", "rows", "indexes", "first", "worst_rows")
"""Keys whose value may be a list of rows' indexes."""


def named_rows(body: Any, most: int = 200) -> Iterator[int]:
    """Yield the indexes of rows that a JSON value names, the first of them first."""
    left = [body]
    while left and most:
        value = left.pop(0)
        if isinstance(value, Mapping):
            for key, one in value.items():
                if key in _INDEX and _is_index(one):
                    most -= 1
                    yield one
                elif key in _INDEXES and isinstance(one, list) and all(map(_is_index, one)):
                    yield from one[:most]
                    most = max(most - len(one), 0)
                elif isinstance(one, Mapping | list):
                    left.append(one)
                if not most:
                    return
        elif isinstance(value, list):
            left += [one for one in value[:_MOST_ROWS] if isinstance(one, Mapping | list)]


def _is_index(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def appendix(name: str, title: str, body: Mapping[str, Any], shown: frozenset[int]) -> Html:
    """Return a section for a JSON object.

    Args:
        name: the section's id.
        title: its heading.
        body: the object: single values become facts, lists of objects tables, objects parts.
        shown: indexes of rows that can be opened.
    """
    page = _Appendix(shown)
    page.add(body, 0)
    if page.full:
        page.found.append(element("p", "More is in the JSON than is shown here.", class_="lead"))
    return section(name, title, *page.found)


@dataclass(slots=True)
class _Appendix:
    """Pieces of a section, up to so many bytes."""

    shown: frozenset[int]
    found: list[Html] = field(default_factory=list)
    full: bool = False
    _bytes: int = 0

    def add(self, body: Mapping[str, Any], depth: int) -> None:
        """Add an object's single values, then its tables, then the objects in it."""
        plain = [(k, v) for k, v in body.items() if not _is_many(v)]
        if plain:
            self._put(facts((_words(k), self._cell(k, v)) for k, v in plain[:_MOST_ROWS]))
        for key, value in body.items():
            if isinstance(value, list) and value and _is_many(value):
                self._title(key, depth)
                self._put(self._table(_words(key), value))
        for key, value in body.items():
            if not isinstance(value, Mapping) or not value:
                continue
            self._title(key, depth)
            if all(isinstance(one, Mapping) for one in value.values()):
                records = [{"": name, **one} for name, one in value.items()]
                self._put(self._table(_words(key), records))
            elif depth < _DEPTH:
                self.add(value, depth + 1)
            else:
                self._put(element("p", _plain(value)))

    def _title(self, key: str, depth: int) -> None:
        self._put(element(f"h{min(depth + 3, 6)}", _words(key)))

    def _put(self, piece: Html) -> None:
        size = len(piece.encode())
        if self._bytes + size > _MOST_BYTES:
            self.full = True
            return
        self._bytes += size
        self.found.append(piece)

    def _table(self, title: str, records: Sequence[Mapping[str, Any]]) -> Html:
        cut = records[:_MOST_ROWS]
        keys = list(dict.fromkeys(str(key) for one in cut for key in one))
        self.full = self.full or len(cut) < len(records) or len(keys) > _MOST_COLUMNS
        keys = keys[:_MOST_COLUMNS]
        columns = [
            Column(
                _words(key),
                is_number=key not in _INDEX and any(_is_number(one.get(key)) for one in cut),
            )
            for key in keys
        ]
        rows = [[self._cell(key, one.get(key)) for key in keys] for one in cut]
        return table(title, columns, rows, heads=False)

    def _cell(self, key: str, value: Any) -> str:
        if key in _INDEX and _is_index(value):
            return row_link(value, self.shown)
        if key in _INDEXES and isinstance(value, list) and value and all(map(_is_index, value)):
            links = [part for one in value[:8] for part in (row_link(one, self.shown), " ")]
            return element("span", *links)
        if _is_number(value):
            if isinstance(value, float) and 0 <= value <= 1 and key in ("mean", "max", "share"):
                return element("span", meter(value), f" {number(value)}", class_="share")
            return number(value) if isinstance(value, float) else f"{value:,}"
        return shortened(_plain(value), _CELL)


def _is_many(value: Any) -> bool:
    """Whether a value needs more than a cell: an object, or a list of objects."""
    if isinstance(value, list):
        return bool(value) and all(isinstance(one, Mapping) for one in value)
    return isinstance(value, Mapping) and bool(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _words(key: str) -> str:
    """Return a JSON key as a heading."""
    text = shortened(str(key), 80).replace("_", " ").strip()
    return text[:1].upper() + text[1:]


def _plain(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(not isinstance(one, Mapping | list) for one in value):
        return ", ".join(_plain(one) for one in value[:40])
    if isinstance(value, Mapping) and all(not _is_many(one) for one in value.values()):
        return ", ".join(f"{key} {_short(one)}" for key, one in list(value.items())[:40])
    return jsontext.encode(value).decode()


def _short(value: Any) -> str:
    return number(value) if isinstance(value, float) else _plain(value)
