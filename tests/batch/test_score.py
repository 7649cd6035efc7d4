"""A block of rows to result lines."""

from __future__ import annotations

import json
from typing import Any

import pytest

from graders import config, jsontext, plan
from graders.batch.score import fail_block, join, score_block
from graders.grading.runner import Runner
from graders.rows import Block, Layout

GRADER = {
    "type": "multi",
    "name": "m",
    "graders": {
        "same": {
            "type": "string_check", "name": "s", "operation": "eq",
            "input": "{{ sample.output_text }}", "reference": "{{ item.a }}",
        },
        "near": {
            "type": "text_similarity", "name": "n", "evaluation_metric": "bleu",
            "input": "{{ sample.output_text }}", "reference": "{{ item.a }}",
        },
    },
    "calculate_output": "(same + near) / 2",
}  # fmt: skip


def runner(body: Any = GRADER) -> Runner:
    return Runner(plan.build(config.load(body)))


def lines_of(rows: list[Any]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def test_lines_of_numbers_only_are_what_the_encoder_writes_of_each() -> None:
    body = json.loads(json.dumps(GRADER).replace('"near"', '"50% %d \\u00e9\\""'))
    body["calculate_output"] = "same"
    extras: list[dict[str, Any]] = [{}, {"id": "x"}, {"id": None}, {"item": {}}]
    rows = [
        {"item": {"a": "the cat sat on the mat"}, "sample": {"output_text": text}, **more}
        for text in ("the cat sat", "the cat sat on the mat", "no", "")
        for more in extras
    ]
    lines = score_block(runner(body), Block(lines_of(rows)), Layout()).lines
    for index, line in enumerate(lines.splitlines()):
        found = json.loads(line)
        assert found["index"] == index
        assert ("id" in found) is (rows[index].get("id") is not None)
        assert bool(found["failures"]) is (found["reward"] is None)
        assert line == jsontext.encode(found)
    assert index + 1 == len(rows)


def results(data: bytes, layout: Layout | None = None) -> list[Any]:
    lines = score_block(runner(), Block(data), layout or Layout()).lines
    return [json.loads(line) for line in lines.splitlines()]


def row(
    text: str = "one two three four", reference: str = "one two three four", **more: Any
) -> Any:
    return {"item": {"a": reference}, "sample": text, **more}


MIXED = (
    lines_of([row(), row("two one"), row("x", "y"), {"item": {}, "sample": "x"}])
    + b"broken\n\n[1]\r\n"
    + lines_of([row("é ü 日本"), row(id={"a": [1]}), row(id="last")])
)


def test_a_result_line_holds_index_id_reward_sub_rewards_and_failures_in_this_order() -> None:
    lines = score_block(runner(), Block(lines_of([row(id="r1")]), 5), Layout()).lines
    assert lines.startswith(b'{"index":5,"id":"r1","reward":1.')
    assert list(json.loads(lines)) == ["index", "id", "reward", "sub_rewards", "failures"]


def test_a_row_without_id_has_none_in_its_result() -> None:
    assert "id" not in results(lines_of([row()]))[0]
    assert "id" not in results(lines_of([row(id=None)]))[0]
    assert results(lines_of([row(id=0)]))[0]["id"] == 0


@pytest.mark.parametrize(
    "identity",
    [
        "text", 3, 2.5, False, [1, {"a": None}], {"deep": [[[[]]]]}, 2**63, 2**64, -(2**63) - 1,
        10**40, "\ud800", {"k": "\udfff"}, "日本", "a\u2028b\n",
    ],
)  # fmt: skip
def test_an_id_comes_back_as_it_was(identity: Any) -> None:
    assert results(lines_of([row(id=identity)]))[0]["id"] == identity


def test_a_result_is_one_line_whatever_the_id() -> None:
    lines = score_block(runner(), Block(lines_of([row(id="a\nb\u2028\x85")])), Layout()).lines
    assert lines.count(b"\n") == 1


def test_a_failed_row_is_null_with_its_reason() -> None:
    found = results(lines_of([{"item": {}, "sample": "x"}]))[0]
    assert found["reward"] is None
    assert found["sub_rewards"] == {"same": None, "near": None}
    assert [one["where"] for one in found["failures"]] == ["same", "near"]
    assert found["failures"][0]["code"] == "invalid_variable_error"


def test_a_replaced_failure_stands_in_the_line() -> None:
    body = {**GRADER, "invalid_grade": 0.0}
    scored = score_block(runner(body), Block(b'{"item":{},"sample":"x"}'), Layout())
    line = json.loads(scored.lines)
    assert (line["reward"], line["failures"]) == (0.0, [])
    assert line["replaced"][0]["code"] == "invalid_variable_error"
    assert scored.tally.replaced == 1


def test_a_block_of_blank_lines_has_no_results() -> None:
    scored = score_block(runner(), Block(b"\n \n"), Layout())
    assert scored.lines == b""
    assert scored.tally.rows == 0


def test_a_failed_row_is_zero_where_that_is_asked_for_and_still_counts_as_failed() -> None:
    scored = score_block(runner(), Block(b'{"item":{},"sample":"x"}'), Layout(), "zero")
    line = json.loads(scored.lines)
    assert line["reward"] == 0.0
    assert line["failures"]
    assert scored.tally.failed == 1


def test_indexes_need_not_follow_each_other() -> None:
    block = Block(lines_of([row(), {"item": {}, "sample": "x"}]), indexes=(3, 70))
    scored = score_block(runner(), block, Layout())
    assert [json.loads(line)["index"] for line in scored.lines.splitlines()] == [3, 70]
    assert scored.tally.first["invalid_variable_error"][0][0] == 70


def test_a_block_that_cannot_be_scored_fails_by_name_in_the_shape_of_any_failed_row() -> None:
    block = Block(lines_of([row(), row()]), 7)
    failed = fail_block(plan.build(config.load(GRADER)), block, "the worker is gone")
    found = [json.loads(line) for line in failed.lines.splitlines()]
    assert [line["index"] for line in found] == [7, 8]
    assert found[0]["sub_rewards"] == {"same": None, "near": None}
    assert found[0]["failures"] == [
        {"code": "other_error", "message": "the worker is gone", "where": ""}
    ]
    assert failed.tally.failed == 2


def test_two_blocks_joined_are_one() -> None:
    rows = [row(), row("x"), {"item": {}, "sample": "x"}]
    whole = score_block(runner(), Block(lines_of(rows)), Layout())
    first = score_block(runner(), Block(lines_of(rows[:1])), Layout())
    joined = join(first, score_block(runner(), Block(lines_of(rows[1:]), 1), Layout()))
    assert joined.lines == whole.lines
    assert joined.tally.to_dict() == whole.tally.to_dict()


def test_what_each_sub_grader_took_is_known() -> None:
    cost = score_block(runner(), Block(MIXED), Layout()).cost
    assert set(cost.shares) == {"same", "near"}
    assert sum(cost.shares.values()) == pytest.approx(1.0)
