"""JSON that is not one row a line: any reads and blocks give the same rows, and none is made up or lost.

Input: a byte for the size of reads, one for the size of blocks, and the text.
"""

from __future__ import annotations

import io
import itertools
import json
from typing import Any

from graders import jsontext
from graders.errors import RowsError
from graders.rows import Block, Layout, decode_block
from graders.rows.value import json_blocks
from tests.fuzz import row

TOKENS = (
    *row.TOKENS, b"[\n", b"]\n", b"[{", b"},{", b"}{", b"}\n{", b'{"a": 1}', b'{\n"a": [1,\n2]\n}',
    b'{"object": "list", "data": [', b"\n", b" ", b",", b'"}{"', b'"\\"', b"\\",
)  # fmt: skip
_LAYOUT = Layout((), ("a",))


class _Pieces:
    """A stream that gives so many bytes, then one more, and so on in turn."""

    def __init__(self, data: bytes, size: int) -> None:
        self._stream = io.BytesIO(data)
        self._sizes = itertools.cycle((size, 1, size + 1))

    def read1(self, size: int, /) -> bytes:
        return self._stream.read(min(size, next(self._sizes)))


def target(data: bytes) -> None:
    size, block, text = 1 + (data[:1] or b"\0")[0], 1 + (data[1:2] or b"\0")[0], data[2:]
    whole = _read(io.BytesIO(text), 1 << 18)
    parts = _read(_Pieces(text, size), block)
    if isinstance(whole, RowsError) or isinstance(parts, RowsError):
        assert str(whole) == str(parts)
        return
    assert _seen(whole) == _seen(parts)
    if whole and all(one.unit == "line" for one in whole):
        assert b"".join(one.data for one in whole) == text
        return
    # What was no JSON Lines holds the values that Python's own reader finds one after the other.
    found = _by_python(text)
    if found is not None:
        lines = [line for one in whole for line in one.data.split(b"\n") if line]
        assert len(lines) == len(found)
        for line, value in zip(lines, found, strict=True):
            assert repr(json.loads(line)) == repr(value)


def _read(stream: Any, size: int) -> list[Block] | RowsError:
    try:
        return list(json_blocks(stream, size))
    except RowsError as error:
        return error


def _seen(blocks: list[Block]) -> list[Any]:
    rows = []
    for block in blocks:
        chunk = decode_block(block, _LAYOUT)
        for at, index in enumerate(chunk.indexes):
            failure = chunk.failures.get(at)
            item = getattr(chunk.items[at], "reason", None) or repr(chunk.items[at])
            rows.append((index, item, failure and failure.message))
    return rows


def _by_python(text: bytes) -> list[Any] | None:
    """Return the rows as the standard library reads them; None where it does not."""
    try:
        decoder, rest = json.JSONDecoder(), text.decode("utf-8-sig").strip()
        values = []
        while rest:
            value, end = decoder.raw_decode(rest)
            values.append(value)
            rest = rest[end:].lstrip().removeprefix(",").lstrip()
    except (ValueError, RecursionError):
        return None
    if len(values) == 1 and isinstance(values[0], list):
        return values[0]
    if len(values) == 1 and isinstance(values[0], dict) and values[0].get("object") == "list":
        try:
            # What is written for a list is its values; what they are, another target looks at.
            return json.loads(jsontext.encode(values[0]["data"]))  # type: ignore[no-any-return]
        except (KeyError, TypeError, ValueError):
            return None
    return values
