"""The public API as users type it; mypy reads this, and it runs, too."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, assert_type

import graders
from graders import (
    ConfigError,
    Explanation,
    Failure,
    Fault,
    Grade,
    Grader,
    GradersError,
    Usage,
    dump,
    load,
    schema,
    score_file,
)

CONFIG: dict[str, Any] = {
    "type": "string_check", "name": "check", "operation": "eq",
    "input": "{{ sample.output_text }}", "reference": "{{ item.a }}",
}  # fmt: skip


def test_loading_gives_a_grader() -> None:
    assert_type(load(CONFIG), Grader)
    assert_type(graders.load(CONFIG, rendering="python", rouge_stemmer=True), Grader)
    with load(CONFIG) as grader:
        assert_type(grader, Grader)
        assert_type(grader.name, str)
        assert_type(grader.type, str)
        assert_type(grader.signatures, dict[str, str])
        assert_type(grader.to_dict(), dict[str, Any])


def test_grading_gives_grades() -> None:
    grader = load(CONFIG)
    grade = grader.grade(item={"a": "x"}, sample="x")
    assert_type(grade, Grade)
    assert_type(grade.reward, float | None)
    assert_type(grade.sub_rewards, Mapping[str, float | None])
    assert_type(grade.failures, tuple[Failure, ...])
    assert_type(grade.usage, Mapping[str, Usage])
    assert_type(grade.hosted, dict[str, Any])
    if grade.reward is not None:
        assert_type(grade.reward, float)
    for failure in grade.failures:
        assert_type(failure.message, str)


def test_grading_many_gives_an_iterator_of_grades() -> None:
    rows = ({"item": {"a": text}, "sample": {"output_text": text}} for text in "ab")
    grades = load(CONFIG).grade_many(rows, chunk=8)
    assert_type(grades, Iterator[Grade])
    assert [grade.reward for grade in grades] == [1.0, 1.0]


def test_grading_may_be_awaited_and_explained() -> None:
    async def one() -> Grade:
        return await load(CONFIG).agrade({"a": "x"}, "x")

    assert_type(asyncio.run(one()), Grade)
    assert_type(load(CONFIG).explain({"a": "x"}, "x"), Explanation)


def test_faults_are_typed() -> None:
    try:
        load({"type": "string_chek"})
    except ConfigError as error:
        assert_type(error.faults, tuple[Fault, ...])
        caught: GradersError | ValueError = error
        assert str(caught)


def test_configs_and_schemas_are_json() -> None:
    assert_type(dump(load(CONFIG).config), dict[str, Any])
    assert_type(schema(), dict[str, Any])


def test_scoring_a_file_takes_texts_and_paths(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"item": {"a": "x"}, "sample": "x"}\n')
    run = score_file(load(CONFIG), rows, str(tmp_path / "out.jsonl"))
    assert_type(run.tally.rows, int)
    assert_type(run.tally.mean_of_all, float | None)


def test_a_reward_is_asserted() -> None:
    with load(CONFIG) as grader:
        explained = graders.assert_reward(grader, 1.0, item={"a": "x"}, sample="x")
        assert_type(explained, Explanation)
    graders.assert_reward(CONFIG, {"at_most": 0.5}, item={"a": "x"}, sample="y", within=0.1)
