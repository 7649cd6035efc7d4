"""`graders report`: text, JSON and one page; what is wrong is said in a sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]


@pytest.fixture
def scored(folder: Path, command: Command) -> Path:
    lines = [
        {"item": {"a": "x"}, "sample": {"output_json": {"k": t}, "output_text": t}} for t in "xyxzx"
    ]
    (folder / "rows.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    command("score", "multi.json", "rows.jsonl", "-o", "out.jsonl", "--summary", "sum.json")
    return folder / "out.jsonl"


def test_text_says_what_score_said_and_the_shares(scored: Path, command: Command) -> None:
    done = command("report", str(scored))
    assert done.code == 0
    assert "both (multi): 5 rows" in done.out
    assert "mean reward             0.6000" in done.out
    assert "variance" in done.out
    assert "50.0%" in done.out
    assert "memory" not in done.out


def test_json_has_the_tally_and_the_shares(scored: Path, command: Command) -> None:
    body = command("report", str(scored), "--json").json
    assert body["rows"] == 5
    assert body["variance_shares"]["parts"] == {
        "check": pytest.approx(0.5),
        "near": pytest.approx(0.5),
    }
    assert body["name"] == "both"


def test_a_page_is_written_whole_and_nothing_is_printed(scored: Path, command: Command) -> None:
    done = command(
        "report", str(scored), "-o", "r.html", "--rows", "rows.jsonl", "--grader", "multi.json",
        "--summary", "sum.json", "--title", "My <title>",
    )  # fmt: skip
    assert (done.code, done.out, done.err) == (0, "", "")
    text = (scored.parent / "r.html").read_text()
    assert "My &lt;title&gt;" in text
    assert "near.reference" in text
    assert not (scored.parent / "r.html.new").exists()


def test_a_page_goes_to_standard_output_for_a_dash(scored: Path, command: Command) -> None:
    done = command("report", str(scored), "-o", "-")
    assert done.out.startswith("<!doctype html>")


def test_the_choices_and_paths_of_the_run_hold_for_the_page(folder: Path, command: Command) -> None:
    (folder / "own.jsonl").write_text('{"a": [1, true], "said": "[1, True]"}\n')
    command("score", "check.json", "own.jsonl", "-o", "out.jsonl", "--item-path", ".",
            "--sample-path", "said", "--rendering", "python")  # fmt: skip
    done = command("report", "out.jsonl", "-o", "r.html", "--rows", "own.jsonl",
                   "--grader", "check.json")  # fmt: skip
    assert (done.code, done.out, done.err) == (0, "", "")
    assert '"sample · input · reference","[1, True]"' in (folder / "r.html").read_text()


def test_diff_and_probe_have_their_sections(scored: Path, command: Command) -> None:
    folder = scored.parent
    (folder / "d.json").write_text('{"mean_delta": 0.125, "rows": [{"index": 2, "delta": 1}]}')
    (folder / "p.json").write_text('{"attacks": [{"name": "empty", "mean": 0.0}]}')
    done = command("report", "out.jsonl", "-o", "r.html", "--diff", "d.json", "--probe", "p.json")
    assert done.code == 0
    text = (folder / "r.html").read_text()
    assert "Mean delta" in text
    assert "Attacks" in text


def test_changed_rows_are_noted(scored: Path, command: Command) -> None:
    rows = scored.parent / "rows.jsonl"
    rows.write_text(rows.read_text() + "\n")
    done = command("report", str(scored), "-o", "r.html", "--rows", "rows.jsonl")
    assert done.code == 0
    assert "note: The rows have changed since" in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["nothing.jsonl"], ["dir"], ["binary"], ["rows.jsonl"], ["out.jsonl", "--rows", "rows.jsonl"],
        ["out.jsonl", "-o", "r.html", "--grader", "multi.json"],
        ["out.jsonl", "-o", "out.jsonl"], ["out.jsonl", "-o", "sum.json", "--summary", "sum.json"],
        ["out.jsonl", "-o", "no/such/r.html"], ["out.jsonl", "--summary", "binary"],
        ["out.jsonl", "--summary", "none.json"], ["out.jsonl", "-o", "r.html", "--diff", "list.json"],
        ["out.jsonl", "-o", "r.html", "--rows", "none.jsonl"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_what_cannot_be_done_is_said(
    scored: Path, command: Command, refused: Callable[[Any], None], arguments: list[str]
) -> None:
    (scored.parent / "list.json").write_text("[]")
    before = scored.read_bytes()
    refused(command("report", *arguments))
    assert scored.read_bytes() == before


def test_hostile_results_cannot_steer_a_terminal(folder: Path, command: Command) -> None:
    bad = "\x1b[2J\u202e"
    failure = {"code": bad, "message": bad, "where": bad}
    lines = [
        {"index": 0, "reward": 1.0, "sub_rewards": {bad: 1.0}, "failures": []},
        {"index": 1, "reward": None, "sub_rewards": {bad: None}, "failures": [failure]},
    ]
    (folder / "bad.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines) + "torn")
    done = command("report", "bad.jsonl")
    assert done.code == 0
    assert "line 3 is no whole result line" in done.out
    assert not set("\x1b\u202e") & set(done.out)


def test_what_an_interrupted_run_left_is_shown_with_a_note(scored: Path, command: Command) -> None:
    scored.rename(scored.with_name("out.jsonl.partial"))
    done = command("report", "out.jsonl.partial")
    assert "both (multi): 5 rows" in done.out
    assert "when it was interrupted" in done.out


def test_a_page_has_the_rows_that_are_asked_for_and_says_how_to_have_more(
    folder: Path, command: Command
) -> None:
    line = {"reward": 1.0, "sub_rewards": {}, "failures": []}
    lines = [json.dumps({"index": at, **line}) + "\n" for at in range(5000)]
    (folder / "out.jsonl").write_text("".join(lines))
    done = command("report", "out.jsonl", "-o", "r.html", "--row", "4321", "--row", "7000")
    assert (done.code, done.err) == (
        0,
        "graders: note: --row: out.jsonl has no result of row 7,000\n",
    )
    text = (folder / "r.html").read_text()
    assert "[4321," in text
    assert "This is a sample of 2,000 of the 5,000 rows" in text
    assert "--max-size makes a larger page" in text
    command("report", "out.jsonl", "-o", "r.html", "--max-size", "5")
    assert "All 5,000 rows are here." in (folder / "r.html").read_text()
    done = command("report", "out.jsonl", "--row", "1")
    assert (done.code, "give -o too" in done.err) == (2, True)


def test_results_of_no_row_are_said_to_be_none(scored: Path, command: Command) -> None:
    (scored.parent / "empty.jsonl").write_bytes(b"")
    said = "empty.jsonl is empty: no row was scored, and there is nothing to show."
    done = command("report", "empty.jsonl", "-o", "r.html")
    assert (done.code, done.out, done.err) == (0, "", f"graders: note: {said}\n")
    assert said in (scored.parent / "r.html").read_text()
    assert said in command("report", "empty.jsonl").out
    assert command("report", "empty.jsonl", "--json").json["notes"] == [said]


def test_two_runs_stand_side_by_side(scored: Path, command: Command) -> None:
    command("score", "check.json", "rows.jsonl", "-o", "other.jsonl")
    done = command(
        "report", "out.jsonl", "-o", "r.html", "--with", "other.jsonl", "--rows", "rows.jsonl"
    )
    assert (done.code, done.out, done.err) == (0, "", "")
    text = (scored.parent / "r.html").read_text()
    assert "A beside B" in text
    assert "Answer in B" in text
    said = command("diff", "out.jsonl", "other.jsonl", "--json").json
    assert f"{said['changed']} rewards differ" in text


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--with", "out.jsonl"], "give -o too"),
        (["--with-rows", "rows.jsonl", "-o", "r.html"], "give --with too"),
        (["--with", "none.jsonl", "-o", "r.html"], "none.jsonl"),
        (["--with", "rows.jsonl", "-o", "r.html"], "the first line is not a result line"),
        (["--with", "out.jsonl", "-o", "out.jsonl"], "the page would replace it"),
    ],
)
def test_what_cannot_stand_side_by_side_is_said(
    scored: Path, command: Command, options: list[str], said: str
) -> None:
    done = command("report", "out.jsonl", *options)
    assert done.code != 0
    assert said in done.err
    assert "Traceback" not in done.err
