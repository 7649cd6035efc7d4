"""Frames of every kind get the grades of their rows as columns, and are left as they are."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import graders
from graders.errors import OptionError
from graders.frame import rows_of

ROWS = [
    {"answer": "x", "n": 1, "f": 0.5, "day": dt.date(2020, 1, 2), "l": [1, 2], "output": "x"},
    {"answer": "y", "n": 2, "f": None, "day": None, "l": [], "output": "x"},
    {"answer": None, "n": 3, "f": 1.5, "day": None, "l": None, "output": None},
]
GRADER: Any = {
    "type": "multi",
    "graders": {
        "same": {
            "type": "string_check", "name": "s", "operation": "eq",
            "input": "{{ sample.output_text }}", "reference": "{{ item.answer }}",
        },
        "all": {
            "type": "string_check", "name": "a", "operation": "eq",
            "input": "{{ item.n }} {{ item.f }} {{ item.day }} {{ item.l }}",
            "reference": "1 0.5 2020-01-02 [1, 2]",
        },
    },
    "calculate_output": "same + 10 * all",
}  # fmt: skip


def dataset() -> Any:
    return pytest.importorskip("datasets").Dataset.from_list(ROWS)


FRAMES = {
    "pandas": lambda: pd.DataFrame(ROWS),
    "pandas with an index": lambda: pd.DataFrame(ROWS, index=["a", "b", "c"]),
    "pandas by arrow": lambda: pd.DataFrame(ROWS).convert_dtypes(dtype_backend="pyarrow"),
    "polars": lambda: pl.DataFrame(ROWS),
    "arrow": lambda: pa.Table.from_pylist(ROWS),
    "datasets": dataset,
}


def columns(frame: Any, name: str) -> list[Any]:
    if isinstance(frame, pd.DataFrame):
        return [None if pd.isna(one) else one for one in frame[name]]
    if isinstance(frame, pa.Table):
        values: list[Any] = frame.column(name).to_pylist()
        return values
    return list(frame[name])


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.more)])
@pytest.mark.parametrize("made", FRAMES.values(), ids=FRAMES)
def test_a_frame_comes_back_with_its_grades(made: Any, workers: int) -> None:
    frame = made()
    before = list(getattr(frame, "columns", None) or frame.column_names) if not isinstance(
        frame, pd.DataFrame
    ) else list(frame.columns)  # fmt: skip
    with graders.load(GRADER) as grader:
        graded = grader.grade_frame(frame, sample="output", workers=workers)
    assert type(graded) is type(frame)
    assert columns(graded, "reward") == [11.0, 0.0, None]
    assert columns(graded, "reward_same") == [1.0, 0.0, None]
    assert columns(graded, "reward_all") == [1.0, 0.0, 0.0]
    failures = columns(graded, "failure")
    assert failures[:2] == [None, None]
    assert "invalid_variable_error" in failures[2]
    assert len(graded) == 3
    if isinstance(frame, pd.DataFrame):
        assert list(frame.columns) == before
        assert list(graded.index) == list(frame.index)


def test_the_item_may_stand_in_a_column_and_names_may_have_a_prefix() -> None:
    frame = pd.DataFrame({"item": [{"answer": "x"}], "sample": ["x"], "reward": [5]})
    grader = graders.load(GRADER["graders"]["same"])
    with pytest.raises(graders.OptionError, match='has a column "reward" already; give a prefix'):
        grader.grade_frame(frame, item="item")
    graded = grader.grade_frame(frame, item="item", prefix="new_")
    assert list(graded.columns) == ["item", "sample", "reward", "new_reward", "new_failure"]
    assert graded["new_reward"].tolist() == [1.0]


NESTED = pa.table({
    "f": pa.array([0.1], pa.float32()),
    "l": pa.array([[0.1, None]], pa.list_(pa.float32())),
    "s": pa.array([{"x": [0.1]}], pa.struct([("x", pa.large_list(pa.float32()))])),
    "at": pa.array([1_577_934_245_123_456_789], pa.timestamp("ns", "UTC")),
    "times": pa.array([[1_577_934_245_123_456_789]], pa.list_(pa.timestamp("ns"))),
})  # fmt: skip


@pytest.mark.parametrize("kind", ["arrow", "polars", "datasets"])
def test_a_type_has_one_rule_in_every_frame_and_at_any_depth(kind: str) -> None:
    frame: Any = NESTED
    if kind == "polars":
        frame = pl.DataFrame(NESTED)
    elif kind == "datasets":
        frame = pytest.importorskip("datasets").Dataset(NESTED)
    found = dict(next(iter(rows_of(frame))))
    moment = "2020-01-02T03:04:05.123456789"
    assert found.pop("times")[0][:26] == moment[:26]  # Python's own times have no nanoseconds.
    assert found == {"f": 0.1, "l": [0.1, None], "s": {"x": [0.1]}, "at": moment + "+00:00"}


def test_a_period_of_pandas_is_text_and_goes_to_workers() -> None:
    frame = pd.DataFrame(
        {"p": pd.period_range("2020-01", periods=2, freq="M"), "output": "2020-01"}
    )
    check = {
        "type": "string_check", "name": "p", "operation": "eq",
        "input": "{{ sample.output_text }}", "reference": "{{ item.p }}",
    }  # fmt: skip
    with graders.load(check) as grader:
        for workers in (0, 1):
            graded = grader.grade_frame(frame, sample="output", workers=workers)
            assert graded["reward"].tolist() == [1.0, 0.0]


def test_where_the_sample_may_be_is_said_as_it_is_asked_for() -> None:
    with graders.load(GRADER) as grader:
        graded = grader.grade_frame(pd.DataFrame(ROWS))
    assert "perhaps sample=output" in graded["failure"][0]


@pytest.mark.parametrize(
    "rows", [pd.DataFrame(ROWS), "rows.jsonl", {"item": {}, "sample": "x"}, None]
)
def test_what_are_no_rows_is_refused_with_what_takes_it(rows: Any) -> None:
    with graders.load(GRADER) as grader, pytest.raises(OptionError, match="grade_frame takes a"):
        list(grader.grade_many(rows))


def test_a_path_that_is_none_is_said_as_it_was_given() -> None:
    with graders.load(GRADER) as grader, pytest.raises(OptionError, match="sample='a\\[' is not a"):
        grader.grade_frame(pd.DataFrame(ROWS), sample="a[")


def test_what_is_missing_in_pandas_is_null_and_infinity_a_number() -> None:
    frame = pd.DataFrame({"a": [np.nan, np.inf, 1.0], "output": "x"})
    check = graders.load(
        {**GRADER["graders"]["same"], "input": "{{ item.a }}", "reference": "null"}
    )
    assert check.grade_frame(frame, sample="output")["reward"].tolist() == [1.0, 0.0, 0.0]


def test_a_frame_without_rows_comes_back_without_rows() -> None:
    frame = pl.DataFrame({"answer": [], "output": []})
    grader = graders.load(GRADER)
    assert grader.grade_frame(frame, sample="output").columns == [
        "answer", "output", "reward", "reward_same", "reward_all", "failure",
    ]  # fmt: skip


@pytest.mark.parametrize("other", [[], {"a": [1]}, "x", np.array([1]), json])
def test_what_is_no_frame_is_refused_with_what_is_one(other: Any) -> None:
    grader = graders.load(GRADER)
    with pytest.raises(graders.OptionError, match="is no frame; take a pandas or polars DataFrame"):
        grader.grade_frame(other)
