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
