"""A failure is underlined where it comes from, in JSON and in YAML."""

from __future__ import annotations

import json

import pytest
import yaml

from graders.api import Grader
from graders.config import load_source
from graders.grade import Failure, Grade
from graders.server.place import failure_marks
from graders.server.place import marked as marked_grade

PYTHON = "import os\n\ndef grade(sample, item):\n    if item:\n        return 1 / item['zero']\n"
CONFIG = {
    "type": "multi",
    "name": "m",
    "graders": {
        "a": {
            "type": "string_check", "name": "a", "operation": "eq",
            "input": "so “{{ item.abc }}” {{ item.ab }}", "reference": "{{sample.output_json.n}}",
        },
        "p": {"type": "python", "name": "p", "source": PYTHON},
        "judge": {
            "type": "score_model", "name": "j", "model": "m",
            "input": [{"role": "user", "content": [{"type": "input_text", "text": "\t{{ item.q }}"}]}],
        },
    },
    "calculate_output": "a / (p - p) + judge",
}  # fmt: skip
JSON = json.dumps(CONFIG, indent=2, ensure_ascii=False)
YAML = yaml.safe_dump(CONFIG, allow_unicode=True, width=1000)
BLOCK = 'type: python\nname: p\nsource: |\n  import os\n\n  def grade(sample, item):\n      return 1 / item["zero"]\n'


def marked(text: str, failure: Failure) -> str | None:
    """What stands at the place of a failure, to its end or to the end of the line."""
    loaded = load_source(text.encode())
    (mark,) = failure_marks(loaded, Grader(loaded).plan, [failure])
    if not mark:
        return None
    line, column = mark["line"], mark["column"]
    assert line is not None
    assert column is not None
    return text.split("\n")[line - 1][column - 1 : None if mark["end"] is None else mark["end"] - 1]


@pytest.mark.parametrize("text", [JSON, YAML], ids=["json", "yaml"])
@pytest.mark.parametrize(
    ("failure", "wanted"),
    [
        (Failure("invalid_variable_error", "no", "a", path="item.ab"), "{{ item.ab }}"),
        (Failure("invalid_variable_error", "no", "a", path="item.abc"), "{{ item.abc }}"),
        (
            Failure("sample_parse_error", "no", "a", path="sample.output_json.n"),
            "{{sample.output_json.n}}",
        ),
        (Failure("invalid_variable_error", "no", "judge", path="item.q"), "{{ item.q }}"),
        (Failure("formula_runtime_error", "division by zero"), "a / (p - p) + judge"),
    ],
)
def test_a_failure_is_where_its_template_or_formula_is(
    text: str, failure: Failure, wanted: str
) -> None:
    assert marked(text, failure) == wanted


def test_an_exception_is_the_line_of_the_source_that_raised_it() -> None:
    failure = Failure("python_grader_runtime_error", "division by zero", "p", line=5)
    assert marked(JSON, failure) == "return 1 / item['zero']"
    alone = Failure("python_grader_runtime_error", "x", line=4)
    assert marked(BLOCK, alone) == 'return 1 / item["zero"]'


def test_what_has_no_place_in_the_text_is_its_sub_grader_or_nothing() -> None:
    judge = Failure("model_grader_server_error", "the server cannot be reached", "judge")
    assert (marked(JSON, judge) or "").startswith('"judge": {')
    assert marked(JSON, Failure("row_parse_error", "no row")) is None
    assert marked(JSON, Failure("other_error", "who?", "constructor")) is None
    unnumbered = Failure("python_grader_server_error", "the time is over", "p")
    assert (marked(JSON, unnumbered) or "").startswith('"source": "import os')


def test_a_grader_without_a_text_has_no_places() -> None:
    loaded = load_source(CONFIG)
    plan = Grader(loaded).plan
    assert failure_marks(loaded, plan, [Failure("formula_runtime_error", "no")]) == [{}]


def test_a_grade_says_where_its_failures_come_from_and_those_that_were_replaced() -> None:
    loaded = load_source(JSON.encode())
    grader = Grader(loaded)
    failure = Failure("invalid_variable_error", "no", "a", path="item.ab")
    replaced = Grade(reward=0.0, sub_rewards={"a": None}, replaced=(failure,))
    shown = marked_grade(replaced, loaded, grader.plan)
    assert shown["failures"] == []
    assert shown["replaced"][0]["line"] == 9
    assert shown["replaced"][0]["where"] == "a"
    failed = marked_grade(Grade(reward=None, failures=(failure,)), loaded, grader.plan)
    assert failed["failures"][0]["column"] < failed["failures"][0]["end"]


def test_grading_says_which_template_and_which_line() -> None:
    checked = {**CONFIG, "graders": {name: CONFIG["graders"][name] for name in "ap"}}  # type: ignore[index]
    loaded = load_source(json.dumps({**checked, "calculate_output": "a + p"}).encode())
    with Grader(loaded) as grader:
        found = grader.grade({"zero": 0, "abc": "x"}, '{"n": "x"}').failures
    assert [(one.where, one.path, one.line) for one in found] == [
        ("a", "item.ab", None),
        ("p", "", 5),
    ]
    assert "path" not in found[0].to_dict()  # What stands in results is what stood there before.
