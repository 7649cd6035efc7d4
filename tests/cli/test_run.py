"""`graders run`: one sample, for people and for machines."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graders import jsontext
from tests.models.server import ScriptedServer, completion
from tests.waiting import interrupt_waits

Command = Callable[..., Any]
ITEM = '{"a": "x"}'
JUDGE = {
    "type": "score_model", "name": "j", "model": "m",
    "input": [{"role": "user", "content": "x"}],
}  # fmt: skip


def test_a_scored_sample_shows_its_reward_and_exits_with_0(command: Command) -> None:
    done = command("run", "check.json", "--item", ITEM, "--sample", "x")
    assert (done.code, done.err) == (0, "")
    assert "reward  1.0" in done.out
    assert "\x1b" not in done.out


def test_a_failed_sample_shows_why_and_exits_with_1(command: Command) -> None:
    done = command("run", "check.json", "--item", '{"b": 1}', "--sample", "x")
    assert (done.code, done.err) == (1, "")
    assert "invalid_variable_error: item.a: item has no a; keys there: b" in done.out


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ([], "--item, --sample"),
        (["--item", ITEM], "--sample"),
        (["--sample", "x"], "--item"),
        (["--sample", "x", "--json"], "--item"),
    ],
)
def test_what_was_not_given_is_named_where_it_was_wanted(
    command: Command, given: list[str], missing: str
) -> None:
    done = command("run", "check.json", *given)
    assert (done.code, done.err) == (1, f"graders: note: not given: {missing}\n")


def test_json_holds_the_grade_and_how_it_came_about(command: Command) -> None:
    done = command("run", "multi.json", "--item", ITEM, "--sample", '{"k": "x"}', "--json")
    assert done.code == 0
    assert done.json == {
        "reward": 0.5,
        "sub_rewards": {"check": 0.0, "near": 1.0},
        "failures": [],
        "name": "both",
        "type": "multi",
        "sample_shape": "text",
        "rendered": {
            "check": {"input": '{"k": "x"}', "reference": "x"},
            "near": {"input": "x", "reference": "x"},
        },
        "printed": {},
        "said": {},
        "judgements": {},
        "signatures": done.json["signatures"],
        "notes": [],
    }


def test_hosted_gives_the_services_response(command: Command) -> None:
    done = command("run", "check.json", "--item", "{}", "--sample", "x", "--hosted")
    assert done.code == 1
    assert done.json["reward"] == 0.0
    assert done.json["metadata"]["errors"]["invalid_variable_error"] is True


def test_values_come_from_files(command: Command, folder: Path) -> None:
    (folder / "item ü.json").write_text('{"a": "é"}', encoding="utf-8")
    (folder / "sample.txt").write_text("é", encoding="utf-8")
    done = command(
        "run", "check.json", "--item", "@item ü.json", "--sample", "@sample.txt", "--json"
    )
    assert done.json["reward"] == 1.0


@pytest.mark.parametrize(
    ("arguments", "stdin"),
    [
        (["-", "--item", ITEM, "--sample", "x"], None),
        (["check.json", "--item", "-", "--sample", "x"], ITEM),
        (["check.json", "--item", ITEM, "--sample", "-"], "x"),
        (["check.json", "--item", ITEM, "--sample-json", "-"], '{"output_text": "x"}'),
    ],
)
def test_each_input_may_be_standard_input(
    command: Command, folder: Path, arguments: list[str], stdin: str | None
) -> None:
    text = (folder / "check.json").read_text() if stdin is None else stdin
    done = command("run", *arguments, "--json", stdin=text.encode())
    assert done.json["reward"] == 1.0


def test_standard_input_can_be_read_only_once(
    command: Command, refused: Callable[..., None]
) -> None:
    done = command("run", "-", "--item", "-", stdin=b"{}")
    refused(done)
    assert "Standard input (-) can be read only once." in done.err


def test_a_text_may_begin_with_an_at_sign(command: Command) -> None:
    item = '{"a": "@home"}'
    assert "reward  1.0" in command("run", "check.json", "--item", item, "--sample", "@@home").out
    missing = command("run", "check.json", "--item", item, "--sample", "@home")
    assert (missing.code, missing.out) == (2, "")
    assert "no such file; write @@ for a text that begins with @" in missing.err


def test_a_sample_may_be_an_object(command: Command) -> None:
    done = command(
        "run", "check.json", "--item", ITEM, "--sample-json", '{"output_text": "x"}', "--json"
    )
    assert done.json["reward"] == 1.0


def test_a_run_body_brings_its_own_sample(command: Command, folder: Path) -> None:
    grader = json.loads((folder / "check.json").read_text())
    body = {"grader": grader, "model_sample": "x", "item": {"a": "x"}}
    (folder / "body.json").write_text(json.dumps(body))
    assert command("run", "body.json", "--json").json["reward"] == 1.0
    assert command("run", "body.json", "--sample", "y", "--json").json["reward"] == 0.0


def test_a_choice_changes_how_a_point_is_read(command: Command) -> None:
    words = ("run", "check.json", "--item", '{"a": true}', "--sample", "True", "--json")
    assert command(*words).json["reward"] == 0.0
    assert command(*words, "--rendering", "python").json["reward"] == 1.0


@pytest.mark.parametrize("option", ["--item", "--sample"])
@pytest.mark.parametrize("value", ["-", "@long"])
def test_a_value_that_never_ends_is_left(
    command: Command, folder: Path, monkeypatch: pytest.MonkeyPatch, option: str, value: str
) -> None:
    """`--sample @/dev/zero` is one sentence, and does not fill the memory."""
    monkeypatch.setattr(jsontext.read_whole, "__defaults__", (2048,))
    (folder / "long").write_bytes(b" " * 2049)
    rest = () if option == "--sample" else ("--sample", "x")
    done = command("run", "check.json", option, value, *rest, stdin=b" " * 2049)
    assert done.code == 2
    assert f"{option} {value}: it is longer than 2 kB, and may never end" in done.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nothing.json"], "nothing.json"),
        (["chek.json"], "did you mean check.json?"),
        (["dir"], "Is a directory"),
        (["binary"], "not UTF-8"),
        (["empty"], "the text is empty"),
        (["rows.jsonl"], "rows.jsonl"),
        (["check.json", "--item", "{bad"], "--item is not JSON"),
        (["check.json", "--item", "x" * 500], "--item is not JSON"),
        (["check.json", "--item", "@nothing"], "--item @nothing: there is no such file\n"),
        (["check.json", "--item", "@dir"], "--item @dir: Is a directory"),
        (["check.json", "--item", "@binary"], "--item @binary: the file is not UTF-8 text"),
        (
            ["check.json", "--sample", "@nothing"],
            "--sample @nothing: there is no such file; write @@",
        ),
        (["check.json", "--sample-json", "prose"], "--sample-json is not JSON"),
        (["check.json", "--sample", "x", "--sample-json", "{}"], "exclude each other"),
        (["check.json", "--rendering", "xml"], "is not one of 'json', 'python'"),
        (["check.json", "--samples", "x"], "No such option"),
        ([], "Missing argument 'GRADER'"),
    ],
)
def test_bad_usage_is_told_in_one_message(
    command: Command, refused: Callable[..., None], arguments: list[str], says: str
) -> None:
    done = command("run", *arguments)
    refused(done)
    assert says in done.err


def test_a_config_with_faults_lists_every_one(
    command: Command, folder: Path, refused: Callable[..., None]
) -> None:
    (folder / "bad.json").write_text('{"type": "string_check", "operation": "neq", "inputt": "x"}')
    done = command("run", "bad.json")
    refused(done)
    for path in ("$.operation", "$.inputt", "$.reference"):
        assert path in done.err


def test_a_model_grader_is_refused_in_one_sentence(
    command: Command, folder: Path, refused: Callable[..., None]
) -> None:
    (folder / "judge.json").write_text(json.dumps(JUDGE))
    done = command("run", "judge.json", "--item", "{}", "--sample", "x")
    refused(done)
    assert len(done.err.splitlines()) == 1


def test_an_interruption_at_a_bad_moment_is_one(
    command: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "judge.json").write_text(json.dumps(JUDGE))
    interrupt_waits(monkeypatch)
    done = command(
        "run", "judge.json", "--item", "{}", "--sample", "x", "--base-url", "http://127.0.0.1:9/v1"
    )
    assert (done.code, done.out, done.err) == (130, "", "graders: interrupted\n")


@pytest.mark.parametrize(
    ("fields", "words", "kept"),
    [
        ({"sampling_params": {}}, (), False),
        ({"sampling_params": {"temperature": 0}}, (), True),
        ({"sampling_params": {"temperature": 0}, "model": "o3-mini"}, (), False),
        ({"sampling_params": {"seed": 1}}, (), True),
        ({"sampling_params": {}}, ("--cache",), True),
    ],
)
def test_a_cache_that_is_named_and_keeps_nothing_is_said(
    command: Command, folder: Path, fields: dict[str, Any], words: tuple[str, ...], kept: bool
) -> None:
    (folder / "judge.json").write_text(json.dumps({**JUDGE, **fields}))
    server = ScriptedServer(lambda *_: completion())
    try:
        done = command(
            "run", "judge.json", "--item", "{}", "--sample", "x", "--base-url", server.url,
            "--cache-file", "replies.sqlite", *words,
        )  # fmt: skip
    finally:
        server.stop()
    assert done.code == 0
    assert ("no judge's reply is kept in replies.sqlite" in done.err) is not kept
    assert (folder / "replies.sqlite").exists() is kept


@pytest.mark.parametrize("text", ["\ud800", "\x1b[2J", "日本", "a\nb", ""])
def test_any_sample_can_be_shown(command: Command, text: str) -> None:
    for form in ([], ["--json"], ["--hosted"]):
        done = command("run", "multi.json", "--item", ITEM, "--sample", text, *form)
        assert done.code == 1
        assert "Traceback" not in done.err
        assert "\x1b" not in done.out


def test_a_python_grader_runs_in_the_sandbox(command: Command, folder: Path) -> None:
    source = "def grade(sample, item):\n    print('hello')\n    return item['n'] * 2\n"
    (folder / "python.json").write_text(json.dumps({"type": "python", "source": source}))
    done = command("run", "python.json", "--item", '{"n": 21}', "--sample", "x", "--json")
    assert (done.code, done.json["reward"]) == (0, 42.0)
    assert done.json["printed"] == {"": "hello\n"}
    done = command("run", "python.json", "--item", "{}", "--sample", "x")
    assert done.code == 1
    assert "python_grader_runtime_error: KeyError: 'n'" in done.out
    assert "line 3" in done.out
