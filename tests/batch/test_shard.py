"""Parts: whoever scores them, from whatever format, merged they are the bytes of one run."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import graders
from graders.batch.run import Run
from graders.batch.shard import _add, added, parse_shard, read_division
from graders.cli import _main
from graders.errors import OptionError, RowsError, StoppedError
from tests.batch.conftest import GRADER, lines, row
from tests.waiting import PATIENCE

ROWS = 2000


def _jsonl(folder: Path) -> list[Path]:
    (folder / "rows.jsonl").write_bytes(lines(ROWS))
    return [folder / "rows.jsonl"]


def _bom_and_blanks(folder: Path) -> list[Path]:
    text = lines(300).replace(b"\n", b"\r\n\n", 40)
    (folder / "rows.jsonl").write_bytes(b"\xef\xbb\xbf" + text.removesuffix(b"\n"))
    return [folder / "rows.jsonl"]


def _packed(folder: Path) -> list[Path]:
    (folder / "rows.jsonl.gz").write_bytes(gzip.compress(lines(ROWS)))
    return [folder / "rows.jsonl.gz"]


def _array(folder: Path) -> list[Path]:
    (folder / "rows.json").write_text(json.dumps([row(one) for one in range(ROWS)], indent=1))
    return [folder / "rows.json"]


def _utf16(folder: Path) -> list[Path]:
    text = "".join(json.dumps(row(one), ensure_ascii=False) + "\n" for one in range(ROWS))
    (folder / "rows.jsonl").write_bytes(text.encode("utf-16"))
    return [folder / "rows.jsonl"]


def _csv(folder: Path) -> list[Path]:
    cells = "".join(f'"x\ny {one}",x {one % 7}\n' for one in range(ROWS))
    (folder / "rows.csv").write_text("a,sample\n" + cells)
    return [folder / "rows.csv"]


def _parquet(folder: Path) -> list[Path]:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pa.table(
        {
            "item": [{"a": f"x {one}"} for one in range(ROWS)],
            "sample": [f"x {one % 7}" for one in range(ROWS)],
        }
    )
    parquet.write_table(table, folder / "rows.parquet", row_group_size=300)
    return [folder / "rows.parquet"]


def _several(folder: Path) -> list[Path]:
    for name, count in (("a", 700), ("b", 1), ("c", 0), ("d", 900)):
        (folder / f"{name}.jsonl").write_bytes(lines(count))
    return [*(folder / f"{name}.jsonl" for name in "abcd"), *_packed(folder)]


FORMATS = [_jsonl, _bom_and_blanks, _packed, _array, _utf16, _csv, _parquet, _several]


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many places to begin at in few rows."""
    monkeypatch.setattr("graders.rows.survey._SIZE", 1 << 12)


@pytest.mark.parametrize("make", FORMATS, ids=lambda one: one.__name__.strip("_"))
@pytest.mark.parametrize("count", [pytest.param(1, marks=pytest.mark.more), 7])
def test_merged_parts_are_the_bytes_of_one_run(
    tmp_path: Path, make: Callable[[Path], list[Path]], count: int
) -> None:
    rows, grader = make(tmp_path), graders.load(GRADER)
    one = graders.score_file(grader, rows, tmp_path / "one.jsonl", workers=0)
    parts = tmp_path / "parts"
    for index in reversed(range(count)):  # In whatever order.
        graders.score_file(grader, rows, parts, workers=0, shard=f"{index}/{count}")
    run, _ = graders.api.merge_shards(parts, tmp_path / "merged.jsonl")
    for ending in ("", ".manifest.json"):
        merged = (tmp_path / f"merged.jsonl{ending}").read_bytes()
        assert merged == (tmp_path / f"one.jsonl{ending}").read_bytes()
    assert run.tally.to_dict() == one.tally.to_dict()


def test_a_part_reads_its_own_rows_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for make in (_jsonl, _parquet):
        rows, parts = make(tmp_path), tmp_path / make.__name__
        grader = graders.load(GRADER)
        graders.score_file(grader, rows, parts, workers=0, shards=9)
        division = read_division(parts)
        assert division is not None
        begun = [mark.row for mark in division.marks]
        assert len(begun) > 5
        for start, _ in division.parts:  # No more than a piece or a row group is read in vain.
            assert start - max(one for one in begun if one <= start) < 320
        source = graders.rows.find_source(rows)
        first = next(graders.rows.Source(source.paths, marks=division.marks).blocks(1 << 12, 1500))
        assert first.index > 1100


@pytest.mark.parametrize("count", [5, pytest.param(40, marks=pytest.mark.more)])
def test_there_may_be_more_parts_than_rows(tmp_path: Path, count: int) -> None:
    (tmp_path / "rows.jsonl").write_bytes(lines(3))
    grader = graders.load(GRADER)
    graders.score_file(grader, tmp_path / "rows.jsonl", tmp_path / "one.jsonl")
    run = graders.score_file(grader, tmp_path / "rows.jsonl", tmp_path / "parts", shards=count)
    assert run.tally.rows == 3
    graders.api.merge_shards(tmp_path / "parts", tmp_path / "merged.jsonl")
    assert (tmp_path / "merged.jsonl").read_bytes() == (tmp_path / "one.jsonl").read_bytes()


def test_memory_is_that_of_the_part_that_held_most() -> None:
    """Parts come one after another: their workers are never there together."""
    whole = Run(complete=True)
    for peaks in ({1: 5, 2: 5}, {3: 7}, {}):
        _add(whole, Run(complete=True, peaks=peaks))
    assert whole.peaks == {1: 5, 2: 5}


def test_some_rows_and_their_judgements_are_divided_too(tmp_path: Path) -> None:
    rows, grader = _jsonl(tmp_path), graders.load(GRADER)
    some: dict[str, Any] = {
        "where": graders.RowRange(100, 900), "limit": 700, "keep_judgements": True, "by": "item.a",
    }  # fmt: skip
    graders.score_file(grader, rows, tmp_path / "one.jsonl", **some)
    graders.score_file(grader, rows, tmp_path / "parts", shards=3, **some)
    graders.api.merge_shards(tmp_path / "parts", tmp_path / "merged.jsonl")
    for ending in ("", ".judgements.jsonl"):
        merged = (tmp_path / f"merged.jsonl{ending}").read_bytes()
        assert merged == (tmp_path / f"one.jsonl{ending}").read_bytes()
    with pytest.raises(OptionError, match="divided for other rows"):
        graders.score_file(grader, rows, tmp_path / "parts", shards=3)


def test_a_part_that_was_stopped_goes_on(tmp_path: Path) -> None:
    rows, grader, parts = _jsonl(tmp_path), graders.load(GRADER), tmp_path / "parts"
    graders.score_file(grader, rows, tmp_path / "one.jsonl")
    with pytest.raises(StoppedError):
        graders.score_file(
            grader, rows, parts, shards=3, max_failures=graders.MaxFailures(count=5), workers=0
        )
    with pytest.raises(RowsError, match="3 of 3 shards are not complete: 0, 1, 2"):
        graders.api.merge_shards(parts, tmp_path / "merged.jsonl")
    run = graders.score_file(grader, rows, parts, shards=3, resume=True)
    assert run.complete
    assert run.resumed > 0
    graders.api.merge_shards(parts, tmp_path / "merged.jsonl")
    assert (tmp_path / "merged.jsonl").read_bytes() == (tmp_path / "one.jsonl").read_bytes()


@pytest.mark.more
def test_workers_that_begin_at_once_agree(tmp_path: Path) -> None:
    rows = _jsonl(tmp_path)[0]
    (tmp_path / "g.json").write_text(json.dumps(GRADER))
    graders.score_file(graders.load(GRADER), rows, tmp_path / "one.jsonl")
    words = [sys.executable, "-m", "graders", "score", "g.json", "rows.jsonl", "-o", "parts/"]
    workers = [
        subprocess.Popen([*words, "--shard", f"{one}/4", "--resume"], cwd=tmp_path)
        for one in range(4)
    ]
    assert [one.wait(PATIENCE) for one in workers] == [0] * 4
    assert _main(["merge", str(tmp_path / "parts"), "-o", str(tmp_path / "merged.jsonl")]) == 0
    assert (tmp_path / "merged.jsonl").read_bytes() == (tmp_path / "one.jsonl").read_bytes()
    names = {one.name for one in (tmp_path / "parts").iterdir()}
    assert len(names) == 9
    assert "shards.json" in names


def test_rows_that_were_touched_are_the_same_and_others_are_not(tmp_path: Path) -> None:
    rows, grader, parts = _jsonl(tmp_path), graders.load(GRADER), tmp_path / "parts"
    graders.score_file(grader, rows, parts, shard="0/2")
    rows[0].touch()
    graders.score_file(grader, rows, parts, shard="1/2")
    rows[0].write_bytes(lines(ROWS)[:-1] + b" ")
    with pytest.raises(RowsError, match="holds other rows of the same size; take another folder"):
        graders.score_file(grader, rows, parts, shard="1/2", restart=True)


def test_a_folder_gets_parts_without_being_asked(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("graders.batch.shard._PART_BYTES", len(lines(ROWS)) // 3)
    rows, parts = _jsonl(tmp_path), tmp_path / "parts"
    parts.mkdir()
    graders.score_file(graders.load(GRADER), rows, parts)
    assert len([one for one in parts.iterdir() if one.suffix == ".jsonl"]) == 4


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"shard": "4/4"}, "shard 4/4: of 4 the first is 0/4 and the last 3/4"),
        ({"shard": "x"}, "shard is I/N, such as 0/64, got x"),
        ({"shard": "1/200000"}, "there are at most 99,999 shards"),
        ({"shard": "0/2", "shards": 2}, "give one of the two"),
        ({"shards": 0}, "shards is from 1 to 99999, got 0"),
        ({"shard": "0/4", "budget_tokens": 3}, "of 3 shard 0/4 gets none"),
    ],
)
def test_what_cannot_be_divided_so_is_a_sentence(
    tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    rows = _jsonl(tmp_path)
    with pytest.raises(OptionError) as raised:
        graders.score_file(graders.load(GRADER), rows, tmp_path / "parts", **options)
    assert said in str(raised.value)


def test_a_stream_and_a_file_are_no_place_for_parts(tmp_path: Path) -> None:
    rows, grader = _jsonl(tmp_path), graders.load(GRADER)
    with pytest.raises(OptionError, match="standard input and pipes cannot be divided"):
        graders.score_file(grader, "-", tmp_path / "parts", shards=2)
    (tmp_path / "file").write_text("")
    with pytest.raises(RowsError, match="is a file; shards go into a folder"):
        graders.score_file(grader, rows, tmp_path / "file", shards=2)


def test_merge_refuses_what_is_not_what_it_was(tmp_path: Path) -> None:
    rows, grader, parts = _jsonl(tmp_path), graders.load(GRADER), tmp_path / "parts"
    graders.score_file(grader, rows, parts, shards=3)
    out = tmp_path / "merged.jsonl"
    part = parts / "part-00001-of-00003.jsonl"
    whole = part.read_bytes()
    part.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RowsError, match="is not what its manifest says"):
        graders.api.merge_shards(parts, out)
    part.write_bytes(whole.replace(b'"reward":1.0', b'"reward":0.0', 1))
    with pytest.raises(RowsError, match="is not what its manifest says"):
        graders.api.merge_shards(parts, out)
    part.unlink()
    with pytest.raises(RowsError, match="there is no such file"):
        graders.api.merge_shards(parts, out)
    graders.score_file(grader, rows, parts, shard="1/3", on_error="zero")
    with pytest.raises(
        RowsError, match="is of another run than the first part: an option has changed"
    ):
        graders.api.merge_shards(parts, out)
    graders.score_file(grader, rows, parts, shard="1/3")
    (parts / "shards.json").write_text("[]")
    with pytest.raises(RowsError, match="says nothing about shards"):
        graders.api.merge_shards(parts, out)
    assert not [one for one in tmp_path.iterdir() if one.name.startswith("merged")]
    with pytest.raises(RowsError, match="no complete results"):
        graders.api.merge_shards(tmp_path / "none", out)
    graders.score_file(grader, rows, out)
    with pytest.raises(OptionError, match="is what is read"):
        graders.api.merge_shards(out, out)


def test_parts_are_added_up() -> None:
    one = {"dollars": 1.5, "models": {"a": {"total": 2}}, "budget": None}
    other = {"dollars": 0.5, "models": {"b": {"total": 3}, "a": {"total": 1}}, "budget": None}
    assert added(one, None) == one
    assert added(one, other) == {
        "dollars": 2.0, "models": {"a": {"total": 3}, "b": {"total": 3}}, "budget": None,
    }  # fmt: skip
    assert added({"budget_tokens": 5}, {"budget_tokens": 7}) == {"budget_tokens": None}
    assert parse_shard("3/64") == (3, 64)
