"""Results as Parquet: typed columns that every reader of tables understands, with the values of the lines."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

import graders
from graders.cli import _main
from graders.errors import UnavailableError
from tests.batch.conftest import GRADER, lines


@pytest.fixture
def results(tmp_path: Path) -> Path:
    (tmp_path / "rows.jsonl").write_bytes(lines(500))
    graders.score_file(graders.load(GRADER), tmp_path / "rows.jsonl", tmp_path / "out.jsonl")
    return tmp_path / "out.jsonl"


def rows_by(library: str, path: Path) -> list[dict[str, Any]]:
    module = pytest.importorskip(library)
    if library == "pyarrow":
        found = importlib.import_module("pyarrow.parquet").read_table(path).to_pylist()
    elif library == "pandas":
        found = json.loads(module.read_parquet(path).to_json(orient="records", double_precision=15))
    elif library == "polars":
        found = module.read_parquet(path).to_dicts()
    else:
        cursor = module.sql(f"select * from '{path}'")
        found = [dict(zip(cursor.columns, one, strict=True)) for one in cursor.fetchall()]
    return list(found)


@pytest.mark.remote
def test_duckdb_reads_them(results: Path) -> None:
    _check("duckdb", results)


@pytest.mark.parametrize("library", ["pyarrow", "pandas", "polars"])
def test_tables_hold_what_lines_hold(results: Path, library: str) -> None:
    _check(library, results)


def _check(library: str, results: Path) -> None:
    made = results.with_name("out.parquet")
    assert _main(["merge", str(results), "-o", str(made)]) == 0
    expected = [json.loads(one) for one in results.read_bytes().splitlines()]
    found = rows_by(library, made)
    assert len(found) == len(expected)
    for row, line in zip(found, expected, strict=True):
        assert (row["index"], row["id"]) == (line["index"], line.get("id"))
        if line["reward"] is None:
            assert row["reward"] is None
        else:
            assert row["reward"] == pytest.approx(line["reward"], abs=1e-14)
        assert row["reward_same"] == line["sub_rewards"]["same"]
        assert [one["code"] for one in row["failures"]] == [one["code"] for one in line["failures"]]
        assert [one["message"] for one in row["failures"]] == [
            one["message"] for one in line["failures"]
        ]
        assert row["more"] is None


def test_columns_are_typed_though_every_row_failed(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    (tmp_path / "rows.jsonl").write_bytes(b'{"item": {}, "id": 7}\n' * 3)
    graders.score_file(graders.load(GRADER), tmp_path / "rows.jsonl", tmp_path / "out.jsonl")
    _main(["merge", str(tmp_path / "out.jsonl"), "-o", str(tmp_path / "out.parquet")])
    table = parquet.read_table(tmp_path / "out.parquet")
    kinds = dict(zip(table.schema.names, map(str, table.schema.types), strict=True))
    assert kinds["reward"] == kinds["reward_near"] == "double"
    assert kinds["index"] == "int64"
    assert table["id"].to_pylist() == ["7"] * 3


def test_many_row_groups_and_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr("graders.batch.columns._GROUP", 100)
    for count in (0, 550):
        (tmp_path / "rows.jsonl").write_bytes(lines(count))
        graders.score_file(
            graders.load(GRADER), tmp_path / "rows.jsonl", tmp_path / "out.jsonl", allow_empty=True
        )
        graders.api.merge_shards(tmp_path / "out.jsonl", tmp_path / "out.parquet")
        done = len((tmp_path / "out.jsonl").read_bytes().splitlines())
        assert parquet.read_table(tmp_path / "out.parquet").num_rows == done


def test_without_pyarrow_it_is_a_sentence(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(UnavailableError, match=r"results in Parquet need pyarrow"):
        graders.api.merge_shards(results, results.with_name("x.parquet"))
    assert not results.with_name("x.parquet.new").exists()
