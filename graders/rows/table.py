"""Tables as rows: each record of a CSV, Parquet or Hugging Face dataset becomes a line of JSON.

Which column is what, the layout says when the lines are decoded (`graders.rows.decode`): a table
without a column `item` is its own item, so that `{{ item.question }}` is the column `question`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from graders import jsontext
from graders.errors import RowsError
from graders.plain import plain, plain_value
from graders.rows.block import Block

__all__ = ["Record", "blocks_of", "check_width"]

_NOT_A_ROW: Final = b"0"

Record = tuple[int, Mapping[str, Any] | str]
"""The line a record begins in, and its columns, or why it cannot be read."""


def blocks_of(
    records: Iterable[Record], size: int, position: Callable[[], int], *, cells: bool = False
) -> Iterator[Block]:
    """Yield records in blocks of about `size` bytes.

    Args:
        records: the records.
        size: bytes.
        position: says how far the file is read.
        cells: whether every value is text, whatever it means.
    """
    lines: list[bytes] = []
    faults: dict[int, str] = {}
    index = filled = 0

    def block() -> Block:
        data = b"\n".join(lines) + b"\n"
        return Block(data, index, faults=faults, end=position(), is_table=True, cells=cells)

    for line, record in records:
        text = record if isinstance(record, str) else _line(record, line)
        if isinstance(text, str):
            faults[len(lines)] = text
            text = _NOT_A_ROW
        lines.append(text)
        filled += len(text) + 1
        if filled >= size:
            yield block()
            index += len(lines)
            lines, faults, filled = [], {}, 0
    if lines:
        yield block()


_TITLE: Final = "where a title stands above the header, leave it out"


def check_width(names: int, cells: int, where: str, cure: str = _TITLE) -> bool:
    """Tell a header from a title that stands above it; return True where rows need not be looked at.

    Args:
        names: how many columns the header names.
        cells: how many cells the first row has.
        where: the place of that row.
        cure: what to do about it.

    Raises:
        RowsError: the header names one column, and the first row has several cells.
    """
    if names == 1 < cells:
        raise RowsError(f"the header names one column, and {where} has {cells} cells; {cure}")
    return True


def _line(record: Mapping[str, Any], line: int) -> bytes | str:
    """Return a record as a line of JSON, or why it is not one."""
    try:
        if _has_nan(record.values()):
            # orjson would write null, and a NaN that nobody sees would be no failure.
            return json.dumps(plain(dict(record)), ensure_ascii=False).encode(
                errors="backslashreplace"
            )
        return jsontext.encode(dict(record), default=_counterpart)
    except (TypeError, ValueError, RecursionError) as error:
        return f"line {line}: {error}"


def _has_nan(values: Iterable[Any]) -> bool:
    """Whether NaN or an infinity stands anywhere in values; numbers of other kinds are not asked."""
    for value in values:
        if isinstance(value, float):
            if value - value != 0.0:
                return True
        elif isinstance(value, dict):
            if _has_nan(value.values()):
                return True
        elif isinstance(value, list) and _has_nan(value):
            return True
    return False


def _counterpart(value: Any) -> Any:
    """Return what stands for a value that JSON has not, by the rules of `graders.plain`."""
    found = plain_value(value)
    if found is value:
        raise jsontext.ForeignError(f"a {type(value).__name__} is not a JSON value")
    return found
