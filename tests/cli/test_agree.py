"""`graders agree`: kappa, thresholds and calibration against labels, and variance of repeats."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]
HOSTILE = "\x1b[31m\x07\x9b2J\u202e"


@pytest.fixture(autouse=True)
def _labelled(folder: Path) -> None:
    rows = [
        {"item": {"a": "x"}, "sample": sample, "label": label, "stars": stars, "said": said}
        for sample, label, stars, said in (
            ("x", 1, 5, "good"), ("x", 1, 4, "good"), ("x", 0, 2, "poor"), ("y", 0, 1, "poor"),
        )
    ]  # fmt: skip
    (folder / "labelled.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_a_grader_is_compared_with_labels(command: Command) -> None:
    done = command("agree", "check.json", "labelled.jsonl", "--label", "label")
    assert (done.code, done.err) == (0, "")
    assert "check: 4 rows, 4 with a label, 2 of them passing" in done.out
    assert "labels: 1 2, 0 2" in done.out
    assert ["grader", "passes", "2", "1"] in [line.split() for line in done.out.splitlines()]
    assert "Youden's J" in done.out
    assert "\x1b" not in done.out


@pytest.mark.parametrize(
    "options",
    [
        ["--label", "stars", "--label-threshold", "4"],
        ["--label", "said", "--passing", "good"],
        ["--label", "label"],
    ],
)
def test_every_kind_of_label_gives_the_same_kappa(command: Command, options: list[str]) -> None:
    done = command("agree", "check.json", "labelled.jsonl", *options, "--json")
    reward = done.json["scores"][0]
    assert reward["kappa"] == 0.5
    assert (reward["both_pass"], reward["grader_only_passes"], reward["both_fail"]) == (2, 1, 1)


def test_results_give_what_their_grader_gives(command: Command) -> None:
    assert command("score", "check.json", "labelled.jsonl", "-o", "out.jsonl").code == 0
    ours = command("agree", "out.jsonl", "labelled.jsonl", "--label", "label", "--json").json
    theirs = command("agree", "check.json", "labelled.jsonl", "--label", "label", "--json").json
    assert ours["scores"] == theirs["scores"]


@pytest.mark.parametrize(("least", "code"), [("0.5", 0), ("0.51", 1)])
def test_the_gate(command: Command, least: str, code: int) -> None:
    arguments = ("agree", "check.json", "labelled.jsonl", "--label", "label", "--min-kappa", least)
    assert command(*arguments).code == code


def test_repeats_need_no_labels(command: Command, folder: Path) -> None:
    lines = [
        {"index": at, "reward": 0.5, "sub_rewards": {"judge": 0.5}, "failures": [],
         "repeats": {"judge": scores}}
        for at, scores in enumerate([[0.0, 0.2], [1.0, 0.8, None]])
    ]  # fmt: skip
    (folder / "out.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = command("agree", "out.jsonl")
    assert done.code == 0
    assert "repeats of judge: 4 verdicts on 2 rows" in done.out
    assert command("agree", "out.jsonl", "--json").json["repeats"]["judge"]["rows"] == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["check.json"],
        ["check.json", "labelled.jsonl"],
        ["check.json", "labelled.jsonl", "--label", "stars"],
        ["check.json", "labelled.jsonl", "--label", "said"],
        ["check.json", "labelled.jsonl", "--label", "nothing"],
        ["check.json", "labelled.jsonl", "--label", "["],
        ["check.json", "labelled.jsonl", "--min-kappa", "0.5"],
        ["check.json", "-", "--label", "label"],
        ["check.json", "empty", "--label", "label"],
    ],
)
def test_what_cannot_be_compared_is_refused(
    command: Command, refused: Callable[..., None], arguments: list[str]
) -> None:
    refused(command("agree", *arguments))


def test_one_row_and_rows_that_all_fail_are_shown(command: Command, folder: Path) -> None:
    (folder / "one.jsonl").write_text('{"item": {"a": "x"}, "sample": "x", "label": 1}\n')
    done = command("agree", "check.json", "one.jsonl", "--label", "label")
    assert done.code == 0
    assert "every label is the same" in done.out
    (folder / "failed.jsonl").write_text('{"item": {}, "sample": "x", "label": 1}\n')
    done = command("agree", "check.json", "failed.jsonl", "--label", "label", "--min-kappa", "0")
    assert done.code == 1
    assert "1 labelled rows have no reward" in done.out


def test_hostile_labels_cannot_steer_the_terminal(command: Command, folder: Path) -> None:
    row = {"id": HOSTILE, "item": {"a": "x"}, "sample": "x", "label": HOSTILE}
    (folder / "bad.jsonl").write_text(json.dumps(row) + "\n")
    shown = command("agree", "check.json", "bad.jsonl", "--label", "label", "--passing", HOSTILE)
    refused = command("agree", "check.json", "bad.jsonl", "--label", "label", "--passing", "z")
    assert (shown.code, refused.code) == (0, 2)
    text = shown.out + shown.err + refused.out + refused.err
    assert not set("\x1b\x07\x9b\u202e") & set(text)
