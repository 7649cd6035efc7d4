"""Pages of a list: what comes after an id, so many at most, and whether there is more."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Final

from graders.errors import nearest, quoted
from graders.wire.error import refused

__all__ = ["Page", "is_descending", "page", "size_of"]

Page = tuple[list[dict[str, Any]], bool]
"""Entries of a list, and whether more follow."""

_HEAVIEST: Final = 16 << 20

_ORDERS: Final = {"asc": False, "ascending": False, "desc": True, "descending": True}


def size_of(limit: Any, default: int, most: int) -> int:
    """Return how many entries a page has at most.

    Raises:
        ApiError: the limit is not a whole number from 0 to `most`.
    """
    if limit is None:
        return default
    if isinstance(limit, bool) or not isinstance(limit, int) or not 0 <= limit <= most:
        raise refused(f"limit is a whole number from 0 to {most:,}, got {quoted(limit)}", "limit")
    return limit


def is_descending(order: Any, *, otherwise: bool = True) -> bool:
    """Return whether a list is newest first; `otherwise` says it where no order was asked for.

    Raises:
        ApiError: `order` is no order.
    """
    if order is None:
        return otherwise
    if not isinstance(order, str) or order not in _ORDERS:
        near = nearest(order, _ORDERS) if isinstance(order, str) else None
        hint = f"; did you mean {near}?" if near else ""
        raise refused(f"order is asc or desc, got {quoted(order)}{hint}", "order")
    return _ORDERS[order]


def page(
    base: sqlite3.Connection,
    table: str,
    where: str,
    values: Sequence[Any],
    *,
    after: str | None,
    size: int,
    descending: bool = True,
    key: str | None = None,
    weight: str | None = None,
) -> tuple[list[sqlite3.Row], bool]:
    """Return the rows of one page of a table, and whether more follow.

    Args:
        base: the connection.
        table: a table with the columns place and id.
        where: the condition of the list.
        values: what stands for its question marks.
        after: the id of the last row of the page before; it may have been deleted since.
        size: how many rows at most.
        descending: whether the newest come first.
        key: the column that they are ordered by before their places; None for none.
        weight: what says how large a row is. A page ends early, with more to follow, where its rows
            are larger together than an answer should be.

    Raises:
        ApiError: there never was a row with the id `after`.
    """
    bounds: list[Any] = []
    order, side = ("DESC", "<") if descending else ("ASC", ">")
    columns = "place" if key is None else f"{key}, place"
    if after is not None:
        found = base.execute(f"SELECT {columns} FROM {table} WHERE id=?", (after,)).fetchone()  # noqa: S608
        if found is None:
            raise refused(
                f"after is the id of the last entry of the page before; there is no {quoted(after)}",
                "after",
            )
        where += f" AND ({columns}) {side} ({', '.join('?' * len(found))})"
        bounds = [*found]
    ordered = ", ".join(f"{one} {order}" for one in columns.split(", "))
    # The words are this program's own; what comes from outside stands for question marks.
    query = f"SELECT {{}} FROM {table} WHERE {where} ORDER BY {ordered} LIMIT ?"  # noqa: S608
    if weight is not None:
        size = min(size, _lifted(base.execute(query.format(weight), (*values, *bounds, size))))
    rows = base.execute(query.format("*"), (*values, *bounds, size + 1)).fetchall()
    return rows[:size], len(rows) > size


def _lifted(weights: Iterable[sqlite3.Row]) -> int:
    """Return how many rows an answer can carry: one at least, for each must be seen some time."""
    total = count = 0
    for count, (weight,) in enumerate(weights, 1):
        total += weight
        if total > _HEAVIEST:
            return max(count - 1, 1)
    return count
