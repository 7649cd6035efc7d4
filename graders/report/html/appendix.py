"""The JSON of other commands (diff, probe) as sections: known keys well, all others plainly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeGuard

from graders import jsontext
from graders.htmltext import Html, columns, element, shortened
from graders.report.html.chart import meter
from graders.report.html.table import Column, facts, row_link, section, table
from graders.report.terminal import number

__all__ = ["appendix", "named_rows"]

_MOST_ROWS: Final = 100
_MOST_COLUMNS: Final = 10
_MOST_BYTES: Final = 400_000
_CELL: Final = 200
_DEPTH: Final = 4
_INDEX: Final = ("index", "row", "row_index")
"""Keys whose value is a row's index."""
_INDEXES: Final = ("worst", "rows", "indexes", "first", "worst_rows")
"""Keys whose value may be a list of rows' indexes."""
_SHARES: Final = ("mean", "max", "share", "expected")
"""Keys whose figure is drawn, too."""
_FIRST: Final = (
    *_INDEX, "", "attack", "name", "title", "id", "sub_grader", "given", "variant", "expected", "honest",
    "highest", "mean", "max", "reached", "beaten", "payer", "a", "b", "delta", "mean_delta",
)  # fmt: skip
"""Keys whose columns stand first, in this order."""
_INTERVAL: Final = "_95"
_METHOD: Final = "_95_method"
"""Ends of keys whose values are the ends of an interval, and how it comes about."""
_BAR: Final = {"from", "to", "count"}


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


def _is_index(value: Any) -> TypeGuard[int]:
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
    pieces = page.pieces(body, 0)
    if page.is_cut:
        pieces.append(element("p", "More is in the JSON than is shown here.", class_="lead"))
    return section(name, title, *pieces)


@dataclass(slots=True)
class _Appendix:
    """Makes pieces of a section, up to so many bytes."""

    shown: frozenset[int]
    is_cut: bool = False
    _left: int = _MOST_BYTES

    def pieces(self, body: Mapping[str, Any], depth: int) -> list[Html]:
        """Return an object's single values, then its tables, then the objects in it."""
        found: list[Html] = []
        plain = [(k, v) for k, v in body.items() if not _is_many(v) and not _is_empty(v)]
        if plain:
            known = (
                (_words(k), self._cell(k, v, str(body.get(f"{k}_method") or "")))
                for k, v in plain[:_MOST_ROWS]
                if not k.endswith(_METHOD)
            )
            found += self._kept(facts(known))
        for key, value in body.items():
            if isinstance(value, list) and _is_many(value):
                found += self._under(key, depth, self._records(key, value, depth))
        for key, value in body.items():
            if isinstance(value, Mapping) and value:
                found += self._under(key, depth, self._inner(key, value, depth))
        return found

    def _under(self, key: str, depth: int, pieces: list[Html]) -> list[Html]:
        heading = self._kept(element(f"h{min(depth + 3, 6)}", _words(key))) if pieces else []
        return [*heading, *pieces]

    def _kept(self, piece: Html) -> list[Html]:
        self._left -= len(piece.encode())
        self.is_cut = self.is_cut or self._left < 0
        return [piece] if self._left >= 0 else []

    def _inner(self, key: str, body: Mapping[str, Any], depth: int) -> list[Html]:
        if all(isinstance(one, Mapping) for one in body.values()):
            return self._records(key, [{"": name, **one} for name, one in body.items()], depth)
        if depth < _DEPTH:
            return self.pieces(body, depth + 1)
        return self._kept(element("p", shortened(_plain(body), _CELL)))

    def _records(self, key: str, records: Sequence[Mapping[str, Any]], depth: int) -> list[Html]:
        """Return objects as a table, and what does not fit into its cells below it, closed."""
        self.is_cut = self.is_cut or len(records) > _MOST_ROWS
        cut = records[:_MOST_ROWS]
        if all(one.keys() >= _BAR and _is_number(one["count"]) for one in cut):
            return self._kept(_bars(_words(key), cut))
        found = self._kept(self._table(_words(key), cut))
        more = [piece for one in cut for piece in self._behind(one, depth)]
        if more:
            found.append(element("details", element("summary", "More on each"), *more))
        return found

    def _behind(self, record: Mapping[str, Any], depth: int) -> list[Html]:
        """Return what of a record fits into no cell, closed until it is asked for."""
        more = {k: v for k, v in record.items() if _is_many(v) and not _is_small(v)}
        if not more or self._left < 0 or depth >= _DEPTH:
            return []
        inner = self.pieces(more, depth + 1)
        return [element("details", element("summary", _name_of(record)), *inner)] if inner else []

    def _table(self, title: str, records: Sequence[Mapping[str, Any]]) -> Html:
        keys = [
            str(key)
            for key in dict.fromkeys(key for one in records for key in one)
            if not str(key).endswith(_METHOD) and any(_fits(key, one.get(key)) for one in records)
        ]
        keys.sort(key=lambda key: _FIRST.index(key) if key in _FIRST else len(_FIRST))
        self.is_cut = self.is_cut or len(keys) > _MOST_COLUMNS
        keys = keys[:_MOST_COLUMNS]
        heads = [
            Column(
                _words(key),
                is_number=key not in _INDEX
                and any(_is_number(_gist(one.get(key))) for one in records),
            )
            for key in keys
        ]
        rows = [[self._cell(key, one.get(key)) for key in keys] for one in records]
        return table(title, heads, rows, heads=False)

    def _cell(self, key: str, value: Any, method: str = "") -> str:
        if key == "" and value == "":
            return element("span", "(none)")
        if str(key).endswith(_INTERVAL) and isinstance(value, list):
            said = f" ({shortened(method, _CELL)})" if method else ""
            return element("span", element("span", _plain(value), class_="n"), said)
        if key in _INDEX and _is_index(value):
            return row_link(value, self.shown)
        if key in _INDEXES and (indexes := _indexes(value)):
            links = [part for one in indexes[:8] for part in (row_link(one, self.shown), " ")]
            return element("span", *links)
        value = _gist(value)
        if isinstance(value, float):
            if 0 <= value <= 1 and key in _SHARES:
                return element("span", meter(value), f" {number(value)}", class_="share")
            return number(value)
        if _is_number(value):
            return f"{value:,}"
        return shortened(_plain(value), _CELL)


def _name_of(record: Mapping[str, Any]) -> str:
    """Return what a record is called: its first text or number."""
    found = sorted(
        (key for key, value in record.items() if isinstance(value, str | int) and value != ""),
        key=lambda key: _FIRST.index(key) if key in _FIRST else len(_FIRST),
    )
    if not found:
        return "More"
    row = "Row " if found[0] in _INDEX else ""
    return row + shortened(_plain(record[found[0]]), 80)


def _bars(title: str, records: Sequence[Mapping[str, Any]]) -> Html:
    """Return a distribution as a chart with its ends."""
    bars = [(f"{_plain(one['from'])} – {_plain(one['to'])}", int(one["count"])) for one in records]
    spelled = "; ".join(f"{name}: {count:,}" for name, count in bars if count)
    ends = [_plain(records[0]["from"]), _plain(records[-1]["to"])]
    return element(
        "figure",
        element("div", columns(bars, label=f"{title}. {spelled}", counts=True), class_="plot"),
        element("div", *(element("span", end) for end in ends), class_="ticks", aria_hidden="true"),
    )


def _gist(value: Any) -> Any:
    """Return the figure that stands for an object of figures; else the value itself."""
    if isinstance(value, Mapping):
        return next((value[k] for k in ("expected", "mean") if _is_number(value.get(k))), value)
    return value


def _indexes(value: Any) -> list[int]:
    """Return the rows that a list names, by index or by objects with an index."""
    if not isinstance(value, list):
        return []
    found = [one.get("index") if isinstance(one, Mapping) else one for one in value]
    indexes = [one for one in found if _is_index(one)]
    return indexes if len(indexes) == len(found) else []


def _fits(key: str, value: Any) -> bool:
    """Whether a value says something in a cell."""
    if _is_many(value):
        return (
            _is_small(value)
            or _gist(value) is not value
            or (key in _INDEXES and bool(_indexes(value)))
        )
    return not _is_empty(value)


def _is_small(value: Any) -> bool:
    """Whether an object can be read in a cell."""
    if not isinstance(value, Mapping) or len(value) > 4:
        return False
    return not any(isinstance(one, Mapping | list) for one in value.values())


def _is_empty(value: Any) -> bool:
    return value is None or value in ("", [], {})


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
    text = {"by": "by category"}.get(text, f"{text}%" if text.endswith(" 95") else text)
    return text[:1].upper() + text[1:]


def _plain(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return number(value)
    if isinstance(value, list) and all(not isinstance(one, Mapping | list) for one in value):
        is_interval = len(value) == 2 and all(isinstance(one, float) for one in value)
        return (" … " if is_interval else ", ").join(_plain(one) for one in value[:40])
    if isinstance(value, Mapping) and all(not _is_many(one) for one in value.values()):
        return ", ".join(f"{key} {_plain(one)}" for key, one in list(value.items())[:40])
    return jsontext.encode(value).decode()
