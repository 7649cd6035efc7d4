"""Rows: layouts, blocks of whole lines, and lines that are no rows."""

from __future__ import annotations

import io
import json
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders.errors import OptionError, RowsError
from graders.rows import Block, Chunk, Layout, decode_block, read_blocks
from graders.sample import Absent


class Pieces:
    """A stream that gives its data in pieces of chosen sizes, as a pipe does."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        self._data = data
        self._sizes = sizes
        self._at = 0
        self._reads = 0

    def read1(self, size: int = -1, /) -> bytes:
        wanted = self._sizes[self._reads % len(self._sizes)] if self._sizes else size
        self._reads += 1
        piece = self._data[self._at : self._at + max(1, wanted)]
        self._at += len(piece)
        return piece


class Breaks:
    def read1(self, size: int = -1, /) -> bytes:
        raise OSError(5, "Input/output error")


def decode(data: bytes, layout: Layout | None = None, line: int = 1) -> Chunk:
    return decode_block(Block(data, 0, line), layout or Layout())


def plain(value: Any) -> Any:
    return value.reason if isinstance(value, Absent) else value


def everything(data: bytes, sizes: list[int] | None = None) -> list[Any]:
    """Every row of a stream with its index, however it was cut."""
    found: list[Any] = []
    for block in read_blocks(Pieces(data, sizes or [])):
        chunk = decode_block(block, Layout())
        found.extend(
            (
                chunk.indexes[at],
                plain(chunk.items[at]),
                plain(chunk.samples[at]),
                chunk.ids[at],
                chunk.failures.get(at),
            )
            for at in range(len(chunk.items))
        )
    return found


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        (".", ()),
        ("item", ("item",)),
        ("data.example", ("data", "example")),
        ("choices[0].message.content", ("choices", 0, "message", "content")),
        ("[3]", (3,)),
        ("a[0][12]", ("a", 0, 12)),
        ("a key.with spaces", ("a key", "with spaces")),
        ("schlüssel.答え", ("schlüssel", "答え")),
    ],
)
def test_a_dotted_path_becomes_keys_and_indexes(path: str, steps: tuple[str | int, ...]) -> None:
    assert Layout.parse(path, ".").item == steps
    assert Layout.parse(".", path).sample == steps


@pytest.mark.parametrize(
    "path", ["a..b", "a.", "[", "a[", "a]", "[x]", "[-1]", "a[1]b", "..", "[" + "9" * 5000 + "]"]
)
def test_what_is_not_a_path_is_refused_in_one_sentence_naming_the_option(path: str) -> None:
    with pytest.raises(OptionError, match=r"--sample-path .* is not a path") as caught:
        Layout.parse("item", path)
    assert "\n" not in str(caught.value)


def test_an_empty_path_is_refused_with_what_to_write() -> None:
    with pytest.raises(OptionError, match=r"--item-path is empty; write \. for the whole row"):
        Layout.parse("", "sample")


@pytest.mark.parametrize(
    ("row", "item_path", "sample_path", "item", "sample"),
    [
        ({"item": {"a": 1}, "sample": "s"}, "item", "sample", {"a": 1}, "s"),
        ({"a": 1, "answer": "s"}, ".", "answer", {"a": 1, "answer": "s"}, "s"),
        ({"d": [{"i": 2}], "s": "x"}, "d[0].i", "s", 2, "x"),
        (
            {"item": 0, "choices": [{"message": {"content": "hi"}}]},
            "item",
            "choices[0].message.content",
            0,
            "hi",
        ),
        ({"item": False, "sample": ""}, "item", "sample", False, ""),
        ({"output_text": "all"}, ".", ".", {"output_text": "all"}, {"output_text": "all"}),
    ],
)
def test_a_layout_finds_item_and_sample(
    row: Any, item_path: str, sample_path: str, item: Any, sample: Any
) -> None:
    chunk = decode(json.dumps(row).encode(), Layout.parse(item_path, sample_path))
    assert chunk.items == [item]
    assert chunk.samples == [sample]


@pytest.mark.parametrize(
    ("row", "column", "reason"),
    [
        ({"sample": "x"}, "items", "the row has no item; keys there: sample; --item-path ."),
        ({"item": None, "sample": "x"}, "items", "the row has no item; it is null"),
        ({"item": {}, "sample": None}, "samples", "the row has no sample; it is null"),
        (
            {"datasource_item": {}, "sample": {}},
            "items",
            "the row has no item; keys there: datasource_item, sample; perhaps --item-path datasource_item",
        ),
        ({"item": {}, "answer": "x"}, "samples", "perhaps --sample-path answer"),
        ({"item": {}, "choices": []}, "samples", "perhaps --sample-path choices"),
        ({"item": {}}, "samples", "--sample-path says where it is"),
        ({}, "samples", "keys there: none"),
        ({f"k{i}": i for i in range(20)}, "items", "k11, …"),
    ],
)
def test_a_row_without_item_or_sample_says_what_is_there_and_what_may_help(
    row: Any, column: str, reason: str
) -> None:
    chunk = decode(json.dumps(row).encode())
    value = getattr(chunk, column)[0]
    assert isinstance(value, Absent)
    assert reason in value.reason
    assert not chunk.failures


def test_a_column_may_be_called_as_a_path_is_written() -> None:
    row = {"item.q": {"a": 1}, "model.output": "x", "item": {"a": 2}}
    layout = Layout.parse("item.q", "model.output")
    chunk = decode(json.dumps(row).encode(), layout)
    assert (chunk.items, chunk.samples) == ([{"a": 1}], ["x"])
    row["item"] = {"q": {"a": 3}}  # What the path leads to comes first.
    assert decode(json.dumps(row).encode(), layout).items == [{"a": 3}]


@pytest.mark.parametrize(
    ("path", "row"),
    [
        ("a[1]", {"a": [0]}),
        ("a[0]", {"a": {"0": 1}}),
        ("a.0", {"a": [1]}),
        ("a.b", {"a": "text"}),
        ("a.b.c", {"a": {"b": None}}),
    ],
)
def test_a_path_that_leads_nowhere_is_absent(path: str, row: Any) -> None:
    chunk = decode(json.dumps(row).encode(), Layout.parse(path, "sample"))
    assert isinstance(chunk.items[0], Absent)
    assert f"the row has no {path};" in chunk.items[0].reason


LINES = b'{"item":{"a":"1"},"sample":"x","id":1}\n{"item":{"a":"2"},"sample":"y","id":2}\n'


@pytest.mark.parametrize(
    "data",
    [
        LINES,
        LINES.removesuffix(b"\n"),
        LINES.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + LINES,
        b"\xef\xbb\xbf\n" + LINES,
        b"\xef\xbb\xbf \r\n" + LINES,
        b"\n\n" + LINES,
        LINES.replace(b"\n", b"\n\n \t\r\n"),
        LINES.replace(b"\n", b"\n\x0b\x0c\n"),
        b"\x0c\n" + LINES,
        LINES.replace(b"{", b"  {", 1),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 7, 40, 1 << 18])
def test_line_ends_marks_and_blank_lines_change_no_row_and_no_index(data: bytes, size: int) -> None:
    assert everything(data, [size]) == [
        (0, {"a": "1"}, "x", 1, None),
        (1, {"a": "2"}, "y", 2, None),
    ]


def test_an_empty_stream_has_no_blocks() -> None:
    assert list(read_blocks(io.BytesIO(b""))) == []


@pytest.mark.parametrize("data", [b"\n", b" ", b"\n \r\n\t\n", b"\xef\xbb\xbf"])
def test_a_blank_stream_has_no_rows(data: bytes) -> None:
    assert everything(data) == []


def test_broken_json_on_line_7_of_10_fails_that_row_with_its_line_and_no_other() -> None:
    lines = [b'{"item": {"n": %d}, "sample": "x"}\n' % n for n in range(10)]
    lines[6] = b'{"item": {"n": }\n'
    for size in (1, 33, 1 << 18):
        found = everything(b"".join(lines), [size])
        assert [row[0] for row in found] == list(range(10))
        failed = [row for row in found if row[4] is not None]
        assert [row[0] for row in failed] == [6]
        assert failed[0][4].code == "row_parse_error"
        assert failed[0][4].message.startswith("line 7: not JSON: ")
        assert [row[1] for row in found if row[4] is None] == [
            {"n": n} for n in range(10) if n != 6
        ]


def test_blank_lines_count_as_lines_but_not_as_rows() -> None:
    found = everything(b'\n{"item":1,"sample":"x"}\n\n\nnonsense\n', [5])
    assert found[0][0] == 0
    assert found[1][0] == 1
    assert found[1][4].message.startswith("line 5: ")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"[1, 2]", "a row is an object, not a list"),
        (b'"text"', "a row is an object, not a text"),
        (b"12", "a row is an object, not a number"),
        (b"null", "a row is an object, not null"),
        (b"true", "a row is an object, not a bool"),
        (b"{", "not JSON"),
        (b'{"item": 1} {"item": 2}', "not JSON"),
        (b'{"item": "\xff"}', "not UTF-8 at byte 11"),
        ('{"item": 1}'.encode("utf-16"), "not UTF-8 at byte 1"),
        (b"[" * 100_000, "it nests too deeply"),
        (b'{"id": ' + b"[" * 300 + b"]" * 300 + b"}", "the id nests too deeply"),
        (b'{"id": ' + b'{"a":' * 300 + b"1" + b"}" * 300 + b"}", "the id nests too deeply"),
    ],
)
def test_a_line_that_is_no_row_is_a_failure_that_says_why(line: bytes, message: str) -> None:
    chunk = decode(line, line=4)
    assert list(chunk.failures) == [0]
    assert chunk.failures[0].code == "row_parse_error"
    assert chunk.failures[0].message.startswith("line 4: ")
    assert message in chunk.failures[0].message
    assert "\n" not in chunk.failures[0].message
    assert isinstance(chunk.items[0], Absent)
    assert isinstance(chunk.samples[0], Absent)
    assert chunk.ids == [None]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"123456789012345678901234567890", 123456789012345678901234567890),
        (b"-9223372036854775809", -9223372036854775809),
        (b"18446744073709551616", 18446744073709551616),
        (b'"\\ud800"', "\ud800"),
        (b'"a\\udfffb"', "a\udfffb"),
        (b"0.1", 0.1),
        (b"1234567890.1234567890123456789", 1234567890.1234567890123456789),
    ],
)
def test_values_that_orjson_changes_or_refuses_are_read_exactly(text: bytes, value: Any) -> None:
    chunk = decode(b'{"item": %b, "sample": "x"}\n{"item": 1, "sample": "y"}' % text)
    assert chunk.items == [value, 1]
    assert not chunk.failures


@pytest.mark.parametrize("text", [b"NaN", b"Infinity", b"-Infinity"])
def test_numbers_that_only_python_writes_are_read(text: bytes) -> None:
    chunk = decode(b'{"item": %b, "sample": "x"}' % text)
    assert repr(chunk.items[0]) == {b"NaN": "nan", b"Infinity": "inf", b"-Infinity": "-inf"}[text]


@pytest.mark.parametrize("identity", ["a", 7, 0, False, {"a": [1]}, [None], 1.5])
def test_a_rows_own_id_is_kept_whatever_json_it_is(identity: Any) -> None:
    assert decode(json.dumps({"id": identity}).encode()).ids == [identity]


def test_a_line_of_five_megabytes_is_one_row() -> None:
    text = "x" * 5_000_000
    line = json.dumps({"item": {"a": text}, "sample": "s"}).encode() + b"\n"
    found = everything(line + LINES, [])
    assert len(found) == 3
    assert found[0][1] == {"a": text}
    assert found[2][0] == 2


def test_a_row_of_a_hundred_thousand_keys_is_one_row() -> None:
    item = {f"k{n}": n for n in range(100_000)}
    assert decode(json.dumps({"item": item}).encode()).items == [item]


def test_a_line_without_end_is_refused_with_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graders.rows.block.MAX_LINE_BYTES", 1 << 20)
    stream = io.BytesIO(b"{}\n" + b"x" * (1 << 22))
    with pytest.raises(RowsError, match="line 2 is longer than 1 MiB; is this JSON Lines"):
        list(read_blocks(stream, 4096))


def test_a_stream_that_breaks_is_an_error_of_the_rows() -> None:
    with pytest.raises(RowsError, match="the rows cannot be read: Input/output error"):
        list(read_blocks(Breaks()))


def test_a_pipe_gives_its_rows_as_they_come() -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as stream, os.fdopen(writer, "wb", buffering=0) as sink:
        blocks = read_blocks(stream)
        sink.write(b'{"item":1}\n')
        assert next(blocks).data == b'{"item":1}\n'
        sink.write(b'{"item":2}\n{"it')
        assert next(blocks) == Block(b'{"item":2}\n', 1, 2, end=26)
        sink.write(b'em":3}')
        sink.close()
        assert [block.data for block in blocks] == [b'{"item":3}']


lines_of_any_sort = st.lists(
    st.one_of(
        st.sampled_from(
            [b"", b" ", b"\t\r", b"\x0b", b"\x0c", b"\r", b"{}", b"[1]", b"nonsense", b"\xff", b"{"]
        ),
        st.builds(
            lambda item, sample: json.dumps({"item": item, "sample": sample}).encode(),
            st.one_of(st.none(), st.integers(), st.text()),
            st.text(),
        ),
    ),
    max_size=12,
)


@given(
    lines=lines_of_any_sort,
    end=st.sampled_from([b"\n", b"\r\n"]),
    last=st.booleans(),
    mark=st.booleans(),
    sizes=st.lists(st.integers(1, 60), min_size=1, max_size=5),
)
def test_blocks_of_any_cut_give_the_same_rows(
    lines: list[bytes], end: bytes, last: bool, mark: bool, sizes: list[int]
) -> None:
    data = (b"\xef\xbb\xbf" if mark else b"") + end.join(lines) + (end if last else b"")
    whole = everything(data)
    assert everything(data, sizes) == whole
    assert [row[0] for row in whole] == list(range(len(whole)))
    assert len(whole) == sum(1 for line in lines if line.strip())
