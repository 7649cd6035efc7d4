"""Excel workbooks: the one sheet with rows, whose first row names the columns."""

from __future__ import annotations

import datetime as dt
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path
from typing import Any, Final

from graders.errors import RowsError, UnavailableError, quoted, shown
from graders.rows.block import Block
from graders.rows.kind import kind_of_file
from graders.rows.table import Record, blocks_of, check_width

__all__ = ["excel_blocks"]

_AT_ONCE: Final = 256
_ESCAPE: Final = re.compile("_x00([01][0-9A-Fa-f])_")
"""How XML holds a character that it has not, such as the carriage return of a cell pasted on Windows."""


def excel_blocks(path: Path, size: int) -> Iterator[Block]:
    """Yield the rows of a workbook; cells have their types, an empty one is null.

    A cell that shows an error, such as #N/A, has no value: it is left out of its row.

    Raises:
        RowsError: it is none, has rows on several sheets or no header, or a formula in it was never
            calculated.
        UnavailableError: openpyxl is not installed.
    """
    try:
        from openpyxl import load_workbook  # noqa: PLC0415  (an extra)
    except ImportError:
        raise UnavailableError(
            f"{path}: Excel needs openpyxl: pip install 'local-graders[excel]'"
        ) from None

    def records() -> Iterator[Record]:
        with ExitStack() as stack:
            # The first as it was written, so that a formula is seen; the second with what it came to.
            books = [load_workbook(path, read_only=True, data_only=only) for only in (False, True)]
            for book in books:
                stack.callback(book.close)
            # Rows that are not read to their end hold the file open.
            rows = [stack.enter_context(closing(_sheet(book).iter_rows())) for book in books]
            yield from _records(*rows)

    return blocks_of(_told(records(), path), size, lambda: 0)


def _some(records: Iterator[Record]) -> list[Record]:
    """Return the next records; openpyxl warns of what it leaves out of what it writes, as nobody asks."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(islice(records, _AT_ONCE))


def _told(records: Iterator[Record], path: Path) -> Iterator[Record]:
    """Yield records; whatever openpyxl stumbles over in a workbook is one sentence."""
    try:
        while some := _some(records):
            yield from some
    except (RowsError, MemoryError):
        raise
    except Exception as error:  # It raises any, as it does not check what it reads.
        if isinstance(error, OSError) and error.errno is not None:
            raise  # The system's, not the file's.
        with path.open("rb") as file:
            head = file.read(512)
        kind = None if head.startswith(b"PK") else kind_of_file(head)
        problem = "it is damaged, or none of Excel's" if kind is None else f"it is {kind}"
        raise RowsError(f"the workbook cannot be read: {problem}") from None


def _records(written: Iterator[Any], values: Iterator[Any]) -> Iterator[Record]:
    header: list[str] | None = None
    wide = False
    for number, (cells, found) in enumerate(zip(written, values, strict=True), 1):
        row = [_value(one) for one in found]
        if all(one is None for one in row) and all(one.value is None for one in cells):
            continue
        if header is None:
            header = _header(row)
            continue
        wide = wide or check_width(len(header), _width(row), f"row {number}")
        for cell, value in zip(cells, row, strict=True):
            if cell.data_type == "f" and value is None:
                raise RowsError(
                    f"row {number}: the formula in {cell.coordinate} was never calculated; open the "
                    "workbook in a spreadsheet program and save it"
                )
        if _width(row) > len(header):
            yield number, f"row {number}: there are more cells than the {len(header)} of the header"
            continue
        row += [None] * (len(header) - len(row))
        record = dict(zip(header, row, strict=False))
        for name, cell in zip(header, found, strict=False):
            if cell.data_type == "e":
                del record[name]
        yield number, record
    if header is None:
        raise RowsError("the workbook has no row that names the columns")


def _value(cell: Any) -> Any:
    """Return a cell's value; a day that is shown as a day is no time at midnight."""
    value = cell.value
    if isinstance(value, str):
        return (
            _ESCAPE.sub(lambda match: chr(int(match[1], 16)), value) if "_x00" in value else value
        )
    if isinstance(value, dt.datetime) and value.time() == dt.time():
        return value if "h" in str(cell.number_format).lower() else value.date()
    return value


def _width(row: Sequence[Any]) -> int:
    """Return the number of cells up to the last that is not empty."""
    return max((at for at, one in enumerate(row, 1) if one is not None), default=0)


def _sheet(book: Any) -> Any:
    """Return the only sheet with anything on it."""
    if not book.worksheets:
        raise RowsError(
            'the workbook has no sheet that can be read; save it as an "Excel Workbook", which is not '
            'the "Strict Open XML" one'
        )
    for sheet in book.worksheets:
        sheet.reset_dimensions()  # What a file says of its size, some programs get wrong.
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
    if names and names[0] is None:
        names[0] = ""  # As in CSV: pandas gives its index no name.
    for at, name in enumerate(names):
        if name is None:
            raise RowsError(f"column {at + 1} of the first row has no name")
        if names.count(name) > 1:
            raise RowsError(f"the first row names the column {shown(str(name))!r} twice")
    return [str(name) for name in names]
