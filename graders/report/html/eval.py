"""A run of an eval, or two side by side, as one offline page: figures exact over all rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from graders.evals.pair import pick_places
from graders.evals.sheet import RunItems, records, said_of, sheet, two_sheets
from graders.htmltext import element, script_json
from graders.report.html.document import packaged, policy, run_page
from graders.version import __version__

__all__ = ["Listed", "eval_page"]

MOST_BYTES: Final = 1_900_000
_MOST_ROWS: Final = 1000
_LIMITS: Final = (8000, 2000, 600, 240)
_MARK: Final = "<!--policy-->"


class Listed(list[dict[str, Any]]):
    """Output items that are all in memory, in the order of their rows."""

    def at(self, places: Iterable[int]) -> dict[int, dict[str, Any]]:
        """Return those at some places."""
        wanted = set(places)
        return {
            one["datasource_item_id"]: one for one in self if one["datasource_item_id"] in wanted
        }


def eval_page(
    eval_: Mapping[str, Any],
    run: Mapping[str, Any],
    items: RunItems,
    other: tuple[Mapping[str, Any], RunItems] | None = None,
) -> bytes:
    """Return the page: the same bytes for the same input, below 2 MB whatever the rows.

    Args:
        eval_: the eval as the API shows it.
        run: the run, too.
        items: its output items: `Listed`, or those of a store.
        other: another run of the eval with its items, to stand beside it.
    """
    data, rows = _one(eval_, run, items) if other is None else _two(eval_, (run, items), other)
    while True:
        for limit in _LIMITS:
            said = _said(data, len(rows), limit)
            text = script_json({**data, "rows": [_cut(row, limit) for row in rows], "said": said})
            page = _document(text)
            if len(page) <= MOST_BYTES or not rows:
                return page
        rows = rows[: len(rows) // 2]


def _one(
    eval_: Mapping[str, Any], run: Mapping[str, Any], items: RunItems
) -> tuple[dict[str, Any], list[Any]]:
    data = sheet(eval_, run, items)
    statuses, numbers = list[str](), list[int]()
    for one in items:
        statuses.append(one["status"])
        numbers.append(one["datasource_item_id"])
    picked = [numbers[place] for place in pick_places(statuses, _MOST_ROWS)]
    found = records(items, picked, _kept)
    rows = [found[place] for place in sorted(found)]
    # Where rows have to be left out, the last ones go: those to read first stay.
    rows.sort(key=lambda row: ("error", "fail", "pass").index(row["status"]))
    return data, rows


def _two(
    eval_: Mapping[str, Any],
    here: tuple[Mapping[str, Any], RunItems],
    there: tuple[Mapping[str, Any], RunItems],
) -> tuple[dict[str, Any], list[Any]]:
    data = two_sheets(eval_, here, there, whole=_kept)
    return data, data.pop("rows")


def _said(data: Mapping[str, Any], shown: int, limit: int) -> str:
    pairs = data.get("pairs")
    every = (
        data["counts"]["total"]
        if pairs is None
        else sum(pairs[name] for name in ("paired", "here", "there"))
    )
    said = said_of(every, shown, pairs=pairs is not None)
    return said + (f" Texts are cut after {limit:,} characters." if limit < _LIMITS[0] else "")


class _Begun(str):
    """The beginning of a text, with the length of the whole."""

    __slots__ = ("whole",)
    whole: int


def _kept(item: Mapping[str, Any]) -> Any:
    """Return what is kept in memory of an output item: the beginnings of its texts."""
    return _each(item, _begun)


def _begun(text: str) -> str:
    if len(text) <= _LIMITS[0]:
        return text
    begun = _Begun(text[: _LIMITS[0]])
    begun.whole = len(text)
    return begun


def _cut(value: Any, limit: int) -> Any:
    """Return a JSON value whose texts are at most that long; a cut one says how long it was."""

    def shown(text: str) -> str:
        length = text.whole if isinstance(text, _Begun) else len(text)
        return str(text) if length <= limit else f"{text[:limit]} … ({length:,} characters)"

    return _each(value, shown)


def _each(value: Any, change: Callable[[str], str]) -> Any:
    """Return a JSON value with each text in it changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {name: _each(one, change) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_each(one, change) for one in value]
    return value


def _document(data: str) -> bytes:
    said = f"Made by graders {__version__}. This page loads nothing."
    text, style, script = run_page([packaged("held.js")], data, said)
    meta = element("meta", http_equiv="Content-Security-Policy", content=policy(style, script))
    return text.replace(_MARK, meta, 1).encode()
