"""What a source may hide, and what is not run, is said once by every command that grades."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from graders.sandbox import probe
from tests.cli.conftest import Command

pytestmark = pytest.mark.skipif(
    probe().default is None, reason="this machine does not give the level `standard`"
)
HIDDEN = (
    "try:\n    import nowhere_to_be_found\nexcept ImportError:\n    nowhere_to_be_found = None\n"
    "def grade(sample, item):\n    return 0.0 if nowhere_to_be_found is None else 1.0\n"
)
NOTE = "note: source line 2: nowhere_to_be_found is not installed for python graders"


@pytest.fixture(autouse=True)
def hidden(folder: Path) -> None:
    grader = {"type": "python", "name": "p", "source": HIDDEN}
    (folder / "hidden.json").write_text(json.dumps(grader))
    suite = "grader: hidden.json\ncases: [{name: c, item: {a: x}, sample: x, reward: 0}]\n"
    (folder / "s.graders.yaml").write_text(suite)


def test_score_says_it_before_the_rows_in_the_summary_and_to_machines(
    command: Command, folder: Path
) -> None:
    done = command("score", "hidden.json", "rows.jsonl", "-o", "out.jsonl")
    assert done.err.count(NOTE) == 1
    assert "nowhere_to_be_found is not installed" in done.out
    body = command("score", "hidden.json", "rows.jsonl", "-o", "out.jsonl", "--json")
    (note,) = body.json["notes"]
    assert NOTE.endswith(note.partition(";")[0])


def test_run_says_it(command: Command) -> None:
    done = command("run", "hidden.json", "--sample", "x")
    assert (done.code, done.err.count(NOTE)) == (0, 1)
    (note,) = command("run", "hidden.json", "--sample", "x", "--json").json["notes"]
    assert "nowhere_to_be_found" in note


def test_a_suite_says_it(command: Command) -> None:
    done = command("test", "s.graders.yaml")
    assert done.code == 0
    assert done.err.count("s.graders.yaml: source line 2: nowhere_to_be_found") == 1


def test_criteria_that_are_not_run_are_said(command: Command, folder: Path) -> None:
    check = json.loads((folder / "check.json").read_text())
    azure = {"type": "azure_ai_evaluator", "name": "f", "evaluator_name": "builtin.fluency"}
    (folder / "e.json").write_text(json.dumps({"name": "e", "testing_criteria": [azure, check]}))
    done = command("score", "e.json", "rows.jsonl", "-o", "out.jsonl")
    assert done.code == 0
    assert "note: $.testing_criteria[0] is not run: the evaluator" in done.err


def test_nothing_is_said_where_there_is_nothing(command: Command) -> None:
    assert command("score", "check.json", "rows.jsonl", "-o", "out.jsonl").err == ""
