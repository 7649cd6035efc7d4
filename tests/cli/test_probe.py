"""`graders probe`: evidence, gates and what is said about models that are not asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graders.inspection.probe import ATTACKS

Command = Callable[..., Any]
REPLIES = Path(__file__).parents[2] / "samples" / "judge" / "replies.sqlite"
HOSTILE = "\x1b[31m\x07\x9b2J\u202e"
JUDGE = {
    "type": "score_model", "name": "judge", "model": "m",
    "input": [{"role": "user", "content": "{{ sample.output_text }}"}],
}  # fmt: skip


@pytest.fixture(autouse=True)
def _no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_BASE_URL", "GRADERS_CACHE_FILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def like(folder: Path) -> None:
    """A grader that pays for listing all answers, and rows."""
    check = {
        "type": "string_check", "name": "check", "operation": "like",
        "input": "{{ sample.output_text }}", "reference": "{{ item.a }}",
    }  # fmt: skip
    (folder / "like.json").write_text(json.dumps(check))
    rows = [{"id": one, "item": {"a": one, "q": "?"}, "sample": one} for one in ("red", "blue")]
    (folder / "two.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.usefixtures("like")
def test_the_evidence_is_shown_and_nothing_fails_unless_asked_to(command: Command) -> None:
    done = command("probe", "like.json", "two.jsonl")
    assert (done.code, done.err) == (0, "")
    assert "check (string_check): 2 of 2 rows probed" in done.out
    assert "honest answers: expected reward 1.0000" in done.out
    assert "all-references    1.0000" in done.out
    assert "wrong-arguments: no answer calls tools" in done.out
    assert "\x1b" not in done.out


def test_the_help_names_every_attack(command: Command) -> None:
    words = set(command("probe", "--help").out.replace(",", " ").split())
    assert {one.name for one in ATTACKS} <= words


@pytest.mark.usefixtures("like")
@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--fail-above", "0.5"], 1),
        (["--fail-above", "1"], 0),
        (["--fail-above", "honest"], 0),
        (["--fail-above", "0.5", "--attack", "empty", "--attack", "reference"], 1),
        (["--fail-above", "0.5", "--attack", "empty", "--attack", "refusal"], 0),
    ],
)
def test_the_gate(command: Command, options: list[str], code: int) -> None:
    done = command("probe", "like.json", "two.jsonl", *options)
    assert done.code == code
    assert bool(done.err) == bool(code)


@pytest.mark.usefixtures("like")
def test_json_holds_the_report_and_what_is_above(command: Command) -> None:
    done = command("probe", "like.json", "two.jsonl", "--fail-above", "0.5", "--json")
    assert done.code == 1
    assert "all-references" in done.json["above"]
    assert len(done.json["attacks"]) >= 20


@pytest.mark.usefixtures("like")
def test_a_sound_grader_passes_the_gate(command: Command) -> None:
    assert command("probe", "check.json", "two.jsonl", "--fail-above", "0.2").code == 0


@pytest.mark.usefixtures("like")
def test_the_limit_draws_rows(command: Command) -> None:
    done = command("probe", "like.json", "two.jsonl", "--limit", "1", "--json")
    assert (done.json["rows"], done.json["probed"]) == (2, 1)


def test_models_are_not_asked_unless_it_is_said_where(command: Command, folder: Path) -> None:
    check = json.loads((folder / "check.json").read_text())
    config = {
        "type": "multi", "name": "m", "graders": {"check": check, "judge": JUDGE},
        "calculate_output": "check + judge",
    }  # fmt: skip
    (folder / "m.json").write_text(json.dumps(config))
    done = command("probe", "m.json", "rows.jsonl")
    assert done.code == 0
    assert "not probed: judge, held at 0; its model was not asked" in done.out


def test_a_model_grader_alone_is_refused(
    command: Command, folder: Path, refused: Callable[..., None]
) -> None:
    (folder / "judge.json").write_text(json.dumps(JUDGE))
    done = command("probe", "judge.json", "rows.jsonl")
    refused(done)
    assert "--base-url" in done.err


@pytest.mark.usefixtures("like")
def test_a_gate_is_shut_where_nothing_could_be_graded(command: Command, folder: Path) -> None:
    (folder / "judge.json").write_text(json.dumps(JUDGE))
    done = command(
        "probe", "judge.json", "two.jsonl", "--offline", "--cache-file", str(REPLIES),
        "--fail-above", "0.5",
    )  # fmt: skip
    assert done.code == 1
    assert "nothing was learned" in done.err
    assert "first failure: model_grader_server_error" in done.out


def test_a_gate_is_shut_where_a_part_of_the_attacks_could_not_be_graded(
    command: Command,
) -> None:
    samples = REPLIES.parent
    arguments = (
        str(samples / "grader.json"), str(samples / "rows.jsonl"), "--base-url", "local",
        "--offline", "--cache-file", str(REPLIES),
    )  # fmt: skip
    done = command("probe", *arguments, "--fail-above", "2")
    assert done.code == 1
    assert "the gate cannot tell" in done.err
    assert "could not be asked: the figures may be too low" in " ".join(done.out.split())
    assert command("probe", *arguments).code == 0


@pytest.mark.parametrize(
    "options",
    [
        ["--attack", "nothing"],
        ["--fail-above", "much"],
        ["--fail-above", "nan"],
        ["--limit", "0"],
        ["--item-path", "["],
    ],
)
def test_bad_options_are_refused(
    command: Command, refused: Callable[..., None], options: list[str]
) -> None:
    refused(command("probe", "check.json", "rows.jsonl", *options))


def test_no_rows_and_no_answers_are_refused(
    command: Command, folder: Path, refused: Callable[..., None]
) -> None:
    refused(command("probe", "check.json", "empty"))
    (folder / "asked.jsonl").write_text('{"item": {"a": "x"}}\n')
    refused(command("probe", "check.json", "asked.jsonl", "--fail-above", "honest"))


def test_hostile_rows_cannot_steer_the_terminal(command: Command, folder: Path) -> None:
    check = json.loads((folder / "check.json").read_text())
    config = {
        "type": "multi", "name": f"m{HOSTILE}", "graders": {"check": {**check, "operation": "like"}},
        "calculate_output": "check",
    }  # fmt: skip
    (folder / "m.json").write_text(json.dumps(config))
    row = {"id": HOSTILE, "item": {"a": HOSTILE, HOSTILE: HOSTILE}, "sample": HOSTILE}
    (folder / "bad.jsonl").write_text(json.dumps(row) + "\n" + json.dumps(row) + "\n")
    done = command("probe", "m.json", "bad.jsonl")
    assert done.code == 0
    assert not set("\x1b\x07\x9b\u202e") & set(done.out + done.err)
