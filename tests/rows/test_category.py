"""Categories of rows: what a path finds, and which row of a result it belongs to."""

from __future__ import annotations

import json
from typing import Any

import pytest

from graders.errors import RowsError
from graders.rows import MOST_CATEGORIES, Block, Categories, Layout, read_categories


def categories(rows: list[Any], by: str = "item.topic", **paths: Any) -> Categories:
    lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
    block = Block(("\n".join(lines) + "\n").encode(), 0, 1)
    return read_categories([block], Layout.parse(**paths, by=by))


def topics(*values: Any) -> list[str | None]:
    found = categories([{"item": {"topic": value}} for value in values])
    return [found.of(index, None) for index in range(len(values))]


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("maths", "maths"),
        (5, "5"),
        (5.0, "5"),
        (0.5, "0.5"),
        (-0.0, "0"),
        (True, "true"),
        (None, None),
        (float("nan"), None),
        ([1, "a"], '[1,"a"]'),
        ({"b": 1}, '{"b":1}'),
        ("日本語", "日本語"),
        ("", None),
        (" \t", None),
        (" x", " x"),
        ("x" * 300, "x" * 199 + "…"),
        ("a\ud800", "a?"),
        (12345678901234567890123, "12345678901234567890123"),
        (1e300, "1e+300"),
    ],
)
def test_a_category_is_a_text_whatever_the_value_is(value: Any, name: str | None) -> None:
    assert topics(value) == [name]


def test_a_row_without_a_value_or_that_cannot_be_read_has_none() -> None:
    found = categories([{"item": {}}, {"item": "text"}, {}, "no JSON", {"item": {"topic": "x"}}])
    assert [found.of(index, None) for index in range(5)] == [None, None, None, None, "x"]


@pytest.mark.parametrize(
    ("paths", "row"),
    [
        ({"item_path": "."}, {"topic": "x"}),
        ({"item_path": "data.row"}, {"data": {"row": {"topic": "x"}}}),
        ({}, {"item.topic": "x"}),
    ],
)
def test_item_is_wherever_the_item_stands(paths: dict[str, str], row: Any) -> None:
    assert categories([row], **paths).of(0, None) == "x"


def test_a_path_may_lead_into_the_sample_or_beside_both() -> None:
    row = {"item": {}, "answer": {"model": "m"}, "meta": [{"split": "test"}]}
    assert categories([row], by="sample.model", sample_path="answer").of(0, None) == "m"
    assert categories([row], by="meta[0].split").of(0, None) == "test"


def test_rows_that_were_not_scored_are_refused() -> None:
    found = categories([{"id": "a", "item": {"topic": "x"}}, {"item": {"topic": "y"}}])
    assert found.of(0, "a") == found.of(0, None) == "x"
    assert found.of(1, "b") == "y"
    with pytest.raises(RowsError, match='row 0 is "b" in the results and has another id'):
        found.of(0, "b")
    with pytest.raises(RowsError, match="the results have row 2, and there are only 2 rows"):
        found.of(2, None)


def test_too_many_categories_are_none() -> None:
    assert not categories([{"item": {"topic": at}} for at in range(MOST_CATEGORIES)]).crowded
    rows = [{"item": {"topic": at}} for at in [None, *range(MOST_CATEGORIES)]]
    assert not categories(rows).crowded
    many = categories([*rows, {"item": {"topic": "one more"}}])
    assert many.crowded
    assert many.of(3, None) is None
    assert many.names == [None]
