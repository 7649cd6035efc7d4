"""The waist: load, grade one row, many rows, from several threads, into a file."""

from __future__ import annotations

import asyncio
import io
import json
import math
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import graders
from graders.api import Grader
from graders.calls import PythonCall, PythonError, PythonReply
from graders.errors import ConfigError, OptionError, RowsError
from graders.grade import Failure, Grade, Usage
from graders.hosted import DETAILS, FLAGS

CHECK = {
    "type": "string_check", "name": "check", "operation": "eq",
    "input": "{{ sample.output_text }}", "reference": "{{ item.a }}",
}  # fmt: skip
NEAR = {
    "type": "text_similarity", "name": "near", "evaluation_metric": "rouge_l",
    "input": "{{ sample.output_text }}", "reference": "{{ item.a }}",
}  # fmt: skip
MULTI = {
    "type": "multi", "name": "both", "graders": {"check": CHECK, "near": NEAR},
    "calculate_output": "(check + near) / 2",
}  # fmt: skip
PYTHON = {"type": "python", "name": "p", "source": "def grade(sample, item): return 1"}
YAML = """
type: string_check
name: check
operation: eq
input: "{{ sample.output_text }}"
reference: "{{ item.a }}"
"""


class ByHand:
    def __init__(self, *replies: PythonReply) -> None:
        self.replies = replies

    def check(self, source: str, image_tag: str | None = None) -> PythonError | None:
        return self.replies[0].error

    def perform(self, call: PythonCall) -> list[PythonReply]:
        return [self.replies[n % len(self.replies)] for n in range(len(call.samples))]


def test_a_grader_loads_from_a_dict_a_list_a_text_a_path_and_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = json.dumps(CHECK)
    path = tmp_path / "grader ü.json"
    path.write_text(text)
    yaml = tmp_path / "grader.yaml"
    yaml.write_text(YAML)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    job = {"method": {"type": "reinforcement", "reinforcement": {"grader": CHECK}}}
    sources: list[Any] = [
        CHECK, [CHECK], text, text.encode(), path, str(path), yaml, YAML, "-", job,
        {"grader": CHECK}, {"testing_criteria": [CHECK]}, graders.load(CHECK).config,
    ]  # fmt: skip
    for source in sources:
        grader = graders.load(source)
        assert grader.grade({"a": "x"}, "x").reward == 1.0
        assert grader.to_dict() == CHECK


@pytest.mark.parametrize("source", ["nothing.json", "", "{", "[]", {}, {"type": "x"}, b"\xff"])
def test_a_source_without_a_grader_is_a_config_error(source: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        graders.load(source)
    assert caught.value.faults


def test_a_wrong_choice_is_an_option_error() -> None:
    with pytest.raises(OptionError, match="did you mean jinja2"):
        graders.load(CHECK, dialect="jinja")  # type: ignore[arg-type]


def test_a_grader_has_a_name_a_type_and_a_short_repr() -> None:
    grader = graders.load(MULTI)
    assert (grader.name, grader.type) == ("both", "multi")
    assert repr(grader) == "<Grader 'both' (multi)>"
    assert graders.load([CHECK, {**CHECK, "name": "b"}]).type == "testing_criteria"


def test_signatures_say_how_each_text_metric_is_made() -> None:
    assert graders.load(CHECK).signatures == {}
    assert list(graders.load(MULTI).signatures) == ["near"]
    assert graders.load(NEAR).signatures["near"].startswith("rouge_l|")
    other = graders.load(NEAR, rouge_measure="recall").signatures["near"]
    assert other != graders.load(NEAR).signatures["near"]
    assert graders.__version__ in other


def test_a_grade_has_the_reward_and_its_parts() -> None:
    grade = graders.load(MULTI).grade({"a": "one two"}, "one")
    assert grade.reward == pytest.approx(1 / 3)
    assert dict(grade.sub_rewards) == {"check": 0.0, "near": pytest.approx(2 / 3)}
    assert grade.failures == ()
    assert (grade.name, grade.type) == ("both", "multi")
    assert grade.execution_time > 0


def test_a_row_that_cannot_be_scored_is_a_grade_and_no_exception() -> None:
    grade = graders.load(MULTI).grade({}, "x")
    assert grade.reward is None
    assert [str(failure).split(":")[0] for failure in grade.failures] == [
        "invalid_variable_error in check",
        "invalid_variable_error in near",
    ]


@pytest.mark.parametrize(
    ("item", "sample"),
    [
        (None, None), ({}, {}), ([], "x"), ("x", "x"), (1.5, 2), ({"a": math.nan}, "x"),
        ({"a": object()}, "x"), ({"a": {1, 2}}, "x"), ({"a": b"x"}, "x"), ({"a": "\ud800"}, "x"),
        ({"a": 10**5000}, "x"), ({1: 2}, "x"), ({"a": "x"}, b"x"), ({"a": "x"}, {"choices": None}),
        ({"a": "x"}, {"choices": [{"message": None}]}), ({"a": "x"}, {1: 2}), ({"a": "x"}, True),
    ],
)  # fmt: skip
def test_no_item_and_no_sample_can_raise(item: Any, sample: Any) -> None:
    for body in (CHECK, NEAR, MULTI):
        grade = graders.load(body).grade(item, sample)
        assert (grade.reward is None) == bool(grade.failures)
        json.dumps(grade.hosted, allow_nan=False)
        json.dumps(grade.to_dict(), allow_nan=False)


def test_an_item_that_holds_itself_is_a_failed_row() -> None:
    item: dict[str, Any] = {}
    item["a"] = item
    assert graders.load(CHECK).grade(item, "x").reward is None


def test_grading_leaves_item_and_sample_as_they_are() -> None:
    item, sample = {"a": {"k": [1]}}, {"output_text": '{"k": 1}', "output_tools": []}
    before = json.dumps([item, sample])
    body = {**CHECK, "input": "{{ sample.output_json.k }}"}
    graders.load(body).grade(item, sample)
    assert json.dumps([item, sample]) == before


def test_a_chat_completion_is_a_sample() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}
    completion = {"choices": [{"message": {"content": "hi", "tool_calls": [call]}}], "usage": {}}
    assert graders.load(CHECK).grade({"a": "hi"}, completion).reward == 1.0
    body = {**CHECK, "input": "{{ sample.output_tools[0].function.name }}"}
    assert graders.load(body).grade({"a": "f"}, completion).reward == 1.0


def test_an_explanation_shows_what_was_rendered_and_printed() -> None:
    explained = graders.load(MULTI).explain({"a": "x"}, "y")
    assert explained.grade.reward == 0.0
    assert explained.rendered["check"] == {"input": "y", "reference": "x"}
    hand = ByHand(PythonReply(2.0, stdout="hello\n"))
    from graders.config import load

    explained = Grader(load(PYTHON), python=hand).explain({}, "x")
    assert explained.printed == {"": "hello\n"}
    assert explained.grade.reward == 2.0


def test_a_python_grader_may_be_answered_by_any_performer() -> None:
    from graders.config import load

    error = PythonError("returned", "grade returned nan, not a finite number")
    grader = Grader(load(PYTHON), python=ByHand(PythonReply(5.0), PythonReply(None, error)))
    found = list(grader.grade_many([{"item": {}, "sample": "x"}] * 3))
    assert [grade.reward for grade in found] == [5.0, None, 5.0]
    assert found[1].failures[0].code == "python_grader_runtime_error"
    assert found[1].hosted["metadata"]["errors"]["python_grader_runtime_error"] is True


def test_check_lists_each_python_source_that_does_not_load() -> None:
    from graders.config import load

    error = PythonError("load", "there is no grade")
    body = {
        "type": "multi", "name": "m", "graders": {"a": PYTHON, "b": CHECK, "c": PYTHON},
        "calculate_output": "a + b + c",
    }  # fmt: skip
    with pytest.raises(ConfigError) as caught:
        Grader(load(body), python=ByHand(PythonReply(None, error))).check()
    assert [fault.path for fault in caught.value.faults] == [
        "$.graders.a.source",
        "$.graders.c.source",
    ]


def test_a_model_grader_that_reaches_nobody_is_a_failed_row() -> None:
    body = {
        "type": "score_model", "name": "j", "model": "m",
        "input": [{"role": "user", "content": "{{ item.a }}"}],
    }  # fmt: skip
    options = graders.JudgeOptions(base_url="http://127.0.0.1:9/v1", attempts=1)
    with graders.load(body, judge=options) as grader:
        grade = grader.grade({"a": "x"}, "x")
    assert grade.reward is None
    assert [failure.code for failure in grade.failures] == ["model_grader_server_error"]


def test_many_rows_come_back_in_order() -> None:
    rows = [{"item": {"a": str(n % 7)}, "sample": str(n % 5)} for n in range(1000)]
    found = [grade.reward for grade in graders.load(CHECK).grade_many(rows, chunk=64)]
    assert found == [float(n % 7 == n % 5) for n in range(1000)]


def test_many_rows_are_read_as_the_grades_are_taken_at_most_a_chunk_ahead() -> None:
    read = 0

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal read
        while True:
            read += 1
            yield {"item": {"a": "x"}, "sample": "x"}

    grades = graders.load(CHECK).grade_many(rows(), chunk=10)
    assert read == 0
    next(grades)
    assert read == 10
    for _ in range(10):
        next(grades)
    assert read == 20


def test_no_rows_give_no_grades() -> None:
    assert list(graders.load(CHECK).grade_many([])) == []


@pytest.mark.parametrize("chunk", [0, -1])
def test_a_chunk_of_nothing_is_refused(chunk: int) -> None:
    with pytest.raises(OptionError, match="chunk is at least 1"):
        next(graders.load(CHECK).grade_many([], chunk=chunk))


def test_a_row_that_is_no_mapping_is_refused_by_its_number() -> None:
    rows: list[Any] = [{"item": {"a": "x"}, "sample": "x"}] * 4 + ["x"]
    with pytest.raises(OptionError, match="row 4 is a str; rows are mappings"):
        list(graders.load(CHECK).grade_many(rows, chunk=3))


def test_agrade_gives_what_grade_gives() -> None:
    grader = graders.load(MULTI)

    async def several() -> list[Grade]:
        return await asyncio.gather(*(grader.agrade({"a": "x"}, text) for text in "xyz"))

    assert asyncio.run(several()) == [grader.grade({"a": "x"}, text) for text in "xyz"]


def test_threads_get_the_grades_of_their_own_rows() -> None:
    grader = graders.load(MULTI)
    wrong: list[Any] = []

    def work(word: str) -> None:
        for _ in range(50):
            if grader.grade({"a": word}, word).reward != 1.0:
                wrong.append(word)
            if [g.reward for g in grader.grade_many([{"item": {"a": word}, "sample": "-"}])] != [0]:
                wrong.append(word)

    threads = [threading.Thread(target=work, args=(f"word{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_closed_grader_grades_again() -> None:
    with graders.load(CHECK) as grader:
        assert grader.grade({"a": "x"}, "x").reward == 1.0
    assert grader.grade({"a": "x"}, "x").reward == 1.0
    grader.close()
    grader.close()


MISSING = Failure("invalid_variable_error", "m")


@pytest.mark.parametrize(
    "fields",
    [
        {"reward": None},
        {"reward": 1.0, "failures": (MISSING,)},
        {"reward": math.nan},
        {"reward": math.inf},
        {"reward": -math.inf},
    ],
)
def test_a_grade_has_either_a_finite_reward_or_failures(fields: Any) -> None:
    with pytest.raises(ValueError, match=r"a grade has either|a reward is a finite number"):
        Grade(**fields)


def test_a_grade_cannot_be_changed() -> None:
    grade = Grade(reward=1.0)
    with pytest.raises(AttributeError):
        grade.reward = 2.0  # type: ignore[misc]


def test_usages_add_up() -> None:
    assert Usage(1, 2, 3, 4) + Usage(10, 20, 30, 40) == Usage(11, 22, 33, 44)


def test_a_hosted_response_has_every_flag_whatever_happened() -> None:
    grader = graders.load(MULTI)
    good = grader.grade({"a": "x"}, "x").hosted
    bad = grader.grade({}, "x").hosted
    for response in (good, bad):
        assert set(response) == {
            "reward",
            "metadata",
            "sub_rewards",
            "model_grader_token_usage_per_model",
        }
        assert set(response["metadata"]) == {
            "name",
            "type",
            "errors",
            "execution_time",
            "scores",
            "token_usage",
            "sampled_model_name",
        }
        assert set(response["metadata"]["errors"]) == {*FLAGS, *DETAILS}
    assert len({*FLAGS, *DETAILS}) == 24
    assert not any(good["metadata"]["errors"].values())
    assert good["sub_rewards"] == {"check": 1.0, "near": 1.0}


def test_a_hosted_response_shows_a_failed_grade_as_zero_with_its_flag_and_details() -> None:
    response = graders.load(MULTI).grade({}, "x").hosted
    assert response["reward"] == 0.0
    assert response["sub_rewards"] == {"check": 0.0, "near": 0.0}
    errors = response["metadata"]["errors"]
    assert [name for name, value in errors.items() if value is True] == ["invalid_variable_error"]
    assert "item.a" in errors["invalid_variable_error_details"]


def test_a_formula_without_a_value_is_an_other_error_there() -> None:
    body = {**MULTI, "calculate_output": "near / check"}
    errors = graders.load(body).grade({"a": "x"}, "y").hosted["metadata"]["errors"]
    assert [name for name, value in errors.items() if value is True] == ["other_error"]


def test_a_replaced_failure_still_sets_its_flag() -> None:
    grade = graders.load({**MULTI, "invalid_grade": -1.0}).grade({}, "x")
    assert grade.reward == grade.hosted["reward"] == -1.0
    assert grade.hosted["metadata"]["errors"]["invalid_variable_error"] is True


def test_a_file_of_rows_becomes_a_file_of_results(tmp_path: Path) -> None:
    rows, out = tmp_path / "rows.jsonl", tmp_path / "out.jsonl"
    rows.write_text('{"answer": "x", "a": "x"}\nbroken\n')
    told: list[int] = []
    run = graders.score_file(
        graders.load(CHECK), rows, out, item_path=".", sample_path="answer",
        on_progress=lambda now: told.append(now.done),
    )  # fmt: skip
    assert (run.tally.rows, run.tally.scored, run.tally.failed) == (2, 1, 1)
    assert told == [rows.stat().st_size]
    found = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["reward"] for line in found] == [1.0, None]
    assert "line 2" in found[1]["failures"][0]["message"]


def test_a_file_that_is_not_there_leaves_no_output_behind(tmp_path: Path) -> None:
    with pytest.raises(RowsError, match="there is no such file"):
        graders.score_file(graders.load(CHECK), tmp_path / "no.jsonl", tmp_path / "out.jsonl")
    assert list(tmp_path.iterdir()) == []


def test_the_public_names_are_there_and_sorted() -> None:
    assert list(graders.__all__) == sorted(graders.__all__)
    assert all(hasattr(graders, name) for name in graders.__all__)
