"""`graders validate`: faults of a config, and rows that lack its variables."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]


def test_a_valid_grader_is_said_to_be_one_with_its_variables(command: Command) -> None:
    done = command("validate", "multi.json")
    assert (done.code, done.err) == (0, "")
    assert "multi.json: a valid multi grader, both" in done.out
    assert "sub-graders: check (string_check), near (text_similarity)" in done.out
    assert "sample.output_json.k" in done.out


def test_json_of_a_valid_grader(command: Command) -> None:
    body = command("validate", "multi.json", "--json").json
    assert (body["valid"], body["faults"], body["type"]) == (True, [], "multi")
    assert body["variables"] == ["sample.output_text", "item.a", "sample.output_json.k"]


def test_every_fault_is_listed_with_its_path_and_line(command: Command, folder: Path) -> None:
    text = '{\n "type": "string_check",\n "operation": "neq",\n "input": "{{ oops }}"\n}'
    (folder / "bad.json").write_text(text)
    done = command("validate", "bad.json")
    assert (done.code, done.out) == (2, "")
    assert "$.operation (line 3)" in done.err
    assert "$.input (line 4)" in done.err
    body = command("validate", "bad.json", "--json")
    assert (body.code, body.err) == (2, "")
    assert body.json["valid"] is False
    assert {fault["path"] for fault in body.json["faults"]} >= {"$.operation", "$.input"}


def test_a_grader_may_come_from_standard_input(command: Command, folder: Path) -> None:
    data = (folder / "check.json").read_bytes()
    assert "a valid string_check grader" in command("validate", "-", stdin=data).out


def test_rows_that_hold_every_variable_exit_with_0(command: Command) -> None:
    done = command("validate", "check.json", "--rows", "rows.jsonl")
    assert (done.code, done.err) == (0, "")
    assert "3 rows read, every variable is there" in done.out


def test_rows_may_come_from_standard_input(command: Command, folder: Path) -> None:
    data = (folder / "rows.jsonl").read_bytes()
    assert command("validate", "check.json", "--rows", "-", stdin=data).code == 0


def test_rows_that_lack_a_variable_exit_with_1_and_are_named(
    command: Command, folder: Path
) -> None:
    with (folder / "rows.jsonl").open("a") as rows:
        rows.write('{"item": {"A": "x"}, "sample": "x"}\nbroken\n')
    done = command("validate", "check.json", "--rows", "rows.jsonl")
    assert (done.code, done.err) == (1, "")
    assert "row 3: item.a: item has no a; keys there: A; did you mean item.A?" in done.out
    assert "row 4: line 5: not JSON" in done.out
    body = command("validate", "check.json", "--rows", "rows.jsonl", "--json").json
    assert body["rows"]["unreadable"] == 1
    assert [one["missing"] for one in body["rows"]["variables"]] == [0, 1]


def test_the_layout_applies_to_the_rows(command: Command, folder: Path) -> None:
    (folder / "other.jsonl").write_text('{"a": "x", "answer": "x"}\n')
    words = ("validate", "check.json", "--rows", "other.jsonl")
    assert command(*words).code == 1
    assert command(*words, "--item-path", ".", "--sample-path", "answer").code == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nothing.json"], "nothing.json"),
        (["dir"], "Is a directory"),
        (["binary"], "not UTF-8"),
        (["empty"], "the text is empty"),
        (["check.json", "--rows", "nothing.jsonl"], "there is no such file"),
        (["check.json", "--rows", "dir"], "dir: is a folder"),
        (["check.json", "--item-path", "a..b"], "is not a path"),
        (["check.json", "--dialect", "twig"], "is not one of 'hosted', 'jinja2'"),
        (["-", "--rows", "-"], "can be read only once"),
    ],
)
def test_bad_usage_is_told_in_one_message(
    command: Command, refused: Callable[..., None], arguments: list[str], says: str
) -> None:
    done = command("validate", *arguments)
    refused(done)
    assert says in done.err


def test_a_python_source_is_loaded(command: Command, folder: Path) -> None:
    (folder / "python.json").write_text(json.dumps({"type": "python", "source": "grade = 1"}))
    done = command("validate", "python.json")
    assert (done.code, done.out) == (2, "")
    assert "$.source" in done.err


FLAWED = """{
  "type": "multi", "name": "m",
  "graders": {
    "a": {"type": "string_check", "input": "{{ sample.output_text }}",
          "reference": "{{ item.a }}", "operation": "eq"},
    "b": {"type": "text_similarity", "input": "{{ sample.output_text }}",
          "reference": "{{ item.a }}", "evaluation_metric": "bleu", "pass_threshold": 0}
  },
  "calculate_output": "a + 0.5 * a"
}
"""


@pytest.fixture
def flawed(folder: Path) -> str:
    (folder / "flawed.json").write_text(FLAWED)
    return "flawed.json"


def test_findings_have_a_place_a_sentence_and_a_fix(command: Command, flawed: str) -> None:
    done = command("validate", flawed)
    assert (done.code, done.err) == (0, "")
    assert "flawed.json:6:5: warning G103 the sub-grader b is not in calculate_output" in done.out
    assert "    $.graders.b\n    fix: Add its key to calculate_output" in done.out
    assert "flawed.json:9:3: warning G105" in done.out
    assert "3 warnings" in done.out


def test_warnings_fail_with_strict_only(command: Command, flawed: str) -> None:
    assert command("validate", flawed, "--strict").code == 1
    assert command("validate", flawed, "--strict", "--ignore", "g1, G302").code == 0
    assert command("validate", "check.json", "--strict").code == 0


def test_an_error_fails(command: Command, folder: Path) -> None:
    (folder / "never.json").write_text(FLAWED.replace("a + 0.5 * a", "1"))
    done = command("validate", "never.json", "--select", "G104")
    assert done.code == 1
    assert "error G104" in done.out
    assert "G103" not in done.out


def test_findings_in_the_forms_of_machines(command: Command, flawed: str) -> None:
    body = command("validate", flawed, "--format", "json").json
    assert [one["code"] for one in body["findings"]] == ["G103", "G302", "G105"]
    assert body["findings"][0]["line"] == 6
    assert body == command("validate", flawed, "--json").json
    log = command("validate", flawed, "--format", "sarif").json
    assert [one["ruleId"] for one in log["runs"][0]["results"]] == ["G103", "G302", "G105"]
    lines = command("validate", flawed, "--format", "github").out.splitlines()
    assert lines[0].startswith("::warning file=flawed.json,line=6,col=5,title=G103 ")
    assert command("validate", "check.json", "--format", "github").out == ""


def test_a_finding_of_an_eval_names_the_file_and_not_the_eval(
    command: Command, folder: Path
) -> None:
    check = json.loads((folder / "check.json").read_text())
    criteria = [{**check, "reference": "{{ sample.output_text }}"}, check]
    (folder / "eval.json").write_text(json.dumps({"name": "titled", "testing_criteria": criteria}))
    done = command("validate", "eval.json", "--format", "github")
    assert done.code == 1
    assert done.out.startswith("::error file=eval.json,line=1,col=")


@pytest.mark.parametrize("form", ["json", "sarif", "github"])
def test_faults_are_findings_too(command: Command, folder: Path, form: str) -> None:
    (folder / "bad.json").write_text(FLAWED.replace("a + 0.5 * a", "a + x"))
    done = command("validate", "bad.json", "--format", form)
    assert (done.code, done.err) == (2, "")
    assert "G102" in done.out


def test_a_yaml_source_has_the_line_of_its_fault(command: Command, folder: Path) -> None:
    text = "type: python\nsource: |\n  seen = []\n  def grade(sample, item):\n      seen.append(1)\n      return 1 / len(seen)\n"
    (folder / "p.yaml").write_text(text)
    assert (
        "p.yaml:5:7: warning G502 source line 3: seen is kept" in command("validate", "p.yaml").out
    )


def test_rows_are_graded(command: Command, folder: Path) -> None:
    (folder / "same.jsonl").write_text('{"item": {"a": "x"}, "sample": "y"}\n' * 12)
    done = command("validate", "check.json", "--rows", "same.jsonl")
    assert done.code == 1
    assert "error G603 all 12 graded rows get the reward 0" in done.out
    assert command("validate", "check.json", "--rows", "same.jsonl", "--limit", "0").code == 0
    body = command("validate", "check.json", "--rows", "same.jsonl", "--limit", "2", "--json").json
    assert body["rows"]["graded"] == 2
    assert "only the first 2 rows" in body["findings"][0]["message"]


def test_a_judge_is_not_asked_unless_told_where(command: Command, folder: Path) -> None:
    judge = {
        "type": "score_model", "model": "m",
        "input": [{"role": "user", "content": "{{ sample.output_text }}"}],
    }  # fmt: skip
    check = json.loads((folder / "check.json").read_text())
    multi = {
        "type": "multi",
        "graders": {"j": judge, "c": check},
        "calculate_output": "(j + c) / 2",
    }
    (folder / "j.json").write_text(json.dumps(multi))
    done = command("validate", "j.json", "--rows", "rows.jsonl")
    assert done.code == 0
    assert "info G612 not asked, for it asks a server: j" in done.out
    nowhere = ("--base-url", "http://127.0.0.1:9/v1", "--attempts", "1")
    asked = command("validate", "j.json", "--rows", "rows.jsonl", *nowhere)
    assert asked.code == 1
    assert "error G605 j fails in all 3 graded rows with model_grader_server_error" in asked.out


def test_an_endpoint_is_not_asked_unless_its_host_is_allowed(
    command: Command, folder: Path
) -> None:
    multi = {
        "type": "multi",
        "graders": {
            "e": {"type": "endpoint", "url": "http://127.0.0.1:9/grade"},
            "c": json.loads((folder / "check.json").read_text()),
        },
        "calculate_output": "(e + c) / 2",
    }
    (folder / "e.json").write_text(json.dumps(multi))
    done = command("validate", "e.json", "--rows", "rows.jsonl", "--base-url", "http://127.0.0.1:9")
    assert done.code == 0
    assert "info G612 not asked, for it asks a server: e" in done.out
    allowed = ("--allow-endpoint", "127.0.0.1", "--attempts", "1")
    asked = command("validate", "e.json", "--rows", "rows.jsonl", *allowed)
    assert asked.code == 1
    assert "error G605 e fails in all 3 graded rows with endpoint_grader_server" in asked.out


def test_a_job_and_its_files(command: Command, folder: Path) -> None:
    check = json.loads((folder / "check.json").read_text())
    job = {
        "model": "o4-mini-2025-04-16", "training_file": "train.jsonl",
        "method": {"type": "reinforcement", "reinforcement": {
            "grader": check, "hyperparameters": {"batch_size": 1000}}},
    }  # fmt: skip
    (folder / "job.json").write_text(json.dumps(job, indent=1))
    (folder / "train.jsonl").write_text('{"messages": [{"role": "user", "content": "x"}]}\n')
    body = command("validate", "job.json", "--target", "azure", "--json")
    assert body.code == 1
    found = {one["code"]: one for one in body.json["findings"]}
    assert set(found) == {"G702", "G703", "G727"}
    assert found["G703"]["path"] == "$.method.reinforcement.hyperparameters.batch_size"
    assert (found["G727"]["file"], found["G727"]["line"]) == ("train.jsonl", 1)
    given = command("validate", "job.json", "--validation-file", "train.jsonl", "--json").json
    assert {"G728"} < {one["code"] for one in given["findings"]}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--select", "X1"], "no rule has the code 'X1'"),
        (["--target", "aws"], "is not one of 'local', 'openai', 'azure'"),
        (["--training-file", "none.jsonl"], "the training file cannot be read"),
    ],
)
def test_bad_options_are_told(
    command: Command, refused: Callable[..., None], arguments: list[str], says: str
) -> None:
    done = command("validate", "check.json", *arguments)
    refused(done)
    assert says in done.err


def test_nothing_of_a_user_reaches_the_terminal_unescaped(command: Command, folder: Path) -> None:
    evil = json.loads(FLAWED)
    evil["graders"]["b\x1b[31m\n::error::x"] = evil["graders"].pop("b")
    (folder / "evil.json").write_text(json.dumps(evil))
    for form in ("text", "github"):
        out = command("validate", "evil.json", "--format", form).out
        assert "\x1b" not in out
        assert "\n::error::x" not in out


def test_several_graders_are_checked_and_the_worst_decides(command: Command, folder: Path) -> None:
    (folder / "bad.json").write_text("{}")
    done = command("validate", "check.json", "multi.json")
    assert (done.code, done.err) == (0, "")
    assert [line.partition(":")[0] for line in done.out.splitlines() if "a valid" in line] == [
        "check.json", "multi.json",
    ]  # fmt: skip
    done = command("validate", "check.json", "bad.json", "multi.json")
    assert done.code == 2
    assert "bad.json" in done.err
    assert done.out.count("a valid") == 2
    done = command("validate", "check.json", "bad.json", "--json")
    assert [one["valid"] for one in done.json] == [True, False]
    done = command("validate", "bad.json", "check.json", "--format", "sarif")
    assert done.code == 2
    assert {one["ruleId"] for one in done.json["runs"][0]["results"]} == {"G001"}
    assert command("validate", "bad.json", "check.json", "--format", "github").out.count("::error") == 1  # fmt: skip
    assert "only once" in command("validate", "-", "-").err
