"""Files of rows of every kind, told by their names."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import json
import re
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graders.errors import OptionError, RowsError
from graders.rows import Block, Chunk, Layout, Watch, count_rows, decode_block, find_source
from graders.rows.source import Source

try:
    from compression import zstd  # type: ignore[import-not-found]
except ImportError:
    from backports import zstd

ROWS = [{"item": {"a": f"x{i}"}, "sample": f"y{i}", "id": i} for i in range(900)]
# Without the time of day: the bytes are a part of the tests' names, the same in every process.
packed = partial(gzip.compress, mtime=0)
DATA = b"".join(json.dumps(row).encode() + b"\n" for row in ROWS)


def chunks(source: Source, size: int = 1 << 12) -> list[Chunk]:
    return [decode_block(block, Layout()) for block in source.blocks(size)]


def items(source: Source) -> list[Any]:
    return [item for chunk in chunks(source) for item in chunk.items]


def failures(source: Source) -> dict[int, str]:
    return {
        chunk.indexes[row]: failure.message
        for chunk in chunks(source)
        for row, failure in chunk.failures.items()
    }


def write_csv(path: Path, rows: list[list[str]], delimiter: str = ",") -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, delimiter=delimiter).writerows(rows)
    return path


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("rows.jsonl", DATA),
        ("rows.ndjson", DATA),
        ("rows", DATA),
        ("rows.jsonl.gz", packed(DATA)),
        ("rows.JSONL.GZ", packed(DATA)),
        ("two.jsonl.gz", packed(DATA[:5000]) + packed(DATA[5000:])),
        ("rows.jsonl.zst", zstd.compress(DATA)),
        ("two.jsonl.zst", zstd.compress(DATA[:5000]) + zstd.compress(DATA[5000:])),
    ],
)
def test_the_name_says_how_lines_are_packed(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    source = find_source([tmp_path / name])
    assert items(source) == [row["item"] for row in ROWS]
    found = chunks(source)
    assert len(found) > 3
    assert [index for chunk in found for index in chunk.indexes] == list(range(900))
    assert source.size == len(data)
    assert list(source.blocks(1 << 12))[-1].end == len(data)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("torn.jsonl.gz", packed(DATA)[:-400]),
        ("none.jsonl.gz", DATA),
        ("bad.jsonl.gz", packed(DATA)[:300] + b"xxxx" + packed(DATA)[304:]),
        ("torn.jsonl.zst", zstd.compress(DATA)[:-40]),
        ("none.jsonl.zst", DATA),
    ],
)
def test_a_broken_package_is_one_sentence(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(RowsError, match=f"{name}: the compressed rows cannot be read: "):
        chunks(find_source([tmp_path / name]))


def test_a_table_without_a_column_item_is_its_own_item(tmp_path: Path) -> None:
    cells = [["question", "sample", "id"], ["a\nb", 'say "é"', "7"], ["", "日本", "8"]]
    for name, delimiter in (("t.csv", ","), ("t.tsv", "\t")):
        (chunk,) = chunks(find_source([write_csv(tmp_path / name, cells, delimiter)]))
        assert chunk.items[0]["question"] == "a\nb"
        assert chunk.items[0]["sample"] == 'say "é"'
        assert chunk.samples == ['say "é"', "日本"]
        assert chunk.ids == ["7", "8"]


def test_a_column_item_holds_json(tmp_path: Path) -> None:
    cells = [["item", "sample"], ['{"a": 1}', "x"], ["oops", "y"], ['{"a": 2}', "z"]]
    path = write_csv(tmp_path / "t.csv", cells)
    assert items(find_source([path]))[::2] == [{"a": 1}, {"a": 2}]
    assert list(failures(find_source([path]))) == [1]
    assert failures(find_source([path]))[1].startswith("the item is not JSON")


def test_a_bad_record_is_a_failed_row_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(
        b'\xef\xbb\xbfitem,sample\r\n"{}","two\nlines"\r\n{},1,2\r\n\r\n{}\r\n{},\xff\r\n{},last'
    )
    found = failures(find_source([path]))
    assert found == {
        1: "line 4: 3 cells, but the header has 2",
        2: "line 6: 1 cells, but the header has 2",
        3: "line 7: not UTF-8; save the file as UTF-8",
    }
    assert chunks(find_source([path]))[0].samples[4] == "last"


@pytest.mark.parametrize(
    ("text", "says"),
    [("", "there is no header line"), ("a,b,a\n1,2,3\n", "names the column 'a' twice")],
)
def test_a_table_needs_its_header(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(RowsError, match=f"t.csv: .*{says}"):
        chunks(find_source([tmp_path / "t.csv"]))


def test_parquet_keeps_the_types(tmp_path: Path) -> None:
    day = dt.date(2026, 1, 7)
    table = pa.table(
        {
            "item": [{"n": 1, "list": [1.5, None], "day": day}, {"n": 2, "list": [], "day": day}],
            "sample": [{"output_text": "x"}, {"output_text": "é"}],
            "price": [Decimal("1.25"), Decimal("2.50")],
            "raw": [b"abc", b"\xff"],
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    source = find_source([tmp_path / "t.parquet"])
    assert items(source)[0] == {"n": 1, "list": [1.5, None], "day": "2026-01-07"}
    assert chunks(source)[0].samples[0] == {"output_text": "x"}
    assert not failures(source)
    (block,) = source.blocks(1 << 20)
    rows = decode_block(block, Layout.parse(".", "sample")).items
    assert [(row["raw"], row["price"]) for row in rows] == [("abc", 1.25), ("/w==", 2.5)]


def test_a_value_of_parquet_that_python_has_not_fails_its_row_alone(tmp_path: Path) -> None:
    kinds = {"nano": pa.timestamp("ns"), "far": pa.timestamp("us"), "text": pa.string()}
    values = {"nano": [0, 1, 0, 0], "far": [0, 0, 2**62, 0], "text": [b"a", b"a", b"a", b"\xff"]}
    columns = {
        name: pa.array(values[name], pa.binary() if name == "text" else pa.int64()).view(kind)
        for name, kind in kinds.items()
    }
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    (chunk,) = chunks(find_source([tmp_path / "t.parquet"]))
    assert [chunk.failures[row].message for row in (2, 3)] == [
        'line 3: the column "far" has a timestamp[us] there that cannot be read',
        'line 4: the column "text" has a string there that cannot be read',
    ]
    assert chunk.items[0]["text"] == "a"
    assert chunk.items[0]["nano"] == "1970-01-01T00:00:00"
    assert chunk.items[1]["nano"] == "1970-01-01T00:00:00.000000001"


def test_two_columns_of_one_name_are_refused_in_parquet_too(tmp_path: Path) -> None:
    pq.write_table(pa.table([["x"], ["y"]], names=["a", "a"]), tmp_path / "t.parquet")
    with pytest.raises(RowsError, match=r't.parquet: the table has two columns "a"'):
        chunks(find_source([tmp_path / "t.parquet"]))


def test_a_parquet_file_whose_pages_are_damaged_is_one_sentence(tmp_path: Path) -> None:
    whole = io.BytesIO()
    pq.write_table(pa.table({"a": ["x"]}), whole)
    data = bytearray(whole.getvalue())
    data[4:12] = bytes(8)
    (tmp_path / "t.parquet").write_bytes(data)
    with pytest.raises(RowsError, match=r"t\.parquet: the Parquet file cannot be read: ") as caught:
        chunks(find_source([tmp_path / "t.parquet"]))
    assert "\n" not in str(caught.value)


def test_a_parquet_file_with_a_name_that_is_no_text_is_one_sentence(tmp_path: Path) -> None:
    whole = io.BytesIO()
    pq.write_table(pa.table({"name": ["x"]}), whole)
    (tmp_path / "t.parquet").write_bytes(whole.getvalue().replace(b"name", b"n\xffme"))
    with pytest.raises(RowsError, match="cannot be read: "):
        chunks(find_source([tmp_path / "t.parquet"]))


def test_a_broken_parquet_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(b"PAR1" + DATA)
    with pytest.raises(RowsError, match=r"t\.parquet: the Parquet file cannot be read: "):
        chunks(find_source([tmp_path / "t.parquet"]))


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "it is empty"),
        (b"x", "it does not begin as a Parquet file does (PAR1)"),
        (b"not PAR1", "it does not begin as a Parquet file does (PAR1)"),
        (
            b"PAR1, cut",
            "it does not end as a Parquet file does (PAR1): a part of it may be missing",
        ),
        (b"PAR1, whole: PAR1", "it is damaged"),
    ],
)
def test_a_parquet_file_that_was_cut_off_is_told_from_one_that_is_damaged(
    tmp_path: Path, data: bytes, problem: str
) -> None:
    """Of the first it helps to copy it again."""
    (tmp_path / "t.parquet").write_bytes(data)
    with pytest.raises(RowsError) as caught:
        chunks(find_source([tmp_path / "t.parquet"]))
    assert str(caught.value).endswith(f"the Parquet file cannot be read: {problem}")


def test_patterns_name_files_in_order(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a.jsonl", "c.txt"):
        (tmp_path / name).write_bytes(DATA)
    found = find_source([str(tmp_path / "*.jsonl"), str(tmp_path / "c.txt")])
    assert [path.name for path in found.paths] == ["a.jsonl", "b.jsonl", "c.txt"]
    assert sum(count_rows(block) for block in found.blocks(1 << 16)) == 2700
    blocks = list(found.blocks(1 << 16))
    assert (blocks[-1].index + count_rows(blocks[-1]), blocks[-1].end) == (2700, found.size)


def test_a_name_that_looks_like_a_pattern_is_a_name_first(tmp_path: Path) -> None:
    (tmp_path / "rows[1].jsonl").write_bytes(DATA)
    assert len(find_source([str(tmp_path / "rows[1].jsonl")]).paths) == 1


def test_what_is_not_there_is_told_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_bytes(DATA)
    there = re.escape(str(tmp_path / "train.jsonl"))
    with pytest.raises(RowsError, match=rf"there is no such file; did you mean {there}\?"):
        find_source([tmp_path / "trian.jsonl"])
    with pytest.raises(RowsError, match="no file fits this pattern"):
        find_source([str(tmp_path / "*.csv")])
    with pytest.raises(OptionError, match="together with files"):
        find_source(["-", tmp_path / "train.jsonl"])
    with pytest.raises(RowsError, match=r"is a folder; name its files, such as .*\*\.jsonl$"):
        chunks(find_source([tmp_path]))


def test_an_input_is_known_by_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(DATA)
    (tmp_path / "b.jsonl").write_bytes(DATA[:-1])
    one, other = (find_source([tmp_path / name]).identity()[0] for name in ("a.jsonl", "b.jsonl"))
    assert one["sha256"] != other["sha256"]
    assert one["lines"] == other["lines"] == 900
    assert "lines" not in find_source([write_csv(tmp_path / "t.csv", [["a"]])]).identity()[0]


def test_a_folder_changes_when_a_file_in_it_does(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text("{}")
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "data.arrow").write_bytes(b"rows")
    source = replace(find_source([tmp_path]), watch=Watch())
    inputs = source.identity()
    source.check_unchanged(inputs)
    with (tmp_path / "inner" / "data.arrow").open("ab") as file:
        file.write(b"more")
    with pytest.raises(RowsError, match="changed while it was read"):
        source.check_unchanged(inputs)


def test_a_csv_of_a_large_cell_is_read(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "t.csv", [["item", "sample"], ["{}", "x" * 1_000_000]])
    assert chunks(find_source([path]))[0].samples == ["x" * 1_000_000]


def test_blocks_of_a_table_number_their_rows(tmp_path: Path) -> None:
    rows = [["q", "sample"], *([str(n), "x"] if n % 50 else ["odd"] for n in range(400))]
    path = write_csv(tmp_path / "t.csv", rows)
    blocks: list[Block] = list(find_source([path]).blocks(1000))
    assert [block.index for block in blocks][:2] == [0, count_rows(blocks[0])]
    assert list(failures(find_source([path]))) == list(range(0, 400, 50))
