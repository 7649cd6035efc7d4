"""Files as spreadsheet programs and data platforms really write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from graders.errors import RowsError
from graders.rows import Layout, decode_block, find_source

FILES = Path(__file__).parent / "files"


def items_of(name: str) -> list[Any]:
    (block,) = find_source([FILES / name]).blocks(1 << 20)
    chunk = decode_block(block, Layout.parse(".", "output"))
    assert not chunk.failures
    return chunk.items


def test_a_workbook_of_libreoffice_has_its_types() -> None:
    assert items_of("libreoffice.xlsx") == [
        {
            "question": 'Wo liegt "Zürich"?\nGenau.', "answer": "ä;b,c", "n": 3, "price": 1.5,
            "ok": True, "day": "2020-01-02", "output": "ä;b,c",
        },
        {
            "question": "q2", "answer": "2026-01-02", "n": 7, "price": "1,5",
            "ok": False, "day": "2020-12-31T13:45:00", "output": "x",
        },
    ]  # fmt: skip


def test_a_table_of_libreoffice_in_utf16_is_read() -> None:
    first, second = items_of("libreoffice-utf16.csv")
    assert (first["question"], first["output"]) == ('Wo liegt "Zürich"?\nGenau.', "ä;b,c")
    assert (second["price"], second["day"]) == ("1,5", "2020-12-31 13:45:00")


def test_parquet_of_spark_has_its_types() -> None:
    first, second = items_of("spark.snappy.parquet")
    assert first == {
        "question": 'Wo liegt "Zürich"?\nGenau.', "answer": "ä;b,c\td", "n": 3, "price": 1.5,
        "ok": True, "day": "2020-01-02", "t": "2020-01-02T03:04:05.678900", "none": None,
        "l": ["a", 'b"c'], "m": {"k": 1}, "st": {"a": "x", "f": 0.5}, "b": "/9g=",
        "output": "ä;b,c\td",
    }  # fmt: skip
    assert (second["m"], second["st"], second["output"]) == ({}, {"a": "y", "f": None}, "")


def test_csv_of_spark_is_refused_where_its_quotes_are_its_own() -> None:
    with pytest.raises(RowsError, match=r'line 2: a cell has \\" for a quote, as Spark'):
        items_of("spark.csv")
