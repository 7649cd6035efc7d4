"""JSON Lines: any cut of the input gives the same rows and result lines; each line is read as JSON is.

Input: a byte for the size of reads, a byte for rows a block, and the lines.
"""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Iterator
from typing import Any

import graders
from graders import jsontext
from graders.batch.score import score_block
from graders.rows import (
    Block,
    Chunk,
    Layout,
    blank_others,
    count_rows,
    cut,
    cut_small,
    decode_block,
    read_blocks,
    window,
)
from graders.sample import Absent
from tests.fuzz import row

TOKENS = (*row.TOKENS, b"\n", b"\r\n", b"\n\n", b"\n \n", b'"id": ', b"\x0b", b"\x1c", b"\xc2\x85")
_GRADER = graders.load(
    {
        "type": "multi",
        "name": "m",
        "graders": {
            "same": {
                "type": "string_check", "name": "s", "operation": "ilike",
                "input": "{{ sample.output_text }}", "reference": "{{ item.a }}",
            },
            "key": {
                "type": "string_check", "name": "k", "operation": "ne",
                "input": "<{{ sample.output_json.a }}>", "reference": "{{ item }}",
            },
        },
        "calculate_output": "(same + 1) / key",
    }
)  # fmt: skip
_RUNNER = _GRADER._live.performers.runner()
_LAYOUTS = (Layout(), Layout((), ("a", 0)), Layout(("item", "a"), ("sample", "choices", 0)))


class _Pieces:
    """A stream that gives so many bytes, then one more, and so on in turn."""

    def __init__(self, data: bytes, size: int) -> None:
        self._stream = io.BytesIO(data)
        self._sizes = itertools.cycle((size, 1, size + 1))

    def read1(self, size: int, /) -> bytes:
        return self._stream.read(min(size, next(self._sizes)))


def target(data: bytes) -> None:
    size, rows, lines = 1 + (data[:1] or b"\0")[0], 1 + (data[1:2] or b"\0")[0] % 8, data[2:]
    whole = Block(lines)
    blocks = list(read_blocks(_Pieces(lines, size)))
    assert b"".join(block.data for block in blocks) == lines
    small = list(cut_small(blocks, rows))
    for layout in _LAYOUTS:
        chunk = decode_block(whole, layout)
        assert count_rows(whole) == len(chunk.items)
        expected = list(_seen(chunk))
        for cuts in (blocks, small):
            assert [one for block in cuts for one in _seen(decode_block(block, layout))] == expected
    assert all(count_rows(block) <= rows for block in small)
    _check_selections(whole, blocks, rows)
    _check_values(lines)
    scored = score_block(_RUNNER, whole, Layout())
    pieces = [score_block(_RUNNER, block, Layout()).lines for block in small[:20]]
    assert scored.lines.startswith(b"".join(pieces))
    for index, line in enumerate(scored.lines.splitlines()):
        result = json.loads(line)
        assert result["index"] == index
        assert (result["reward"] is None) == bool(result["failures"])


def _seen(chunk: Chunk) -> Iterator[Any]:
    """Yield all there is to rows, so that it can be compared."""
    for at, index in enumerate(chunk.indexes):
        values = [
            one.reason if isinstance(one, Absent) else repr(one)
            for one in (chunk.items[at], chunk.samples[at])
        ]
        yield index, values, repr(chunk.ids[at]), chunk.failures.get(at)


def _check_selections(whole: Block, blocks: list[Block], rows: int) -> None:
    every = list(_seen(decode_block(whole, Layout())))
    part = [list(_seen(decode_block(one, Layout()))) for one in window(blocks, rows, rows * 2)]
    assert list(itertools.chain(*part)) == every[rows : rows * 2]
    assert list(_seen(decode_block(cut(whole, 1, rows), Layout()))) == every[1:rows]
    odd = blank_others(whole, lambda index: index % 2 == 1)
    assert list(_seen(decode_block(odd, Layout()))) == every[1::2]
    assert count_rows(odd) == len(every[1::2])


def _check_values(lines: bytes) -> None:
    """The fast way and the slow way read and write the same."""
    for line in lines.split(b"\n")[:8]:
        fast, slow = (_decoded(line, exact=exact) for exact in (True, None))
        if slow is None and fast is not None and jsontext.nests_deeper(fast[0], jsontext.DEEPEST):
            continue  # Only the fast way reads such a depth.
        assert repr(fast) == repr(slow), line
        if fast is not None:
            written = jsontext.encode(fast[0])
            assert repr(_decoded(written, exact=True)) == repr(_without_nan(slow)), line


def _decoded(line: bytes, *, exact: bool | None) -> tuple[Any] | None:
    """Return a line's value in a tuple, None where it is no JSON; by Python's own reader for None."""
    try:
        if exact is None:
            return (jsontext._decode_slowly(line, allow_nan=True),)
        return (jsontext.decode(line, allow_nan=True, exact=exact),)
    except ValueError:
        return None


def _without_nan(value: Any) -> Any:
    """Return a value as it is written: NaN and the infinities as null."""
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    if isinstance(value, dict):
        return {key: _without_nan(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_without_nan(one) for one in value)
    return value
