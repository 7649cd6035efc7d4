"""Values of Python's world as JSON's: one rule for each type."""

from __future__ import annotations

import datetime as dt
import enum
import json
import math
import uuid
from decimal import Decimal
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

import graders
from graders.plain import plain


class Color(enum.Enum):
    RED = "red"


class Dumped:
    def model_dump(self) -> dict[str, Any]:
        return {"role": "assistant", "content": "x"}


RULES = [
    (np.float32(0.1), 0.1),
    (np.float16(0.1), 0.1),
    (np.float64(0.1), 0.1),
    (np.int8(-3), -3),
    (np.uint64(2**64 - 1), 2**64 - 1),
    (np.bool_(True), True),
    (np.str_("x"), "x"),
    (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
    (np.array([0.1, 0.2], dtype="float32"), [0.1, 0.2]),
    (np.array(["a", None], dtype=object), ["a", None]),
    (np.array(5), 5),
    (np.datetime64("2020-01-02"), "2020-01-02"),
    (np.datetime64("2020-01-02T03:04:05"), "2020-01-02T03:04:05"),
    (np.datetime64("2020-01-02T03:04:05", "ns"), "2020-01-02T03:04:05"),
    (np.timedelta64(90, "s"), 90.0),
    (dt.date(2020, 1, 2), "2020-01-02"),
    (dt.datetime(2020, 1, 2, 3, tzinfo=dt.UTC), "2020-01-02T03:00:00+00:00"),
    (dt.time(3, 4), "03:04:00"),
    (dt.timedelta(minutes=1.5), 90.0),
    (Decimal("1.50"), 1.5),
    (Decimal("3.00"), 3),
    (Decimal(12345678901234567890), 12345678901234567890),
    (Decimal("12345678901234567.89"), "12345678901234567.89"),
    (Decimal("0.1"), 0.1),
    (Decimal("Infinity"), math.inf),
    (b"text", "text"),
    (b"\xff\x00", "/wA="),
    (bytearray(b"a"), "a"),
    ((1, (2,)), [1, [2]]),
    (MappingProxyType({"a": 1}), {"a": 1}),
    ({1: "a", None: "b", np.bool_(False): "c"}, {"1": "a", "null": "b", "false": "c"}),
    (Color.RED, "red"),
    (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    (PurePosixPath("a/b"), "a/b"),
    (Dumped(), {"role": "assistant", "content": "x"}),
]


@pytest.mark.parametrize(("value", "becomes"), RULES, ids=lambda one: type(one).__name__)
def test_each_type_has_one_rule_alone_and_inside(value: Any, becomes: Any) -> None:
    found = plain(value)
    assert found == becomes
    assert type(found) is type(becomes)
    assert plain({"a": [value]}) == {"a": [becomes]}
    json.dumps(found)


def test_what_json_has_is_left_as_it_is_and_not_copied() -> None:
    value = {"a": 1, "b": [1.5, None, True, {"c": "d"}], "e": math.nan, "f": {}}
    assert plain(value) is value
    mixed = {"a": value, "b": np.int64(1)}
    found = plain(mixed)
    assert found["a"] is value
    assert type(mixed["b"]) is np.int64
    assert math.isnan(plain(np.float64("nan")))


def test_a_value_that_nests_without_end_is_left_to_who_reads_it() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert plain(deep) is deep


PYTHON = {
    "type": "python",
    "source": "def grade(sample, item):\n    return float(item['n'] == 3 and item['l'] == [1, 2])",
}
CHECK = {
    "type": "string_check", "name": "c", "operation": "eq",
    "input": "{{ item.n }} {{ item.l[1] }} {{ item.day }} {{ item.ok }}",
    "reference": "3 2 2020-01-02 true",
}  # fmt: skip
ROW = {
    "n": np.int64(3), "l": np.array([1, 2]), "day": dt.date(2020, 1, 2), "ok": np.bool_(True)
}  # fmt: skip


@pytest.mark.parametrize("config", [PYTHON, CHECK], ids=["python", "check"])
@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.more)])
def test_a_row_of_numpy_gets_the_grade_of_its_json(config: Any, workers: int) -> None:
    with graders.load(config) as grader:
        assert grader(ROW, "x") == 1.0
        rows = [{"item": ROW, "sample": np.str_("x")}] * 3
        assert [one.reward for one in grader.grade_many(rows, workers=workers)] == [1.0] * 3


def test_an_object_that_nothing_reads_costs_nothing() -> None:
    row = {**ROW, "image": object()}
    with graders.load(CHECK) as grader:
        assert grader(row, "x") == 1.0
    read = {**CHECK, "input": "{{ item.image }}"}
    with graders.load(read) as grader:
        failure = grader.grade(row, "x").failures[0]
    assert "image" in failure.message
    with graders.load(PYTHON) as grader:
        failure = grader.grade({**ROW, "a": [{"image": object()}]}, "x").failures[0]
    assert "item.a[0].image is of the type object, which JSON has not" in failure.message
