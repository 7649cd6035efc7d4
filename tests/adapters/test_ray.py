"""Batches in columns, without Ray: `make test-scale` has Ray itself."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import graders
from graders.adapters.ray import RayGrader
from graders.errors import OptionError
from tests.batch.conftest import GRADER

ROWS: list[dict[str, Any]] = [
    {"a": "x", "sample": "x"},
    {"a": "yé", "sample": "x"},
    {"a": None, "sample": "x"},
    {"a": "x", "sample": None},
    {"a": "🦊", "sample": "🦊"},
]
WIDE: dict[str, Any] = {"n": list(range(5)), "vector": [[float(n)] * 3 for n in range(5)]}


def table(rows: list[dict[str, Any]] = ROWS, **more: Any) -> pa.Table:
    return pa.table({name: [one[name] for one in rows] for name in rows[0]} | more)


def arrays(rows: list[dict[str, Any]] = ROWS) -> dict[str, Any]:
    return {name: np.array([one[name] for one in rows], dtype=object) for name in rows[0]}


def test_columns_give_what_rows_do() -> None:
    graded = graders.load(GRADER).grade_many(
        [{"item": one, "sample": one["sample"]} for one in ROWS]
    )
    expected = [(one.reward, dict(one.sub_rewards), bool(one.failures)) for one in graded]
    arrow, numpy = RayGrader(GRADER)(table(**WIDE)), RayGrader(GRADER)(arrays())
    assert arrow.schema.field("reward").type == pa.float64()
    assert [
        (one["reward"], one["sub_rewards"], bool(one["failures"])) for one in arrow.to_pylist()
    ] == expected
    columns = (numpy["reward"], numpy["sub_rewards"], map(bool, numpy["failures"]))
    assert list(zip(*columns, strict=True)) == expected
    assert list(arrow["failures"].to_pylist()) == list(numpy["failures"])
    assert json.loads(numpy["failures"][3])[0]["code"] == "invalid_variable_error"


def test_columns_that_are_not_graded_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []

    def look(batch: Any, name: str) -> Any:
        looked.append(name)
        return batch.column(name).to_pylist()

    monkeypatch.setattr("graders.adapters.ray.column_of", look)
    given = table(**WIDE)
    graded = RayGrader(GRADER)(given)
    assert looked == ["a", "sample"]
    assert graded.column_names == [
        "a",
        "sample",
        "n",
        "vector",
        "reward",
        "sub_rewards",
        "failures",
    ]
    for name in given.column_names:  # The same memory, not a copy of it.
        before, after = given[name].chunk(0).buffers(), graded[name].chunk(0).buffers()
        assert [one and one.address for one in before] == [one and one.address for one in after]
    numbers = np.arange(5)
    assert RayGrader(GRADER)({**arrays(), "n": numbers})["n"] is numbers


@pytest.mark.parametrize("empty", [table().slice(0, 0), {}, {"a": np.array([], dtype=object)}])
def test_an_empty_batch_has_the_columns_too(empty: Any) -> None:
    graded = RayGrader(GRADER)(empty)
    assert [len(graded[name]) for name in ("reward", "sub_rewards", "failures")] == [0, 0, 0]


def test_an_item_stands_in_its_own_column_also_as_text() -> None:
    rows = [{"item": {"a": "x"}, "sample": "x"}, {"item": {"a": "y"}, "sample": "y"}]
    texts = [{**one, "item": json.dumps(one["item"])} for one in rows]
    for some in (rows, texts):
        assert RayGrader(GRADER)(table(some))["reward"].to_pylist() == [1.0, 1.0]
        assert list(RayGrader(GRADER)(arrays(some))["reward"]) == [1.0, 1.0]


def test_a_missing_column_is_named_with_those_there() -> None:
    graded = RayGrader(GRADER)(table([{"b": "x", "sample": "x"}], vector=[[1.0]]))
    assert graded["reward"].to_pylist() == [None]
    assert "item has no a; keys there: b, sample, vector" in graded["failures"][0].as_py()


def test_numbers_keep_their_digits_and_a_missing_one_is_null() -> None:
    body = {
        "type": "string_check", "name": "s", "operation": "eq",
        "input": "{{ sample.output_text }}", "reference": "{{ item.n }}",
    }  # fmt: skip
    sample = ["0.1", "null", "3"]
    floats = pa.table({"n": pa.array([0.1, None, 3.0], pa.float32()), "sample": sample})
    graded = RayGrader(body)(floats)
    assert graded.column_names == ["n", "sample", "reward", "failures"]  # There are no sub-graders.
    assert graded["reward"].to_pylist()[0] == 1.0
    whole = pa.table({"n": pa.array([1, None, 3]), "sample": sample})
    assert RayGrader(body)(whole)["reward"].to_pylist()[2] == 1.0
    numpy = {"n": np.array([0.1], dtype=np.float32), "sample": np.array(["0.1"], dtype=object)}
    assert list(RayGrader(body)(numpy)["reward"]) == [1.0]


def test_python_graders_see_every_column() -> None:
    body = {
        "type": "python", "name": "p",
        "source": "def grade(sample, item):\n    return float(item['n'] + len(item['vector']))\n",
    }  # fmt: skip
    assert RayGrader(body)(table(**WIDE))["reward"].to_pylist() == [3.0, 4.0, 5.0, 6.0, 7.0]


def test_a_column_that_cannot_be_read_is_named() -> None:
    nested = pa.array([[None], [10**18]], pa.list_(pa.timestamp("s")))
    with pytest.raises(OptionError, match='column "a" has a list'):
        RayGrader(GRADER)(pa.table({"a": nested, "sample": ["x", "y"]}))


def test_columns_of_other_lengths_are_refused() -> None:
    with pytest.raises(OptionError, match="there are 2 items and 1 samples"):
        graders.load(GRADER).grade_columns([{}, {}], ["x"])
