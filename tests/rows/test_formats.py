"""One row in every format that people hold it in: one grade."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import math
import subprocess
import sys
import zipfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import graders
from graders.errors import RowsError
from graders.rows import Layout, decode_block, find_source

ROW = {
    "question": 'Wo liegt "Zürich"?\nGenau.', "answer": "ä;b,c\td", "n": 3, "price": 1.5, "ok": True,
    "none": None, "output": "ä;b,c\td",
}  # fmt: skip
OTHER = {**ROW, "question": "q", "output": "no", "ok": False}
ROWS = [ROW, OTHER, ROW]
GRADER = {
    "type": "multi",
    "graders": {
        "text": {
            "type": "string_check", "name": "t", "operation": "eq",
            "input": "{{ sample.output_text }}", "reference": "{{ item.answer }}",
        },
        "typed": {
            "type": "string_check", "name": "n", "operation": "eq",
            "input": "{{ item.n }} {{ item.price }} {{ item.ok }} {{ item.none }}",
            "reference": "3 1.5 true null",
        },
        "code": {
            "type": "python",
            "source": "def grade(sample, item):\n    return float(item['ok'] is True and len(item) == 7)",
        },
    },
    "calculate_output": "(text + 10 * typed + 100 * code)",
}  # fmt: skip
REWARDS = [111.0, 0.0, 111.0]


def lines(rows: list[Any]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def csv_text(separator: str = ",", end: str = "\r\n") -> str:
    def cell(value: Any) -> str:
        text = value if isinstance(value, str) else json.dumps(value)
        return '"' + text.replace('"', '""') + '"'

    table: list[list[Any]] = [list(ROW), *(list(row.values()) for row in ROWS)]
    return end.join(separator.join(cell(one) for one in row) for row in table) + end


def workbook(path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(list(ROW))
    for row in ROWS:
        sheet.append(list(row.values()))
    book.create_sheet("empty")
    book.save(path)


WRITERS: dict[str, Callable[[Path], object]] = {
    "rows.jsonl": lambda path: path.write_text(lines(ROWS)),
    "bom.jsonl": lambda path: path.write_text(lines(ROWS), encoding="utf-8-sig"),
    "crlf.jsonl": lambda path: path.write_bytes(lines(ROWS).replace("\n", "\r\n").encode()),
    "utf16.jsonl": lambda path: path.write_text(lines(ROWS), encoding="utf-16"),
    "utf16le.jsonl": lambda path: path.write_bytes(lines(ROWS).encode("utf-16-le")),
    "utf16be.jsonl": lambda path: path.write_bytes(lines(ROWS).encode("utf-16-be")),
    "utf32.jsonl": lambda path: path.write_text(lines(ROWS), encoding="utf-32"),
    "rows.jsonl.gz": lambda path: path.write_bytes(gzip.compress(lines(ROWS).encode())),
    "array.json": lambda path: path.write_text(json.dumps(ROWS)),
    "pretty.json": lambda path: path.write_text(json.dumps(ROWS, indent=2)),
    "pretty.jsonl": lambda path: path.write_text("\n".join(json.dumps(r, indent=1) for r in ROWS)),
    "glued.jsonl": lambda path: path.write_text("".join(json.dumps(row) for row in ROWS)),
    "commas.json": lambda path: path.write_text(",\n".join(json.dumps(row) for row in ROWS)),
    "list.json": lambda path: path.write_text(json.dumps({"object": "list", "data": ROWS})),
    "pretty list.json": lambda path: path.write_text(
        json.dumps({"data": ROWS, "has_more": False, "object": "list"}, indent=2) + "\n"
    ),
    "array.json.gz": lambda path: path.write_bytes(gzip.compress(json.dumps(ROWS).encode())),
    "rows.csv": lambda path: path.write_text(csv_text(), newline=""),
    "bom.csv": lambda path: path.write_text(csv_text(), encoding="utf-8-sig", newline=""),
    "utf16.csv": lambda path: path.write_text(csv_text("\t"), encoding="utf-16", newline=""),
    "semicolon.csv": lambda path: path.write_text(csv_text(";", "\n")),
    "tab.csv": lambda path: path.write_text(csv_text("\t", "\n")),
    "sep.csv": lambda path: path.write_text("sep=;\n" + csv_text(";", "\n")),
    "rows.tsv": lambda path: path.write_text(csv_text("\t", "\n")),
    "rows.csv.gz": lambda path: path.write_bytes(gzip.compress(csv_text().encode())),
    "rows.parquet": lambda path: pq.write_table(pa.Table.from_pylist(ROWS), path),
    "rows.xlsx": workbook,
    "rows.xlsm": workbook,
}
OPTIONS: dict[str, Any] = {"item_path": ".", "sample_path": "output", "cells": "typed"}


@pytest.fixture(scope="module")
def grader() -> Any:
    with graders.load(GRADER) as loaded:
        yield loaded


@pytest.mark.parametrize("name", WRITERS)
def test_a_row_gets_one_grade_in_every_format(grader: Any, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    WRITERS[name](path)
    results = tmp_path / "results.jsonl"
    run = graders.score_file(grader, path, results, **OPTIONS)
    found = [json.loads(line) for line in results.read_text().splitlines()]
    assert [row["reward"] for row in found] == REWARDS, found
    assert run.complete


@pytest.mark.parametrize("size", [1, 7, 64, 1 << 20])
@pytest.mark.parametrize("name", [one for one in WRITERS if "json" in one or "csv" in one])
def test_blocks_of_any_size_hold_the_same_rows(tmp_path: Path, name: str, size: int) -> None:
    path = tmp_path / name
    WRITERS[name](path)
    chunks = [
        decode_block(block, Layout.parse(".", "output", "typed"))
        for block in find_source([path]).blocks(size)
    ]
    assert [item for one in chunks for item in one.items] == ROWS
    assert [index for one in chunks for index in one.indexes] == [0, 1, 2]


@pytest.mark.more
def test_rows_on_standard_input_are_told_too(grader: Any, tmp_path: Path, monkeypatch: Any) -> None:
    path = tmp_path / "array"
    path.write_text(json.dumps(ROWS, indent=1), encoding="utf-16")
    with path.open() as stream:
        monkeypatch.setattr("sys.stdin", stream)
        graders.score_file(grader, "-", tmp_path / "out", **OPTIONS)
    found = (tmp_path / "out").read_text().splitlines()
    assert [json.loads(one)["reward"] for one in found] == REWARDS


BROKEN = {
    "array without an end": ('[{"a": 1},\n{"a": 2}\n', "the file ends before its array does"),
    "more after it": ('[{"a": 1}]\n{"a": 2}', "row 1 cannot be read: { stands after the end of the array"),
    "a number among rows": ('[{"a": 1}, 5]', "row 1 cannot be read: it begins with 5"),
    "no end": ('{\n"a": 1}\n{"a": [', "row 1 cannot be read: it does not end"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "says"), BROKEN.values(), ids=BROKEN)
def test_values_that_break_off_are_one_sentence(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "rows.json"
    path.write_text(text)
    with pytest.raises(RowsError) as caught:
        list(find_source([path]).blocks(1 << 16))
    assert says in str(caught.value)
    assert str(path) in str(caught.value)


MEMORY = """
import io, resource
from graders.rows.value import json_blocks
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
text = b'[{"a": "' + b"x" * (24 << 20) + b'"}]'
(block,) = json_blocks(io.BytesIO(text), 1 << 18)
assert len(block.data) == len(text) - 1
"""


@pytest.mark.more
@pytest.mark.skipif(sys.platform != "linux", reason="memory is not limited so elsewhere")
def test_a_long_text_in_an_array_takes_little_memory() -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEMORY], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "text",
    [
        '{"item": {"a": 1}, "sam\n{"item": {}}\n', "[1, 2]\n{}\n", '["a"]\n', "x\n{}\n", '"\n"\n',
        '{"a": "\n{"a": 1}\n', "{]\n{}\n",
    ],
)  # fmt: skip
def test_a_bad_line_of_json_lines_stays_one_bad_row(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(text)
    blocks = list(find_source([path]).blocks(1 << 16))
    assert b"".join(block.data for block in blocks) == text.encode()
    chunk = decode_block(blocks[0], Layout())
    assert len(chunk.failures) >= 1
    assert len(chunk.items) == text.count("\n")


def test_a_list_among_lines_is_a_row_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    text = '{"object": "list", "data": []}\n{"item": {}}\n'
    path.write_text(text)
    (block,) = find_source([path]).blocks(1 << 16)
    assert block.data == text.encode()


def test_a_quote_without_an_end_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('a,b\n1,"two\n3,4\n5,6\n')
    with pytest.raises(RowsError, match=r"line 2: a quote begins a cell there and never ends"):
        list(find_source([path]).blocks(1 << 16))
    path.write_text('a,b\n1,5" pipe\n2,"x ""y"" z"\n3,5"')
    chunk = decode_block(next(find_source([path]).blocks(1 << 16)), Layout.parse(".", "b"))
    assert chunk.samples == ['5" pipe', 'x "y" z', '5"']


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('a,b\n1,"he said \\"hi\\""\n', r'line 2: a cell has \" for a quote, as Spark and MySQL write it'),
        ('a,b\n1,x\n2,"x\ny"z\n', "line 3: more of a cell follows the quote that ends it"),
        ('a;b\n1;"x" \n', "line 2: more of a cell follows the quote that ends it"),
        ("a;b\n1,5;x\nbad;2;3\n4;5\n", "names one column, and line 2 has 2 cells; where ';' separates them, write"),
        ("Results of May\na,b\n1,2\n", "names one column, and line 2 has 2 cells; where a title"),
    ],
)  # fmt: skip
def test_a_table_that_is_not_certain_is_one_sentence(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(text)
    with pytest.raises(RowsError) as caught:
        list(find_source([path]).blocks(1 << 16))
    assert says in str(caught.value)


def test_a_header_that_is_not_utf8_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes("größe,b\n1,2\n".encode("latin-1"))
    with pytest.raises(RowsError, match="the header is not UTF-8; save the file as UTF-8"):
        list(find_source([path]).blocks(1 << 16))


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_header_in_the_midst_of_joined_files_is_a_failed_row(tmp_path: Path, mark: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(f"a,b\n1,x\n{mark}a,b\n2,y\n")
    chunk = decode_block(next(find_source([path]).blocks(1 << 16)), Layout.parse(".", "b"))
    assert [failure.message for failure in chunk.failures.values()] == [
        "line 3: the header once more; name several files, they need not be joined"
    ]
    assert (chunk.samples[0], chunk.samples[2]) == ("x", "y")


def test_a_mark_of_byte_order_may_stand_where_files_were_joined(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('\ufeff{"a": 1}\n\ufeff{"a": 2}\n')
    (block,) = find_source([path]).blocks(1 << 16)
    assert decode_block(block, Layout.parse(".", "a")).items == [{"a": 1}, {"a": 2}]


def test_a_record_of_empty_cells_is_no_row_as_in_a_workbook(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('a,b\n1,x\n,\n"",""\n2,\n,,\n')
    chunk = decode_block(next(find_source([path]).blocks(1 << 16)), Layout.parse(".", "b"))
    assert chunk.items == [{"a": "1", "b": "x"}, {"a": "2", "b": ""}]
    path.write_text('b\nx\n""\n')  # Of one column, an empty cell may be meant.
    chunk = decode_block(next(find_source([path]).blocks(1 << 16)), Layout.parse(".", "b"))
    assert chunk.samples == ["x", ""]


BEGINNINGS = {
    "rows.ods": (b"PK\x03\x04", "a zip archive or a workbook"),
    "rows.csv": (b"PK\x03\x04", "a zip archive or a workbook"),
    "rows.xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook of before 2007"),
    "rows.orc": (b"ORC\n\x01", "ORC; save it as Parquet"),
    "rows.jsonl": (b"PAR1\x15\x04", "Parquet; let its name end in .parquet"),
    "rows.json": (gzip.compress(b"{}"), "compressed by gzip; let its name end in .gz"),
    "rows.csv.bz2": (b"BZh91AY&SY\0", "compressed by bzip2; unpack it"),
    "rows.txt": (b"<!DOCTYPE html>", "HTML; save its table as CSV"),
    "rows.json.gz": (gzip.compress(gzip.compress(b"{}")), "compressed by gzip"),
    "rows.feather": (b"ARROW1\0\0", "an Arrow or Feather file; save it as Parquet"),
}


@pytest.mark.parametrize(("name", "begins"), BEGINNINGS.items(), ids=BEGINNINGS)
def test_what_is_no_text_is_one_sentence(
    tmp_path: Path, name: str, begins: tuple[bytes, str]
) -> None:
    data, says = begins
    (tmp_path / name).write_bytes(data)
    with pytest.raises(RowsError) as caught:
        list(find_source([tmp_path / name]).blocks(1 << 16))
    assert f"{name}: this is no text, but {says}" in str(caught.value)


@pytest.mark.parametrize("name", ["ORCID", "PAR1", "BZh", "PK"])
def test_a_column_may_be_called_as_another_kind_of_file_begins(tmp_path: Path, name: str) -> None:
    (tmp_path / "rows.csv").write_text(f"{name},b\n1,2\n")
    (block,) = find_source([tmp_path / "rows.csv"]).blocks(1 << 16)
    assert decode_block(block, Layout.parse(".", "b")).items == [{name: "1", "b": "2"}]


def test_cells_are_text_unless_they_are_to_be_typed(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('a,b,c,d,e\nFalse,007,1e3,"[1, {""x"": null}]",  text\n')
    (block,) = find_source([path]).blocks(1 << 16)
    text = {"a": "False", "b": "007", "c": "1e3", "d": '[1, {"x": null}]', "e": "  text"}
    assert decode_block(block, Layout.parse(".", "e")).items == [text]
    typed = {**text, "a": False, "c": 1000.0, "d": [1, {"x": None}]}
    assert decode_block(block, Layout.parse(".", "e", "typed")).items == [typed]


def test_an_answer_that_looks_like_a_number_is_text_with_typed_cells_too(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('a,output\n42,42\ntrue,True\nx,"[{""role"": ""assistant""}]"\n')
    (block,) = find_source([path]).blocks(1 << 16)
    chunk = decode_block(block, Layout.parse(".", "output", "typed"))
    assert chunk.samples == ["42", "True", [{"role": "assistant"}]]
    assert [item["a"] for item in chunk.items] == [42, True, "x"]


def test_a_column_item_is_the_item_only_where_it_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "shop.csv"
    path.write_text("item,price,output\nshoe,5,x\n")
    (block,) = find_source([path]).blocks(1 << 16)
    row = {"item": "shoe", "price": "5", "output": "x"}
    assert decode_block(block, Layout.parse(".", "output")).items == [row]
    assert "the item is not JSON" in decode_block(block, Layout()).failures[0].message


def test_numbers_of_parquet_stay_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    table = pa.table({
        "r": [math.inf, math.nan, 1e308], "f": pa.array([0.1, None, 2.5], pa.float32()),
        "d": pa.array([Decimal("12345678901234567.89"), Decimal("1.10"), None]),
        "m": pa.array([[("a", 1)], [], None], pa.map_(pa.string(), pa.int64())),
        "l": pa.array([[0.1], [], None], pa.list_(pa.float32())),
        "s": pa.array([{"x": 0.1}, {"x": None}, None], pa.struct([("x", pa.float32())])),
        "t": [dt.datetime(2020, 1, 2, 3, tzinfo=dt.UTC), None, None], "b": [b"\xff\xd8", b"ok", None],
    })  # fmt: skip
    pq.write_table(table, path)
    (block,) = find_source([path]).blocks(1 << 16)
    first, second, third = decode_block(block, Layout.parse(".", "r")).items
    assert (first["r"], first["f"], first["d"]) == (math.inf, 0.1, "12345678901234567.89")
    assert (first["m"], first["l"], first["s"]) == ({"a": 1}, [0.1], {"x": 0.1})
    assert (first["t"], first["b"]) == ("2020-01-02T03:00:00+00:00", "/9g=")
    assert math.isnan(second["r"])
    assert (second["d"], second["m"], second["s"], second["b"]) == (1.1, {}, {"x": None}, "ok")
    assert third == {"r": 1e308, "f": 2.5} | dict.fromkeys("dmlstb")


def _book(tmp_path: Path, fill: Callable[[Any], None]) -> Path:
    book = openpyxl.Workbook()
    fill(book)
    book.save(tmp_path / "rows.xlsx")
    return tmp_path / "rows.xlsx"


def _two_sheets(book: Any) -> None:
    book.active.append(["a"])
    book.create_sheet("Sheet2").append(["b"])


def _formula(book: Any) -> None:
    book.active.append(["a"])
    book.active.append(["=1+1"])


def _no_name(book: Any) -> None:
    book.active.append(["a", None, "c"])


def _title(book: Any) -> None:
    book.active.merge_cells("A1:B1")
    book.active["A1"] = "Results of May"
    book.active.append(["a", "b"])


def _twice(book: Any) -> None:
    book.active.append(["a", "a"])


@pytest.mark.parametrize(
    ("fill", "says"),
    [
        (
            _two_sheets,
            'rows stand on several sheets ("Sheet", "Sheet2"); save the one that is meant',
        ),
        (_formula, "row 2: the formula in A2 was never calculated"),
        (_no_name, "column 2 of the first row has no name"),
        (_title, "the header names one column, and row 2 has 2 cells; where a title stands above"),
        (_twice, "the first row names the column 'a' twice"),
        (lambda _: None, "there is nothing on any sheet"),
    ],
)
def test_a_workbook_that_is_not_certain_is_one_sentence(
    tmp_path: Path, fill: Any, says: str
) -> None:
    with pytest.raises(RowsError) as caught:
        list(find_source([_book(tmp_path, fill)]).blocks(1 << 16))
    assert says in str(caught.value)


def test_cells_of_a_workbook_have_their_types(tmp_path: Path) -> None:
    day, moment = dt.date(2020, 1, 2), dt.datetime(2020, 1, 2, 3, 4)  # noqa: DTZ001  (Excel has no zones)
    midnight = dt.datetime(2020, 1, 2)  # noqa: DTZ001

    def fill(book: Any) -> None:
        book.active.append(["day", "moment", "midnight", "n", "f", "ok", "text", "none"])
        book.active.append([day, moment, midnight, 3, 0.1, True, "007", None])

    (block,) = find_source([_book(tmp_path, fill)]).blocks(1 << 16)
    assert decode_block(block, Layout.parse(".", "text")).items == [
        {
            "day": "2020-01-02", "moment": "2020-01-02T03:04:00", "midnight": "2020-01-02T00:00:00",
            "n": 3, "f": 0.1, "ok": True, "text": "007", "none": None,
        }
    ]  # fmt: skip


def _rows_of(*rows: list[Any]) -> Callable[[Any], None]:
    def fill(book: Any) -> None:
        for row in rows:
            book.active.append(row)

    return fill


def _rewritten(path: Path, old: bytes, new: bytes) -> None:
    """Change the sheet of a workbook as another program would have written it."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            changed = data.replace(old, new) if name.endswith("sheet1.xml") else data
            assert (changed != data) == name.endswith("sheet1.xml")
            archive.writestr(name, changed)


@pytest.mark.parametrize("said", [b"A1", b"A1:B2", b"A1:XFD1048576"])
def test_all_rows_of_a_workbook_are_read_whatever_it_says_of_its_size(
    tmp_path: Path, said: bytes
) -> None:
    path = _book(tmp_path, _rows_of(["a", "b"], ["1", "2"], ["3", "4"]))
    _rewritten(path, b'<dimension ref="A1:B3"', b'<dimension ref="' + said + b'"')
    (block,) = find_source([path]).blocks(1 << 16)
    items = decode_block(block, Layout.parse(".", "b")).items
    assert items == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]


def test_a_first_column_without_a_name_is_read_as_in_csv(tmp_path: Path) -> None:
    path = _book(tmp_path, _rows_of([None, "a"], [0, "x"]))
    (block,) = find_source([path]).blocks(1 << 16)
    assert decode_block(block, Layout.parse(".", "a")).items == [{"": 0, "a": "x"}]


def test_a_workbook_of_the_strict_kind_is_one_sentence(tmp_path: Path) -> None:
    path = _book(tmp_path, _rows_of(["a"], ["x"]))
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            changed = data.replace(
                b"http://schemas.openxmlformats.org/spreadsheetml/2006/main",
                b"http://purl.oclc.org/ooxml/spreadsheetml/main",
            ).replace(
                b"http://schemas.openxmlformats.org/officeDocument/2006/relationships",
                b"http://purl.oclc.org/ooxml/officeDocument/relationships",
            )
            archive.writestr(name, changed)
    with pytest.raises(RowsError, match='save it as an "Excel Workbook"'):
        list(find_source([path]).blocks(1 << 16))


def test_what_openpyxl_would_not_write_is_no_warning(tmp_path: Path) -> None:
    path = _book(tmp_path, _rows_of(["a"], ["x"]))
    _rewritten(path, b"</worksheet>", b'<extLst><ext uri="{x}"/></extLst></worksheet>')
    (block,) = find_source([path]).blocks(1 << 16)  # Here, warnings are errors.
    assert decode_block(block, Layout.parse(".", "a")).items == [{"a": "x"}]


def test_a_cell_that_shows_an_error_fails_whoever_reads_it(tmp_path: Path) -> None:
    path = _book(tmp_path, _rows_of(["answer", "output"], ["#N/A", "x"], ["#DIV/0!", "#N/A"]))
    config = {**GRADER["graders"]["text"]}  # type: ignore[index]
    with graders.load(config) as reads, graders.load({**config, "reference": "x"}) as does_not:
        out = tmp_path / "out.jsonl"
        options: dict[str, Any] = {"item_path": ".", "sample_path": "output", "restart": True}
        run = graders.score_file(reads, path, out, **options)
        assert (run.tally.rows, run.tally.scored) == (2, 0)
        run = graders.score_file(does_not, path, out, **options)
        assert (run.tally.rows, run.tally.scored) == (2, 1)


def test_characters_that_xml_has_not_are_read_from_a_workbook(tmp_path: Path) -> None:
    path = _book(tmp_path, _rows_of(["a"], ["x_x000D_\ny _x0041_"]))
    (block,) = find_source([path]).blocks(1 << 16)
    assert decode_block(block, Layout.parse(".", "a")).items == [{"a": "x\r\ny _x0041_"}]


def test_a_workbook_that_openpyxl_stumbles_over_is_one_sentence(tmp_path: Path) -> None:
    path = _book(tmp_path, lambda book: book.active.append(["a"]))
    _rewritten(path, b"<sheetData>", b"<sheetData><")
    with pytest.raises(RowsError, match="damaged, or none of Excel's"):
        list(find_source([path]).blocks(1 << 16))
    path.write_bytes(b"\xd0\xcf\x11\xe0" + bytes(600))
    with pytest.raises(RowsError, match="before 2007, or one with a password"):
        list(find_source([path]).blocks(1 << 16))


def test_what_is_no_workbook_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "rows.xlsx"
    for data in (b"", b"text", b"PK\x03\x04" + bytes(100)):
        path.write_bytes(data)
        with pytest.raises(RowsError, match="damaged, or none of Excel's"):
            list(find_source([path]).blocks(1 << 16))


def test_a_config_in_utf16_is_read(tmp_path: Path) -> None:
    path = tmp_path / "grader.json"
    path.write_text(json.dumps(GRADER["graders"]["text"]), encoding="utf-16")  # type: ignore[index]
    assert graders.load(path).type == "string_check"


@pytest.mark.parametrize("change", ["cut", "grown", "edited"])
@pytest.mark.parametrize(
    "kind", ["rows.jsonl", pytest.param("rows.csv", marks=pytest.mark.more), "rows.parquet"]
)
def test_a_run_over_rows_that_change_never_ends_as_complete(
    tmp_path: Path, kind: str, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Small blocks: when the first is scored, most of the file is not read yet.
    monkeypatch.setattr("graders.batch.parallelism._PURE_BLOCK", 1 << 14)
    path, out = tmp_path / kind, tmp_path / "out.jsonl"
    many = [{"question": f"{n:08}" * 70, "output": "x"} for n in range(2000)]
    if kind == "rows.parquet":
        pq.write_table(pa.Table.from_pylist(many), path, row_group_size=100)
    elif kind == "rows.csv":
        path.write_text("question,output\n" + "".join(f"{row['question']},x\n" for row in many))
    else:
        path.write_text(lines(many))
    data = path.read_bytes()
    changed = {
        "cut": data[:-1000],
        "grown": data + data[-1000:],
        "edited": data[:-500] + b"z" + data[-499:],
    }
    told: list[Any] = []

    def on_progress(now: Any) -> None:
        if not told:
            path.write_bytes(changed[change])
        told.append(now)

    check = graders.load({**GRADER["graders"]["text"], "reference": "x"})  # type: ignore[index]
    with pytest.raises(RowsError, match=r"changed while it was read|cannot be read"):
        graders.score_file(
            check,
            path,
            out,
            item_path=".",
            sample_path="output",
            workers=0,
            on_progress=on_progress,
        )
    assert not out.exists()
    path.write_bytes(data)
    again = {"restart": True} if kind == "rows.parquet" else {"resume": True}
    if kind == "rows.parquet":
        with pytest.raises(RowsError, match="cannot be resumed"):
            graders.score_file(check, path, out, item_path=".", sample_path="output", resume=True)
    run = graders.score_file(check, path, out, item_path=".", sample_path="output", **again)  # type: ignore[arg-type]
    assert (run.complete, run.tally.rows, run.tally.scored) == (True, 2000, 2000)
    assert bool(run.resumed) == (kind != "rows.parquet")


def test_results_on_standard_output_are_told_of_a_change_too(
    tmp_path: Path, capfdbinary: Any
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(lines([{"output": "x"}] * 10))
    check = graders.load({**GRADER["graders"]["text"], "reference": "x"})  # type: ignore[index]

    def on_progress(_: Any) -> None:
        path.write_text("")

    with pytest.raises(RowsError, match="changed while it was read"):
        graders.score_file(
            check, path, "-", item_path=".", sample_path="output", on_progress=on_progress
        )
    assert capfdbinary.readouterr().out.count(b"\n") == 10
