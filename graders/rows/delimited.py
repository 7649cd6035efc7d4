"""CSV and its kin: a header that names the columns, then records of text."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import BinaryIO, Final, TextIO

from graders.errors import RowsError
from graders.rows.block import Block
from graders.rows.table import Record, blocks_of, check_width

__all__ = ["csv_blocks"]

_MOST_CELL: Final = 32 << 20
_LOOK: Final = 1 << 16
"""Characters that are looked at to tell what separates the cells."""
_SEPARATORS: Final = (",", ";", "\t", "|")


def csv_blocks(
    stream: BinaryIO, size: int, *, delimiter: str, position: Callable[[], int]
) -> Iterator[Block]:
    """Yield the records of a CSV file whose first one names the columns; every cell is text.

    Args:
        stream: the file, in UTF-8.
        size: bytes of a block.
        delimiter: what separates cells; another one where only that makes a table of the file.
        position: says how far the file is read.

    Raises:
        RowsError: there is no header, or it names a column twice; a quote has no end.
    """
    return blocks_of(_csv_records(stream, delimiter), size, position, cells=True)


def _csv_records(stream: BinaryIO, delimiter: str) -> Iterator[Record]:
    # Bytes that are no UTF-8 come as lone surrogates, so that one bad cell is one bad row.
    text = io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="")
    try:
        yield from _records(text, delimiter)
    finally:
        text.detach()  # The stream is its opener's to close.


class _Lines:
    """The lines of a file as a reader of records takes them, those of its latest record kept."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self.latest: list[str] = []
        self.count = 0
        self.ended = False

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self.latest.append(line)
            self.count += 1
            yield line
        self.ended = True


def _records(text: TextIO, declared: str) -> Iterator[Record]:
    csv.field_size_limit(_MOST_CELL)
    head = _head(text)
    delimiter, skipped = _separator(head, declared)
    lines = _Lines(chain(head[skipped:], text))
    # Strict: what follows the quote that ends a cell is no part of the cell.
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    header: list[str] | None = None
    wide = False
    while True:
        begins = lines.count + 1 + skipped
        lines.latest.clear()
        try:
            cells = next(reader, None)
        except csv.Error:
            raise RowsError(_csv_fault(lines, delimiter, begins)) from None
        if cells is None:
            break
        if not cells or (header is not None and len(cells) > 1 and not any(cells)):
            continue  # A blank line; of several columns, one of which no cell is filled.
        if header is None:
            header = cells
            _check_header(header)
            continue
        wide = wide or _is_wide(header, cells, f"line {begins}")
        if len(cells) != len(header):
            yield begins, f"line {begins}: {len(cells)} cells, but the header has {len(header)}"
        elif len(cells) > 1 and [cells[0].removeprefix("\ufeff"), *cells[1:]] == header:
            yield (
                begins,
                f"line {begins}: the header once more; name several files, they need not be joined",
            )
        elif any(_is_broken(cell) for cell in cells):
            yield begins, f"line {begins}: not UTF-8; save the file as UTF-8"
        else:
            yield begins, dict(zip(header, cells, strict=True))
    if header is None:
        raise RowsError("there is no header line that names the columns")


def _head(text: TextIO) -> list[str]:
    lines, length = [], 0
    while length < _LOOK and (line := text.readline(_MOST_CELL)):
        lines.append(line)
        length += len(line)
    return lines


def _separator(head: Sequence[str], declared: str) -> tuple[str, int]:
    """Return what separates cells, and how many lines say so and nothing else.

    Another one than that of the file's ending only where that makes one column of the header, and
    the other one makes as many of it as of all that is looked at.
    """
    if head and (line := head[0].strip()).lower().startswith("sep=") and len(line) <= 5:
        return (line[4:] or "\t"), 1  # Excel's way to say it.
    if head and len(_cells(head[:1], declared)[0]) == 1:
        for one in _SEPARATORS:
            counts = {len(cells) for cells in _cells(head, one)[:-1] or _cells(head, one)}
            if one != declared and len(counts) == 1 and counts.pop() > 1:
                return one, 0
    return declared, 0


def _cells(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    try:
        reader = csv.reader(lines, delimiter=delimiter)
        return [cells for cells in reader if cells] or [[]]
    except csv.Error:
        return [[]]


def _is_wide(header: Sequence[str], cells: Sequence[str], where: str) -> bool:
    """Tell a header from a title above it, or from one that is separated by something else."""
    others = [one for one in _SEPARATORS if one in header[0]]
    if not others:
        return check_width(len(header), len(cells), where)
    cure = f"where {others[0]!r} separates them, write the line sep={others[0]} above it"
    return check_width(len(header), len(cells), where, cure)


def _check_header(header: Sequence[str]) -> None:
    for name in header:
        if _is_broken(name):
            raise RowsError("the header is not UTF-8; save the file as UTF-8")
        if header.count(name) > 1:
            raise RowsError(f"the header names the column {name!r} twice")


def _csv_fault(lines: _Lines, delimiter: str, line: int) -> str:
    """Say why the record that begins in a line cannot be read, nor where those after it begin."""
    record = "".join(lines.latest)
    if len(record) > _MOST_CELL:
        most = f"{_MOST_CELL >> 20} MiB"
        return f"line {line}: a cell is longer than {most}; does a quote have no end?"
    at = 0
    while at < len(record):
        if record[at] == '"':
            begin, at = at, _end_of_quote(record, at + 1)
            where = line + record.count("\n", 0, begin)
            if at < 0:
                return (
                    f"line {where}: a quote begins a cell there and never ends, so nobody knows "
                    'where the rows after it do; inside a quoted cell, write "" for a quote'
                )
            if record[at : at + 1] not in {delimiter, "\r", "\n", ""}:
                return f"line {where}: {_after_quote(record[at - 2 : at])}"
        ends = [found for mark in (delimiter, "\n") if (found := record.find(mark, at)) >= 0]
        at = min(ends) + 1 if ends else len(record)
    return f"line {line}: not CSV"


def _after_quote(end: str) -> str:
    if end == '\\"':
        return (
            'a cell has \\" for a quote, as Spark and MySQL write it; write "" '
            '(in Spark: .option("escape", "\\""))'
        )
    return (
        'more of a cell follows the quote that ends it; inside a quoted cell, write "" for a quote'
    )


def _end_of_quote(record: str, at: int) -> int:
    """Return what follows the closing quote, -1 where there is none."""
    while (at := record.find('"', at)) >= 0:
        if record[at + 1 : at + 2] != '"':
            return at + 1
        at += 2
    return -1


def _is_broken(cell: str) -> bool:
    return not cell.isascii() and any("\ud800" <= character <= "\udfff" for character in cell)
