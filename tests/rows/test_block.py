"""Blocks cut at rows: every row once, with its index and its line."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders.rows import (
    Block,
    Layout,
    blank_others,
    count_rows,
    cut,
    cut_small,
    decode_block,
    read_blocks,
    window,
)  # fmt: skip

LINES = st.lists(
    st.sampled_from([b"", b" ", b"\r", b'{"item":1}', b"nonsense", b"[1]", b'{"item":"x"}']),
    max_size=20,
)


def seen(blocks: list[Block]) -> list[tuple[int, object, str]]:
    """Each row: its index, its item, its failure with the line's number."""
    found = []
    for block in blocks:
        chunk = decode_block(block, Layout())
        assert len(chunk.items) == count_rows(block) == len(chunk.indexes)
        for row, index in enumerate(chunk.indexes):
            failure = chunk.failures.get(row)
            item = None if failure else chunk.items[row]
            found.append((index, item, failure.message if failure else ""))
    return found


def blocks_of(data: bytes, size: int) -> list[Block]:
    return list(read_blocks(io.BytesIO(data), size))


@given(LINES, st.booleans(), st.booleans(), st.integers(1, 9), st.integers(1, 60))
def test_rows_of_any_cut_are_the_same(
    lines: list[bytes], bom: bool, ended: bool, rows: int, size: int
) -> None:
    data = (b"\xef\xbb\xbf" if bom else b"") + b"\n".join(lines) + (b"\n" if ended else b"")
    whole = seen(blocks_of(data, 1 << 20))
    small = list(cut_small(blocks_of(data, size), rows))
    assert seen(small) == whole
    assert all(1 <= count_rows(block) <= rows for block in small if count_rows(block))
    assert seen(list(cut_small(small, max(1, rows - 1)))) == whole


@given(LINES, st.integers(0, 9), st.integers(0, 12) | st.none(), st.integers(1, 60))
def test_a_window_is_a_slice(lines: list[bytes], start: int, stop: int | None, size: int) -> None:
    data = b"\n".join(lines)
    whole = seen(blocks_of(data, 1 << 20))
    assert seen(list(window(blocks_of(data, size), start, stop))) == whole[start:stop]


def test_a_window_reads_no_block_after_its_end() -> None:
    def blocks() -> Iterator[Block]:
        yield Block(b"1\n2\n", 0)
        yield Block(b"3\n4\n", 2, 3)
        pytest.fail("read on")

    assert [count_rows(block) for block in window(blocks(), 1, 4)] == [1, 2]


@given(LINES, st.sets(st.integers(0, 20)), st.integers(1, 60), st.integers(1, 5))
def test_unwanted_rows_are_left_out_and_the_others_keep_index_and_line(
    lines: list[bytes], wanted: set[int], size: int, rows: int
) -> None:
    data = b"\n".join(lines)
    whole = seen(blocks_of(data, 1 << 20))
    left = [blank_others(block, wanted.__contains__) for block in blocks_of(data, size)]
    assert seen(left) == [row for row in whole if row[0] in wanted]
    assert seen(list(cut_small(left, rows))) == [row for row in whole if row[0] in wanted]


def test_faults_of_a_table_go_with_their_lines() -> None:
    row = json.dumps({"item": 1}).encode()
    block = Block(
        b"\n".join([row, b"0", row, b"0", b""]), 10, faults={1: "line 3: a", 3: "line 9: b"}
    )
    assert [message for _, _, message in seen([cut(block, 1, 4)])] == ["line 3: a", "", "line 9: b"]
    assert [index for index, _, _ in seen(list(cut_small([block], 1)))] == [10, 11, 12, 13]
    assert seen(list(cut_small([block], 1))) == seen([block])
    assert [one[2] for one in seen([blank_others(block, {13}.__contains__)])] == ["line 9: b"]
