"""Blocks: runs of whole lines of JSON, read from a stream as they come and cut at rows."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from graders.errors import RowsError

__all__ = [
    "BOM", "Block", "Readable", "blank_others", "count_rows", "cut", "cut_small", "lines_of",
    "read_blocks", "window",
]  # fmt: skip

MAX_LINE_BYTES: Final = 256 * 1024 * 1024
"""No line of rows is longer; a longer one is taken for a file that is not JSON Lines."""

BOM: Final = b"\xef\xbb\xbf"


class Readable(Protocol):
    """A binary stream that gives what there is, up to so many bytes."""

    def read1(self, size: int, /) -> bytes:
        """Return at most so many bytes, as soon as there are any; none at the end."""


@dataclass(frozen=True, slots=True)
class Block:
    """A run of whole lines.

    Attributes:
        data: the lines, as read. A blank line is no row.
        index: index of the block's first row.
        line: 1-based number of the block's first line.
        indexes: index of each row where they do not follow each other; None where they do.
        faults: why a line is not a row, by its offset in the block; for rows that were no JSON
            before, such as those of a CSV file.
        name: the file, where there are several.
        unit: what `line` counts: lines, or values of a file that has more lines than rows.
        is_table: whether the rows are records of a table, of which each is its own item.
        cells: whether all values of the table are text, as in CSV.
        end: bytes of the input that were read when this block was complete.
        rows: how many rows it holds, where they were counted.
    """

    data: bytes
    index: int = 0
    line: int = 1
    indexes: Sequence[int] | None = None
    faults: Mapping[int, str] = field(default_factory=dict)
    name: str = ""
    end: int = 0
    unit: str = "line"
    is_table: bool = False
    cells: bool = False
    rows: int | None = field(default=None, compare=False)


def read_blocks(stream: Readable, size: int = 1 << 18) -> Iterator[Block]:
    """Yield the lines of a stream in blocks of about `size` bytes, as they come.

    Raises:
        RowsError: a line without end, or the stream cannot be read on.
    """
    pending: list[bytes] = []  # Pieces of a line whose end has not come yet.
    waiting = 0
    index, line, end = 0, 1, 0
    while data := _read(stream, size):
        end += len(data)
        cut_at = data.rfind(b"\n") + 1
        if not cut_at:
            pending.append(data)
            waiting += len(data)
            if waiting > MAX_LINE_BYTES:
                raise RowsError(
                    f"line {line} is longer than {MAX_LINE_BYTES >> 20} MiB; is this JSON Lines?"
                )
            continue
        lines = b"".join([*pending, data[:cut_at]])
        rest = data[cut_at:]
        pending, waiting = ([rest] if rest else []), len(rest)
        block = Block(lines, index, line, end=end)
        rows = count_rows(block)
        yield replace(block, rows=rows)
        index += rows
        line += len(lines_of(lines))
    if pending:
        yield Block(b"".join(pending), index, line, end=end)


def _read(stream: Readable, size: int) -> bytes:
    try:
        return stream.read1(size)
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RowsError(f"the rows cannot be read: {reason}") from None


def count_rows(block: Block) -> int:
    """Return how many rows a block holds."""
    if block.rows is not None:
        return block.rows
    if block.indexes is not None:
        return len(block.indexes)
    data = block.data.removeprefix(BOM) if block.line == 1 else block.data
    return sum(not line.isspace() for line in lines_of(data))


def lines_of(data: bytes) -> list[bytes]:
    """Return the lines of some bytes with their ends.

    Counting or splitting them, `bytes` looks at each byte; this jumps from end to end, in a third of the time.
    """
    return io.BytesIO(data).readlines()


def cut(block: Block, start: int, stop: int) -> Block:
    """Return the rows at these positions of a block, with the blank lines between them."""
    lines = block.data.split(b"\n")
    rows = list(_rows_in(block, lines))
    start, stop = min(start, len(rows)), min(stop, len(rows))
    if start >= stop:
        return replace(block, data=b"", indexes=(), faults={}, rows=None)
    return _lines_of(block, lines, range(rows[start], rows[stop - 1] + 1), range(start, stop))


def blank_others(block: Block, wanted: Callable[[int], bool]) -> Block:
    """Return a block with the rows whose indexes are wanted; the others' lines are blank."""
    indexes: list[int] = []
    faults = {}
    lines = block.data.split(b"\n")
    for row, offset in enumerate(_rows_in(block, lines), block.index):
        if wanted(row):
            indexes.append(row)
            if offset in block.faults:
                faults[offset] = block.faults[offset]
        else:
            lines[offset] = b""
    return replace(block, data=b"\n".join(lines), indexes=indexes, faults=faults, rows=None)


def window(blocks: Iterable[Block], start: int, stop: int | None) -> Iterator[Block]:
    """Yield the rows start..stop of blocks that follow each other; reads no further than needed."""
    if stop is not None and stop <= start:
        return
    for block in blocks:
        after = block.index + count_rows(block)
        if after <= start:
            continue
        if block.index >= start and (stop is None or after <= stop):
            yield block
        else:
            begin = max(start - block.index, 0)
            end = after if stop is None else min(after, stop)
            yield cut(block, begin, end - block.index)
        if stop is not None and after >= stop:
            return


def cut_small(blocks: Iterable[Block], rows: int) -> Iterator[Block]:
    """Yield the same rows in blocks of at most so many."""
    for block in blocks:
        if count_rows(block) <= rows:
            yield block
        else:
            yield from _pieces(block, rows)


def _pieces(block: Block, rows: int) -> Iterator[Block]:
    lines = block.data.split(b"\n")
    offsets = list(_rows_in(block, lines))
    first = 0
    for taken in range(0, len(offsets), rows):
        held = offsets[taken : taken + rows]
        stop = held[-1] + 1 if len(held) == rows else len(lines)
        yield _lines_of(block, lines, range(first, stop), range(taken, taken + len(held)))
        first = stop


def _rows_in(block: Block, lines: Sequence[bytes]) -> Iterator[int]:
    """Yield the offsets of the lines of a block that are rows."""
    bom = block.line == 1 and lines[0].startswith(BOM)
    for offset, text in enumerate(lines):
        if (text.removeprefix(BOM) if bom and offset == 0 else text).strip():
            yield offset


def _lines_of(block: Block, lines: Sequence[bytes], part: range, rows: range) -> Block:
    """Return these lines of a block, which hold these rows, as a block."""
    faults = {at - part.start: text for at, text in block.faults.items() if at in part}
    newline = b"\n" if part.stop < len(lines) else b""
    return replace(
        block,
        data=b"\n".join(lines[part.start : part.stop]) + newline,
        index=block.index + rows.start if block.indexes is None else block.indexes[rows.start],
        line=block.line + part.start,
        indexes=None if block.indexes is None else block.indexes[rows.start : rows.stop],
        faults=faults,
        rows=len(rows),
    )
