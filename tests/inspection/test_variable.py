"""Whether the rows hold what a grader's templates name."""

from __future__ import annotations

import json
from typing import Any

from graders import config, plan
from graders.inspection.variable import FIRST_ROWS, VariableReport, check_variables
from graders.rows import Block, Layout, decode_block

GRADER = {
    "type": "string_check", "name": "s", "operation": "eq",
    "input": "{{ sample.output_json.k }}", "reference": "{{ item.a }} {{ item.a }} {{ item.b[0] }}",
}  # fmt: skip


def report(*lines: Any, grader: Any = GRADER) -> VariableReport:
    data = b"\n".join(
        line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines
    )
    chunk = decode_block(Block(data), Layout())
    return check_variables(plan.build(config.load(grader)), [chunk])


GOOD = {"item": {"a": "x", "b": ["y"]}, "sample": '{"k": 1}'}


def test_rows_that_hold_every_variable_are_complete() -> None:
    found = report(GOOD, GOOD)
    assert found.complete
    assert found.rows == 2
    assert [str(one.path) for one in found.variables] == [
        "sample.output_json.k",
        "item.a",
        "item.b[0]",
    ]


def test_a_missing_variable_is_counted_with_its_first_rows() -> None:
    found = report(GOOD, *[{"item": {"A": "x", "b": ["y"]}, "sample": '{"k": 1}'}] * 7)
    missing = {str(one.path): one.missing for one in found.variables}
    assert missing == {"sample.output_json.k": 0, "item.a": 7, "item.b[0]": 0}
    first = found.variables[1].first
    assert [index for index, _ in first] == list(range(1, 1 + FIRST_ROWS))
    assert "did you mean item.A" in first[0][1]
    assert not found.complete


def test_a_sample_that_is_not_json_lacks_what_is_in_it() -> None:
    found = report({"item": GOOD["item"], "sample": "prose"})
    assert found.variables[0].missing == 1
    assert "not JSON" in found.variables[0].first[0][1]


def test_a_line_that_is_no_row_is_unreadable_and_not_missing_anything() -> None:
    found = report(GOOD, b"broken", b"[1]", {"item": {}, "sample": 5})
    assert found.unreadable_count == 3
    assert [index for index, _ in found.unreadable] == [1, 2, 3]
    assert found.unreadable[0][1].startswith("line 2: not JSON")
    assert all(one.missing == 0 for one in found.variables)
    assert not found.complete


def test_only_the_first_unreadable_lines_are_kept() -> None:
    found = report(*[b"broken"] * 20)
    assert len(found.unreadable) == FIRST_ROWS
    assert found.unreadable_count == 20


def test_a_grader_without_variables_is_complete_for_any_rows() -> None:
    grader = {**GRADER, "input": "a", "reference": "b"}
    assert report({}, grader=grader).complete


def test_no_rows_are_complete() -> None:
    assert report().complete
    assert report().rows == 0


def test_a_report_is_json() -> None:
    body = report(GOOD, {"item": {}, "sample": "{}"}, b"broken").to_dict()
    assert json.loads(json.dumps(body)) == body
    assert body["unreadable"] == 1
    assert [one["missing"] for one in body["variables"]] == [1, 1, 1]
