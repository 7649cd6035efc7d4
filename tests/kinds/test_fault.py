"""Faults: JSON paths as RFC 9535 writes them, and one sentence each."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from graders.kinds import AnyGrader
from graders.kinds.fault import faults_of, formula_faults, json_path

CHECK = {"type": "string_check", "name": "a", "input": "x", "reference": "y", "operation": "eq"}


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ((), "$"),
        (("a", "b"), "$.a.b"),
        (("a", 0, "b", 12), "$.a[0].b[12]"),
        (("odd key",), '$["odd key"]'),
        (("a", "b.c", "d"), '$.a["b.c"].d'),
        (('say "x"',), '$["say \\"x\\""]'),
        (("back\\slash",), '$["back\\\\slash"]'),
        (("line\nbreak\ud800",), '$["line\\nbreak\\ud800"]'),
        (("",), '$[""]'),
        (("1st",), '$["1st"]'),
        (("é",), "$.é"),
        (("class",), "$.class"),
    ],
)
def test_a_place_is_written_as_a_json_path(location, path):
    assert json_path(location) == path


def test_faults_stand_within_the_users_document():
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(AnyGrader).validate_python({**CHECK, "operation": "neq"})
    [(location, fault)] = faults_of(caught.value, CHECK, ("testing_criteria", 3))
    assert location == ("testing_criteria", 3, "operation")
    assert fault.path == "$.testing_criteria[3].operation"


@pytest.mark.parametrize(
    ("grader", "message"),
    [
        (None, None),
        (CHECK, None),
        ({"type": "multi", "graders": {"a": CHECK}, "calculate_output": 5}, None),
        ({"type": "multi", "graders": {"a": CHECK}, "calculate_output": "a"}, None),
        ({"type": "multi", "graders": {"x": 5}, "calculate_output": "x + 1"}, None),
        ({"type": "multi", "graders": [CHECK], "calculate_output": "anything + goes"}, None),
        ({"type": "multi", "graders": [CHECK], "calculate_output": "a +"}, "the formula ends"),
        ({"type": "multi", "graders": CHECK, "calculate_output": "a"}, None),
        ({"type": "multi", "graders": {"b": CHECK}, "calculate_output": "a"}, "unknown name a; a formula uses the keys of `graders`, and the grader named 'a' stands under the key 'b'"),
        ({"type": "multi", "graders": {}, "calculate_output": "a"}, "unknown name a; `graders` has no keys a formula could use"),
    ],
)  # fmt: skip
def test_a_formula_is_checked_by_itself(grader, message):
    found = list(formula_faults(grader, ("grader",)))
    if message is None:
        assert found == []
    else:
        [(location, fault)] = found
        assert location == ("grader", "calculate_output")
        assert fault.code == "formula_parse_error"
        assert fault.message.startswith(message)
