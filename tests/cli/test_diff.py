"""`graders diff`: two graders or two files of results, and gates for regressions."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]
HOSTILE = "\x1b[31m\x07\x9b2J\u202e"


@pytest.fixture(autouse=True)
def _graders(folder: Path) -> None:
    check = json.loads((folder / "check.json").read_text())
    (folder / "loose.json").write_text(json.dumps({**check, "name": "loose", "operation": "ne"}))


def test_two_graders_on_rows(command: Command) -> None:
    done = command("diff", "check.json", "loose.json", "rows.jsonl")
    assert (done.code, done.err) == (0, "")
    assert "3 of 3 rows have a reward on both sides" in done.out
    assert "1 fails → passes, 2 passes → fails" in done.out
    assert "row 0: 1.0000 → 0.0000  passes → fails" in done.out
    assert "\x1b" not in done.out


def test_a_grader_against_itself_passes_every_gate(command: Command) -> None:
    done = command(
        "diff", "check.json", "check.json", "rows.jsonl", "--fail-on-flip", "--max-mean-drop", "0",
        "--max-delta", "0",
    )  # fmt: skip
    assert (done.code, done.err) == (0, "")
    assert "no row differs" in done.out


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--fail-on-flip"], 1),
        (["--fail-on-flip", "--threshold", "2"], 0),
        (["--max-mean-drop", "0.3"], 1),
        (["--max-mean-drop", "0.4"], 0),
        (["--max-delta", "0.5"], 1),
        (["--max-delta", "1"], 0),
    ],
)
def test_the_gates(command: Command, options: list[str], code: int) -> None:
    done = command("diff", "check.json", "loose.json", "rows.jsonl", *options, "--json")
    assert (done.code, bool(done.json["gates"])) == (code, bool(code))


def test_results_are_compared_as_their_graders_are(command: Command, folder: Path) -> None:
    for name in ("check", "loose"):
        assert command("score", f"{name}.json", "rows.jsonl", "-o", f"{name}.jsonl").code == 0
    ours = command("diff", "check.jsonl", "loose.jsonl", "--json").json
    theirs = command("diff", "check.json", "loose.json", "rows.jsonl", "--json").json
    assert ours["flips"] == theirs["flips"] == {"up": 1, "down": 2, "lost": 0, "gained": 0}
    assert ours["mean_delta"] == theirs["mean_delta"] == pytest.approx(-1 / 3)
    assert not ours["read_first"][0]["answer"]
    seen = command("diff", "check.jsonl", "loose.jsonl", "rows.jsonl", "--json").json
    assert [row["answer"] for row in seen["read_first"]] == ["x", "y", "x"]
    del folder


def test_every_delta_goes_to_a_file(command: Command, folder: Path) -> None:
    done = command("diff", "check.json", "loose.json", "rows.jsonl", "-o", "deltas.jsonl")
    assert done.code == 0
    lines = [json.loads(line) for line in (folder / "deltas.jsonl").read_text().splitlines()]
    assert lines[1] == {
        "index": 1, "a": 0.0, "b": 1.0, "delta": 1.0, "flip": "up", "sub_rewards": {},
        "failures": {"a": [], "b": []},
    }  # fmt: skip
    assert [line["index"] for line in lines] == [0, 1, 2]


def test_deltas_on_standard_output_send_the_comparison_to_standard_error(command: Command) -> None:
    done = command("diff", "check.json", "loose.json", "rows.jsonl", "-o", "-")
    assert [json.loads(line)["delta"] for line in done.out.splitlines()] == [-1.0, 1.0, -1.0]
    assert "verdicts that differ" in done.err


def test_deltas_do_not_replace_what_is_compared(
    command: Command, folder: Path, refused: Callable[..., None]
) -> None:
    before = (folder / "rows.jsonl").read_bytes()
    refused(command("diff", "check.json", "loose.json", "rows.jsonl", "-o", "rows.jsonl"))
    refused(command("diff", "check.json", "loose.json", "rows.jsonl", "-o", "dir/none/x"))
    assert (folder / "rows.jsonl").read_bytes() == before


def test_a_lost_reward_shuts_the_gates(command: Command, folder: Path) -> None:
    line = '{"index":0,"reward":1.0,"sub_rewards":{},"failures":[]}\n'
    lost = '{"index":0,"reward":null,"sub_rewards":{},"failures":[{"code":"other_error","message":"m","where":""}]}\n'
    (folder / "a.jsonl").write_text(line)
    (folder / "b.jsonl").write_text(lost)
    for gate in (["--fail-on-flip"], ["--max-delta", "1"], ["--max-mean-drop", "0.5"]):
        assert command("diff", "a.jsonl", "b.jsonl", *gate).code == 1
    shown = command("diff", "a.jsonl", "b.jsonl").out
    assert "1 reward → failure" in shown
    assert "failed in B" in shown


def test_missing_rows_and_no_rows_shut_the_gates(command: Command, folder: Path) -> None:
    line = '{"index":%d,"reward":1.0,"sub_rewards":{},"failures":[]}\n'
    (folder / "a.jsonl").write_text(line % 0 + line % 1)
    (folder / "b.jsonl").write_text(line % 0)
    done = command("diff", "a.jsonl", "b.jsonl", "--fail-on-flip")
    assert (done.code, "1 rows of A are not in B" in done.err) == (1, True)
    assert command("diff", "a.jsonl", "b.jsonl").code == 0
    assert command("diff", "empty", "empty", "--fail-on-flip").code == 1
    assert command("diff", "empty", "empty").code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["check.json", "loose.json"],
        ["check.json", "r.jsonl", "rows.jsonl"],
        ["-", "-", "rows.jsonl"],
        ["r.jsonl", "other.jsonl"],
        ["r.jsonl", "torn.jsonl"],
    ],
)
def test_what_cannot_be_compared_is_refused(
    command: Command, folder: Path, refused: Callable[..., None], arguments: list[str]
) -> None:
    line = '{"index":0,"id":"%s","reward":1.0,"sub_rewards":{},"failures":[]}\n'
    (folder / "r.jsonl").write_text(line % "one")
    (folder / "other.jsonl").write_text(line % "two")
    (folder / "torn.jsonl").write_text((line % "one") + '{"index":1')
    refused(command("diff", *arguments))


def test_hostile_rows_cannot_steer_the_terminal(command: Command, folder: Path) -> None:
    row = {"id": HOSTILE, "item": {"a": HOSTILE}, "sample": HOSTILE}
    (folder / "bad.jsonl").write_text(json.dumps(row) + "\n")
    done = command("diff", "check.json", "loose.json", "bad.jsonl")
    assert done.code == 0
    failure = {"code": HOSTILE, "message": HOSTILE, "where": HOSTILE}
    for name, reward in (("a", 1.0), ("b", None)):
        line = {
            "index": 0, "id": HOSTILE, "reward": reward, "sub_rewards": {HOSTILE + name: reward},
            "failures": [] if reward else [failure],
        }  # fmt: skip
        (folder / f"{name}.jsonl").write_text(json.dumps(line) + "\n")
    other = command("diff", "a.jsonl", "b.jsonl")
    assert other.code == 0
    assert not set("\x1b\x07\x9b\u202e") & set(done.out + done.err + other.out + other.err)
