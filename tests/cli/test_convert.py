"""`graders convert`: files, folders, zips, exit codes, and nothing written over."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("folder")


def test_one_document_goes_to_standard_output_and_a_loss_is_an_exit_code(command: Command) -> None:
    done = command("convert", "check.json", "--to", "gemini")
    assert done.code == 0
    assert "singleRewardConfig" in done.json
    assert "under `references`" in done.err
    done = command("convert", "multi.json", "--to", "gemini")
    assert done.code == 1
    assert "not carried over: $.graders.near: text_similarity" in done.err
    assert "--accept-loss takes that" in done.err
    assert "compositeRewardConfig" in done.json
    assert command("convert", "multi.json", "--to", "gemini", "--accept-loss").code == 0


def test_losses_as_json(command: Command) -> None:
    done = command("convert", "multi.json", "--to", "foundry", "--json", "-o", "made.json")
    assert done.code == 1
    assert done.json["written"] == ["made.json"]
    assert [one["path"] for one in done.json["losses"]] == [
        "$.calculate_output", "$.graders.near.pass_threshold",
    ]  # fmt: skip
    assert json.loads(Path("made.json").read_text()) == done.json["document"]


def test_what_a_failed_row_gets_stands_in_the_script(command: Command) -> None:
    words = ("convert", "check.json", "--to", "verl", "-o", "made", "--failed", "0.25")
    assert command(*words).code == 0
    assert any("0.25" in one.read_text() for one in Path("made").glob("*.py"))


def test_there_and_back_by_files(command: Command) -> None:
    assert command("convert", "check.json", "--to", "gemini", "-o", "g.json").code == 0
    done = command("convert", "g.json", "--to", "graders", "-o", "back.json")
    assert (done.code, done.out) == (0, "")
    made = json.loads(Path("back.json").read_text())
    assert made["reference"] == "{{ item.references.a }}"


def test_a_folder_and_a_zip_are_not_written_over_unless_forced(command: Command) -> None:
    assert command("convert", "check.json", "--to", "bedrock", "-o", "made").code == 0
    names = sorted(one.name for one in Path("made").iterdir())
    assert names == ["README.md", "grader.json", "lambda_function.py", "requirements.txt"]
    for out in ("made", "made.zip"):
        command("convert", "check.json", "--to", "bedrock", "-o", out)
        done = command("convert", "check.json", "--to", "bedrock", "-o", out)
        assert done.code == 2
        assert "is there already; --force writes over it" in done.err
        assert command("convert", "check.json", "--to", "bedrock", "-o", out, "--force").code == 0
    with zipfile.ZipFile("made.zip") as packed:
        assert sorted(packed.namelist()) == names


def test_the_rows_of_promptfoos_tests_are_scored_by_the_grader(command: Command) -> None:
    tests = [
        {"vars": {"q": "?"}, "assert": [{"type": "equals", "value": one}]} for one in ("a", "b")
    ]
    Path("p.json").write_text(json.dumps({"prompts": ["{{q}}"], "tests": tests}))
    done = command("convert", "p.json", "--to", "graders", "-o", "g.json", "--rows", "r.jsonl")
    assert done.code == 0
    rows = [json.loads(line) for line in Path("r.jsonl").read_text().splitlines()]
    assert rows == [{"item": {"q": "?", "expected": one}} for one in ("a", "b")]
    for row, reward in zip(rows, ("1.0", "0.0"), strict=True):
        done = command("run", "g.json", "--item", json.dumps(row["item"]), "--sample", "a")
        assert reward in done.out
    done = command("convert", "check.json", "--to", "gemini", "--rows", "x.jsonl")
    assert (done.code, "has no rows" in done.err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("check.json", "--to", "trl"), "say -o DIR"), (("check.json", "--to", "mars"), "no format mars"),
        (("rows.jsonl", "--to", "gemini"), "rows.jsonl"), (("gone.json", "--to", "gemini"), "gone.json"),
        (("binary", "--to", "gemini"), "binary"), (("code.py", "--to", "graders"), "cannot be read as a grader"),
        (("out", "--to", "graders"), "convert out/grader.json"),
        (("check.json", "--to", "verl", "-o", "x", "--failed", "nan"), "a number or raise"),
        (("check.json", "--to", "verl", "-o", "x", "--failed", "zero"), "a number or raise"),
        (("x" * 5000, "--to", "graders"), "cannot be read"), (("", "--to", "graders"), "empty"),
        (("odd.json", "--to", "graders"), "say --from"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence(
    command: Command, folder: Path, arguments: tuple[str, ...], says: str
) -> None:
    (folder / "odd.json").write_text('{"reward": 1}')
    (folder / "out").mkdir()
    (folder / "out" / "grader.json").write_text("{}")
    done = command("convert", *arguments)
    assert done.code == 2
    assert says in done.err
    assert "Traceback" not in done.err
