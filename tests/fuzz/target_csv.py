"""CSV: the records that Python's own reader gives, whatever the size of reads and blocks.

Input: a byte for the delimiter and the size of reads, one for the size of blocks, and the table.
"""

from __future__ import annotations

import csv
import io
import json
from typing import Any, cast

from graders.errors import RowsError
from graders.rows import Block, Layout, count_rows, decode_block, delimited
from graders.rows.delimited import csv_blocks
from tests.fuzz import row

TOKENS = (
    *row.TOKENS, b'"', b'""', b",", b"\t", b"\n", b"\r\n", b"\r", b"\0", b"item", b"sample", b"id", b"a,b\n",
    b'"{""a"": 1}"', b"\xff", b"\xef\xbb\xbf", b"\x1a", b"\xe2\x80\xa8",
)  # fmt: skip
_LAYOUT = Layout(("item",), ("sample",))


class _Slow(io.RawIOBase):
    """A stream that gives few bytes at once."""

    def __init__(self, data: bytes, size: int) -> None:
        super().__init__()
        self._inner = io.BytesIO(data)
        self._size = size

    def readable(self) -> bool:
        return True

    def readinto(self, place: Any, /) -> int:
        data = self._inner.read(min(len(place), self._size))
        place[: len(data)] = data
        return len(data)


def target(data: bytes) -> None:
    first, size, table = (data[:1] or b"\0")[0], 1 + (data[1:2] or b"\0")[0], data[2:]
    delimiter = "\t" if first % 2 else ","
    slow = cast("Any", io.BufferedReader(_Slow(table, 1 + first), 16))
    whole = _blocks(io.BytesIO(table), 1 << 18, delimiter)
    cut = _blocks(slow, size, delimiter)
    expected = _by_python(table, delimiter)
    if isinstance(whole, RowsError) or isinstance(cut, RowsError):
        assert str(whole) == str(cut)
        assert expected is None
        return
    assert expected is not None
    assert _seen(whole) == _seen(cut)
    _check_records(whole, expected)


def _blocks(stream: Any, size: int, delimiter: str) -> list[Block] | RowsError:
    try:
        return list(csv_blocks(stream, size, delimiter=delimiter, position=lambda: 0))
    except RowsError as error:
        return error


def _seen(blocks: list[Block]) -> list[Any]:
    rows = []
    for block in blocks:
        chunk = decode_block(block, _LAYOUT)
        assert count_rows(block) == len(chunk.items)
        for at, index in enumerate(chunk.indexes):
            item, sample = (
                getattr(one, "reason", None) or repr(one)
                for one in (chunk.items[at], chunk.samples[at])
            )
            rows.append((index, item, sample, repr(chunk.ids[at]), chunk.failures.get(at)))
    return rows


def _by_python(table: bytes, delimiter: str) -> list[dict[str, str] | None] | None:
    """Return the records as Python's reader has them, None for each that is none; None for no table."""
    if table in (b"\xef", b"\xef\xbb"):
        return None  # Half a mark of byte order, and nothing after it, is nothing.
    text = table.decode("utf-8-sig", "surrogateescape")
    head = delimited._head(io.StringIO(text, newline=""))
    delimiter, skipped = delimited._separator(head, delimiter)
    text = text[sum(map(len, head[:skipped])) :]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header, *records = [record for record in reader if record]
    except (csv.Error, ValueError):  # Quotes that are none, or not even a header.
        return None
    rest = [one for one in records if any(one) or len(one) == 1]
    title = len(header) == 1 and rest and len(rest[0]) > 1
    if len(set(header)) != len(header) or title or not _is_utf8("".join(header)):
        return None
    return [
        dict(zip(header, one, strict=True))
        if len(one) == len(header) and _is_utf8("".join(one)) and not _again(one, header)
        else None
        for one in rest
    ]


def _again(record: list[str], header: list[str]) -> bool:
    return len(record) > 1 and [record[0].removeprefix("\ufeff"), *record[1:]] == header


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_records(blocks: list[Block], expected: list[dict[str, str] | None]) -> None:
    lines = [
        None if offset in block.faults else json.loads(line)
        for block in blocks
        for offset, line in enumerate(block.data.split(b"\n")[:-1])
    ]
    assert len(lines) == len(expected)
    for line, record in zip(lines, expected, strict=True):
        if record is None:
            assert line is None
            continue
        assert line == record
