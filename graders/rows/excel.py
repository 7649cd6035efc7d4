"""Excel workbooks: the one sheet with rows, whose first row names the columns."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from graders.errors import RowsError, UnavailableError, quoted, shown
from graders.rows.block import Block
from graders.rows.table import Record, blocks_of

__all__ = ["excel_blocks"]


def excel_blocks(path: Path, size: int) -> Iterator[Block]:
    """Yield the rows of a workbook; cells have their types, an empty one is null.

    Raises:
        RowsError: it is none, has rows on several sheets or no header, or a formula in it was never
            calculated.
        UnavailableError: openpyxl is not installed.
    """
    try:
        from openpyxl import load_workbook  # noqa: PLC0415  (an extra)
        from openpyxl.utils.exceptions import InvalidFileException  # noqa: PLC0415
    except ImportError:
        raise UnavailableError(
            f"{path}: Excel needs openpyxl: pip install 'local-graders[excel]'"
        ) from None
    from zipfile import BadZipFile  # noqa: PLC0415

    try:
        # The first as it was written, so that a formula is seen; the second with what it came to.
        books = [load_workbook(path, read_only=True, data_only=only) for only in (False, True)]
    except (InvalidFileException, BadZipFile, KeyError, ValueError, EOFError):
        raise RowsError("the workbook cannot be read: it is damaged, or none of Excel's") from None
    with ExitStack() as stack:
        for book in books:
            stack.callback(book.close)
        # Rows that are not read to their end hold the file open.
        rows = [stack.enter_context(closing(_sheet(book).iter_rows())) for book in books]
        yield from blocks_of(_records(*rows), size, lambda: 0)


def _records(written: Iterator[Any], values: Iterator[Any]) -> Iterator[Record]:
    header: list[str] | None = None
    for number, (cells, found) in enumerate(zip(written, values, strict=True), 1):
        row = [_value(one) for one in found]
        if all(one is None for one in row) and all(one.value is None for one in cells):
            continue
        if header is None:
            header = _header(row)
            continue
        for cell, value in zip(cells, row, strict=True):
            if cell.data_type == "f" and value is None:
                raise RowsError(
                    f"row {number}: the formula in {cell.coordinate} was never calculated; open the "
                    "workbook in a spreadsheet program and save it"
                )
        if any(one is not None for one in row[len(header) :]):
            yield number, f"row {number}: there are more cells than the {len(header)} of the header"
        else:
            row += [None] * (len(header) - len(row))
            yield number, dict(zip(header, row, strict=False))
    if header is None:
        raise RowsError("the workbook has no row that names the columns")


def _value(cell: Any) -> Any:
    """Return a cell's value; a day that is shown as a day is no time at midnight."""
    value = cell.value
    if isinstance(value, dt.datetime) and value.time() == dt.time():
        return value if "h" in str(cell.number_format).lower() else value.date()
    return value


def _sheet(book: Any) -> Any:
    """Return the only sheet with anything on it."""
    filled = [
        sheet
        for sheet in book.worksheets
        if any(cell.value is not None for row in sheet.iter_rows(max_row=100) for cell in row)
    ]
    if len(filled) > 1:
        named = ", ".join(quoted(sheet.title) for sheet in filled)
        raise RowsError(f"rows stand on several sheets ({named}); save the one that is meant alone")
    if not filled:
        raise RowsError("there is nothing on any sheet of the workbook")
    return filled[0]


def _header(row: Sequence[Any]) -> list[str]:
    names = list(row)
    while names and names[-1] is None:
        names.pop()
    for at, name in enumerate(names):
        if name is None:
            raise RowsError(f"column {at + 1} of the first row has no name")
        if names.count(name) > 1:
            raise RowsError(f"the first row names the column {shown(str(name))!r} twice")
    return [str(name) for name in names]
