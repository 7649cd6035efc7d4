"""--format markdown and --step-summary, of each command that has them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from graders.cli import face

SAMPLES = Path(__file__).parents[2] / "samples"
Command = Callable[..., Any]
READER = MarkdownIt("commonmark").enable("table")
HOSTILE = "<b>@octocat</b> | `x` #1\n```"

COMMANDS = {
    "score": ["score", "check.json", "rows.jsonl", "-o", "out.jsonl"],
    "test": ["test", "suite.graders.yaml"],
    "diff": ["diff", "check.json", "multi.json", "rows.jsonl", "--fail-on-flip"],
    "job": ["job", "run", "samples/rft-job/job.json"],
}


@pytest.fixture
def held(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(SAMPLES / "rft-job", folder / "samples" / "rft-job")
    monkeypatch.setenv("GRADERS_DATA_DIR", "kept")
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    rows = [{"id": HOSTILE, "item": {"a": "x"}, "sample": text} for text in ("x", HOSTILE, "x")]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    cases = [{"name": f"{HOSTILE} {n}", "item": {"a": HOSTILE}, "sample": "x", "reward": 1} for n in range(2)]  # fmt: skip
    (folder / "suite.graders.yaml").write_text(json.dumps({"grader": "check.json", "cases": cases}))
    return folder


@pytest.mark.parametrize("name", COMMANDS)
def test_markdown_is_printed_and_holds_no_html_of_a_row(
    held: Path, command: Command, name: str
) -> None:
    text, page = command(*COMMANDS[name]), command(*COMMANDS[name], "--format", "markdown")
    assert page.code == text.code
    assert page.out.startswith(f"### graders {name}")
    shown = READER.render(page.out)
    assert "<b>" not in shown
    assert "<table>" in shown or name == "test"
    assert command(*COMMANDS[name], "--format", "json").json.keys() == command(*COMMANDS[name], "--json").json.keys()  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_a_step_summary_is_added_to_in_every_form(
    held: Path, command: Command, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    summary = held / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    command(*COMMANDS[name])
    assert not summary.exists(), "nobody asked for it"
    for form in ("text", "json", "markdown"):
        done = command(*COMMANDS[name], "--format", form, "--step-summary")
        assert ("### graders" in done.out) == (form == "markdown")
    assert summary.read_text().count(f"### graders {name}") == 3


def test_why_a_gate_is_shut_stands_on_the_page_too(held: Path, command: Command) -> None:
    done = command(*COMMANDS["diff"], "--format", "markdown")
    assert done.code == 1
    assert "verdicts differ" in done.out.splitlines()[-2] + done.out.splitlines()[-1] + done.out


def test_where_there_is_no_summary_that_is_a_note_and_the_exit_code_stays(
    held: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = command(*COMMANDS["score"], "--step-summary")
    assert done.code == 0
    assert "note: --step-summary: GITHUB_STEP_SUMMARY is not set" in done.err
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(held / "none" / "here"))
    done = command(*COMMANDS["score"], "--step-summary")
    assert done.code == 0
    assert "cannot be written: No such file or directory" in done.err


def test_a_summary_never_grows_beyond_what_github_shows(
    held: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(face, "_ROOM", 2_000)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(held / "summary.md"))
    for _ in range(5):
        command(*COMMANDS["job"], "--step-summary")
    text = (held / "summary.md").read_text()
    assert len(text.encode()) <= 2_000
    assert "Cut off here" in text


def test_two_forms_at_once_are_refused(held: Path, command: Command, refused: Any) -> None:
    done = command(*COMMANDS["score"], "--json", "--format", "markdown")
    refused(done)
    assert "--json and --format markdown exclude each other" in done.err


def test_findings_are_a_page_too(held: Path, command: Command) -> None:
    (held / "bad.json").write_text(json.dumps({"type": "string_check", "name": HOSTILE}))
    for name, code in (("check.json", 0), ("bad.json", 2)):
        done = command("validate", name, "--format", "markdown")
        assert done.code == code
        assert done.out.startswith("### graders validate\n")
