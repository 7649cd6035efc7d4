"""Which rows are not as they were, whatever moved: the grader, the rows or their order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import graders
from graders.inspection.moved import Graded, compared, grade_rows
from graders.rows import Chunk, Layout, decode_block, find_source

EXACT = graders.StringCheck(
    name="c", input="{{ sample.output_text }}", reference="{{ item.a }}", operation="eq"
)
LOOSE = graders.StringCheck(
    name="c", input="{{ sample.output_text }}", reference="{{ item.a }}", operation="ilike"
)


def row(answer: str, sample: str, **more: Any) -> dict[str, Any]:
    return {"item": {"a": answer}, "sample": sample, **more}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "rows.jsonl"


def grade(config: Any, file: Path, rows: list[Any], limit: int = 100) -> Graded:
    file.write_text(
        "".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in rows)
    )
    with graders.load(config) as grader:
        return grade_rows(grader, chunks(file), limit)


def chunks(file: Path) -> Iterator[Chunk]:
    return (decode_block(block, Layout()) for block in find_source([str(file)]).blocks(64))


def said(before: Graded, after: Graded) -> list[tuple[Any, ...]]:
    return [
        (one.label, *(None if seen is None else seen.reward for seen in (one.before, one.after)))
        for one in compared(before, after)
    ]


def test_rows_that_are_graded_as_before_are_left_out(file: Path) -> None:
    rows = [row("x", "x"), row("x", "so x"), row("x", "y")]
    before, after = grade(EXACT, file, rows), grade(LOOSE, file, rows)
    assert said(before, after) == [("row 1", 0.0, 1.0)]
    assert compared(after, after) == []
    assert (before.mean, after.mean, after.failed, after.more) == (1 / 3, 2 / 3, 0, False)


def test_lost_and_found_rewards_come_first(file: Path) -> None:
    before = grade(
        EXACT,
        file,
        [row("x", "x", id="a"), row("x", "y", id="b"), {"item": {}, "sample": "x", "id": "c"}],
    )
    after = grade(
        EXACT,
        file,
        [row("x", "y", id="a"), {"item": {}, "sample": "x", "id": "b"}, row("x", "x", id="c")],
    )
    assert said(before, after) == [("b", 0.0, None), ("c", None, 1.0), ("a", 1.0, 0.0)]
    assert compared(before, after)[0].to_dict() == {
        "row": "b", "before": {"reward": 0.0, "failures": []},
        "after": {"reward": None, "failures": ["invalid_variable_error"]},
    }  # fmt: skip


def test_a_row_is_known_by_its_id_wherever_it_stands(file: Path) -> None:
    rows = [row("x", "x", id="a"), row("x", "y", id=2)]
    before, after = (
        grade(EXACT, file, rows),
        grade(EXACT, file, [row("x", "z", id="new"), *rows[::-1]]),
    )
    assert said(before, after) == [("new", None, 0.0)]
    assert said(after, before) == [("new", 0.0, None)]


def test_rows_with_the_same_id_are_known_by_where_they_stand(file: Path) -> None:
    before = grade(EXACT, file, [row("x", "x", id=1), row("x", "y", id="1")])
    after = grade(EXACT, file, [row("x", "x", id=1), row("x", "x", id="1")])
    assert said(before, after) == [("1", 0.0, 1.0)]


def test_a_line_that_is_no_row_is_a_failed_row(file: Path) -> None:
    graded = grade(EXACT, file, [row("x", "x"), '{"item": ', row("x", "x")])
    assert [one.codes for one in graded.rows.values()] == [(), ("row_parse_error",), ()]
    assert (graded.mean, graded.failed) == (1.0, 1)


def test_no_more_rows_are_graded_than_asked_for(file: Path) -> None:
    rows = [row("x", "x")] * 600
    assert len(grade(EXACT, file, rows, limit=300).rows) == 300
    assert grade(EXACT, file, rows, limit=300).more
    assert not grade(EXACT, file, rows, limit=600).more
    assert grade(EXACT, file, [], limit=5).mean is None
