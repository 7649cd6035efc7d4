"""Pages of a list: what comes after an id, so many at most, and whether there is more."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from graders.errors import nearest, quoted
from graders.wire.error import refused

__all__ = ["is_descending", "page", "size_of"]

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


def is_descending(order: Any) -> bool:
    """Return whether a list is newest first, which is the default.

    Raises:
        ApiError: `order` is no order.
    """
    if order is None:
        return True
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

    Raises:
        ApiError: there never was a row with the id `after`.
    """
    bounds: list[Any] = []
    if after is not None:
        found = base.execute(f"SELECT place FROM {table} WHERE id=?", (after,)).fetchone()  # noqa: S608
        if found is None:
            raise refused(
                f"after is the id of the last entry of the page before; there is no {quoted(after)}",
                "after",
            )
        where += " AND place < ?" if descending else " AND place > ?"
        bounds = [found["place"]]
    order = "DESC" if descending else "ASC"
    # The words are this program's own; what comes from outside stands for question marks.
    query = f"SELECT * FROM {table} WHERE {where} ORDER BY place {order} LIMIT ?"  # noqa: S608
    rows = base.execute(query, (*values, *bounds, size + 1)).fetchall()
    return rows[:size], len(rows) > size
