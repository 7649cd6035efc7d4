"""JSON that is not one row a line: an array, a list as the API gives it, values over several lines.

It is told by the first line. JSON Lines go through as they are; everything else becomes blocks of one
value a line, as long as it is certain where each value ends.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final, NoReturn

from graders import jsontext
from graders.errors import RowsError
from graders.rows.block import BOM, MAX_LINE_BYTES, Block, Readable, read_blocks

__all__ = ["json_blocks"]

_MARK: Final = re.compile(rb'["\[\]{}]')
# Possessive: what was read is not kept to be tried again, which would take gigabytes.
_STRING_END: Final = re.compile(rb'(?:[^"\\]++|\\.)*+"', re.DOTALL)
_GAP: Final = re.compile(rb"\s*")
_FIRST: Final = 64 << 20
"""Bytes in which the first value has to end, where it does not end with its line."""


def json_blocks(stream: Readable, size: int) -> Iterator[Block]:
    """Yield the rows of a stream of JSON in blocks of about `size` bytes.

    Raises:
        RowsError: it is an array or values over several lines, and breaks off or goes on as neither.
    """
    begun = _Begun(stream, size)
    listed = begun.listed()
    if listed is not None:
        yield from _lines(map(_written, listed), size)
    elif begun.is_lines():
        yield from read_blocks(begun, size)
    else:
        yield from _lines(_Values(begun, size).each(), size)


def _written(value: object) -> bytes:
    # NaN stays what it is, and half a surrogate pair stays in its row.
    return json.dumps(value, ensure_ascii=True).encode()


def _lines(values: Iterator[bytes], size: int) -> Iterator[Block]:
    lines: list[bytes] = []
    index = filled = 0
    for value in values:
        # In JSON no text holds a newline: those that stand here are between its parts.
        lines.append(value.replace(b"\r", b" ").replace(b"\n", b" "))
        filled += len(value) + 1
        if filled >= size:
            yield Block(b"\n".join(lines) + b"\n", index, index + 1, unit="value")
            index += len(lines)
            lines, filled = [], 0
    if lines:
        yield Block(b"\n".join(lines) + b"\n", index, index + 1, unit="value")


class _Begun:
    """A stream of which the beginning has been looked at."""

    def __init__(self, stream: Readable, size: int) -> None:
        self._stream = stream
        self._size = size
        self.head = b""
        self._ended = self._looked = False
        self._end: int | None = None

    def read1(self, size: int, /) -> bytes:
        """Return what there is, what was looked at first."""
        if self.head:
            data, self.head = self.head, b""
            return data
        return b"" if self._ended else self._stream.read1(size)

    def _more(self) -> bool:
        data = b"" if self._ended else self._stream.read1(self._size)
        self._ended = not data
        self.head += data
        return bool(data)

    def is_lines(self) -> bool:
        """Whether it is JSON Lines, or nothing that can be told from it."""
        line = self._first_line()
        if line.startswith(b"["):
            return line[1:].lstrip()[:1] not in {b"", b"{", b"]"}
        # A line that breaks off, or the first of a value that has several, or two values.
        end = self._first_end()
        return end is None or end == self._start() + len(line) or not _is_json(self._until(end))

    def listed(self) -> list[object] | None:
        """Return the `data` of a list as the API gives it, where that is all there is."""
        end = self._first_end()
        if end is None or end > _FIRST or b'"list"' not in self._until(end):
            return None
        while not self.head[end:].strip():
            if not self._more():
                text = self._until(end)
                match jsontext.decode(text, allow_nan=True) if _is_json(text) else None:
                    case {"object": "list", "data": list(data)}:
                        return data
                return None
        return None

    def _first_end(self) -> int | None:
        """Return where the first value ends, None where it is no object or does not end."""
        if self._looked:
            return self._end
        self._looked = True
        line = self._first_line()
        if not line.startswith(b"{"):
            return None
        if _is_json(line):
            self._end = self._start() + len(line)
            return self._end
        while (end := _end_of_value(self.head, self._start())) is None:
            held = len(self.head)
            while len(self.head) < 2 * held and self._more():
                pass
            if len(self.head) == held or held > _FIRST:
                return None
        self._end = end
        return end

    def _until(self, end: int) -> bytes:
        return self.head[self._start() : end]

    def _start(self) -> int:
        match = _GAP.match(self.head, len(BOM) if self.head.startswith(BOM) else 0)
        return 0 if match is None else match.end()

    def _first_line(self) -> bytes:
        while b"\n" not in self.head[self._start() :] and len(self.head) <= MAX_LINE_BYTES:
            if not self._more():
                break
        return self.head[self._start() :].partition(b"\n")[0].rstrip()


def _is_json(text: bytes) -> bool:
    try:
        jsontext.decode(text, allow_nan=True)
    except ValueError:
        return False
    return True


def _end_of_value(data: bytes, at: int, depth: int = 0) -> int | None:
    """Return where the object or list that begins at a place ends; None where it does not yet."""
    while match := _MARK.search(data, at):
        mark, at = match[0], match.end()
        if mark == b'"':
            string = _STRING_END.match(data, at)
            if string is None:
                return None
            at = string.end()
            continue
        depth += 1 if mark in b"[{" else -1
        if depth == 0:
            return at
    return None


class _Values:
    """Cuts a stream into its values, or an array into its elements."""

    def __init__(self, stream: Readable, size: int) -> None:
        self._stream = stream
        self._size = size
        self._data = b""
        self._at = 0
        self._count = 0

    def each(self) -> Iterator[bytes]:
        """Yield each value.

        Raises:
            RowsError: something else stands where a value or the end is expected.
        """
        within = self._next() == b"["
        self._at += within
        while mark := self._next():
            if mark == b"{":
                yield self._value()
                if self._next() == b",":
                    self._at += 1
            elif mark == b"]" and within:
                self._at += 1
                if mark := self._next():
                    self._refuse(f"{_shown(mark)} stands after the end of the array")
                return
            else:
                self._refuse(f"it begins with {_shown(mark)}, and a row with {{")
        if within:
            self._refuse("the file ends before its array does")

    def _next(self) -> bytes:
        """Return the next byte that is no white space, b"" at the end; it is not taken."""
        while True:
            gap = _GAP.match(self._data, self._at)
            self._at = len(self._data) if gap is None else gap.end()
            if self._at < len(self._data):
                return self._data[self._at : self._at + 1]
            begun = bool(self._data)
            self._data, self._at = self._stream.read1(self._size), 0
            if not self._data:
                return b""
            # What was looked at comes first, and whole: a mark of byte order stands nowhere else.
            self._at = len(BOM) if not begun and self._data.startswith(BOM) else 0

    def _value(self) -> bytes:
        while (end := _end_of_value(self._data, self._at)) is None:
            held = len(self._data) - self._at
            if held > MAX_LINE_BYTES or not self._grow(2 * held):
                self._refuse("it does not end")
        value = self._data[self._at : end]
        self._at = end
        self._count += 1
        return value

    def _grow(self, size: int) -> bool:
        """Read until there is so much; twice as much each time, so that nothing is read over often."""
        pieces = [self._data[self._at :]]
        held = before = len(pieces[0])
        while held < size and (data := self._stream.read1(self._size)):
            pieces.append(data)
            held += len(data)
        self._data, self._at = b"".join(pieces), 0
        return held > before

    def _refuse(self, problem: str) -> NoReturn:
        raise RowsError(
            f"the rows are not one to a line, and row {self._count} cannot be read: {problem}"
        )


def _shown(mark: bytes) -> str:
    return mark.decode("utf-8", "replace")
