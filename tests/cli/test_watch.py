"""`graders watch`: by what happens to files, one event after another; nobody waits for a clock."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import graders.cli.watch
from graders import cli
from graders.cli.watch import rounds

CHECK = {
    "type": "string_check",
    "name": "c",
    "input": "{{ sample.output_text }}",
    "reference": "{{ item.a }}",
    "operation": "eq",
}
ROWS = [
    {"id": "same", "item": {"a": "x"}, "sample": "x"},
    {"id": "near", "item": {"a": "x"}, "sample": "an x"},
]
SUITE = """\
grader: grader.json
cases:
  - name: near is enough
    item: {a: x}
    sample: an x
    reward: 1
"""

Event = Callable[[], object]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a grader and two rows, which is the current one."""
    monkeypatch.chdir(tmp_path)
    save("grader.json", json.dumps(CHECK))
    save("rows.jsonl", "".join(json.dumps(one) + "\n" for one in ROWS))
    return tmp_path


def save(name: str, text: str) -> None:
    """Save a file as editors do: another file takes its place."""
    Path(f"{name}~").write_text(text)
    Path(f"{name}~").replace(name)


def loosen() -> None:
    save("grader.json", json.dumps({**CHECK, "operation": "ilike"}))


def in_turn(events: list[Event]) -> Callable[..., None]:
    """Return a wait that lets one thing happen each time, and is interrupted at the end."""
    left = iter(events)

    def wait(*_: object) -> None:
        event = next(left, None)
        if event is None:
            raise KeyboardInterrupt
        event()

    return wait


def nothing() -> None:
    pass


@pytest.fixture
def watched(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs the command while events happen; gives its code and what it said. Each event has time to be seen."""

    def run(*words: str, events: list[Event]) -> tuple[int, str, str]:
        # After an event come the look that sees no further change, and the one between rounds.
        settled = [one for event in events for one in (event, nothing)]
        monkeypatch.setattr(graders.cli.watch, "_wait", in_turn(settled))
        with pytest.raises(SystemExit) as ended:
            cli.main(["watch", *words])
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run


def seen(events: list[Event]) -> list[list[str]]:
    """Return the rounds of a.txt and b.txt while events happen."""
    found: list[list[str]] = []
    with suppress(KeyboardInterrupt):
        found.extend(
            [str(path) for path in changed]
            for changed in rounds(lambda: [Path("a.txt"), Path("b.txt")], in_turn(events))
        )
    return found


@pytest.mark.parametrize(
    ("events", "changes"),
    [
        ([nothing, nothing], []),
        ([lambda: save("a.txt", "2"), nothing], [["a.txt"]]),
        ([lambda: save("a.txt", "2"), lambda: save("b.txt", "2"), nothing], [["a.txt", "b.txt"]]),
        ([lambda: save("a.txt", "2"), nothing, lambda: save("b.txt", "2"), nothing], [["a.txt"], ["b.txt"]]),
        # Touched, or saved as it was.
        ([lambda: os.utime("a.txt", (1, 1)), nothing, lambda: save("a.txt", "1"), nothing], []),
        # A name that comes and goes, as with editors that delete first.
        ([lambda: Path("a.txt").unlink(), nothing, lambda: save("a.txt", "1"), nothing], [["a.txt"], ["a.txt"]]),
        ([lambda: Path("a.txt").unlink(), lambda: save("a.txt", "2"), nothing], [["a.txt"]]),
        # Written all the time: looked at nevertheless.
        ([lambda n=n: save("a.txt", "x" * n) for n in range(2, 13)], [["a.txt"]]),
    ],
)  # fmt: skip
def test_a_round_is_what_changed_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, events: list[Event], changes: list[list[str]]
) -> None:
    monkeypatch.chdir(tmp_path)
    save("a.txt", "1")
    save("b.txt", "1")
    assert seen(events) == [["a.txt", "b.txt"], *changes]


def test_rows_whose_reward_moved_are_shown_after_a_save(watched: Any) -> None:
    code, out, err = watched("grader.json", "rows.jsonl", events=[loosen])
    assert (code, err) == (0, "")
    first, second = out.split("grader.json changed")
    assert "watching grader.json, rows.jsonl; Ctrl-C ends it" in first
    assert "c (string_check): 2 rows, mean reward 0.5000, 0 failed" in first
    assert "1 of 2 rows moved: mean reward 0.5000 → 1.0000 (+0.5000)" in second
    assert [line.split() for line in second.splitlines() if "near" in line] == [
        ["near", "0.0000", "→", "1.0000", "an", "x"]
    ]


def test_a_file_saved_half_is_a_sentence_and_what_was_before_stays(watched: Any) -> None:
    half = json.dumps(CHECK)[:40]
    code, out, err = watched(
        "grader.json", "rows.jsonl", events=[lambda: save("grader.json", half), loosen]
    )
    assert code == 0
    (line,) = err.splitlines()
    assert line.startswith("graders: grader.json: $ (line 1): not JSON")
    assert "1 of 2 rows moved: mean reward 0.5000 → 1.0000" in out


def test_faults_are_one_sentence_with_the_nearest_right_word(watched: Any) -> None:
    wrong = {**CHECK, "operation": "equals", "reference": "{{ items.a }}"}
    _, _, err = watched(
        "grader.json", "rows.jsonl", events=[lambda: save("grader.json", json.dumps(wrong))]
    )
    assert err == (
        "graders: grader.json: $.reference (line 1): only {{ item.… }} and {{ sample.… }} paths are templates; "
        "did you mean item?; 1 more fault\n"
    )


def test_rows_that_come_and_go_are_shown(watched: Any) -> None:
    more = "".join(
        json.dumps(one) + "\n" for one in [*ROWS[:1], {"id": "new", "item": {}, "sample": ""}]
    )
    _, out, _ = watched("grader.json", "rows.jsonl", events=[lambda: save("rows.jsonl", more)])
    assert "rows.jsonl changed" in out
    assert "near" in out
    assert "0.0000 → not there" in out
    assert "not there → invalid_variable_error" in out
    assert "failed 0 → 1" in out


def test_a_file_that_goes_and_comes_again_is_waited_for(watched: Any) -> None:
    code, out, err = watched(
        "grader.json", "rows.jsonl", events=[Path("rows.jsonl").unlink, loosen]
    )
    assert code == 0
    assert "rows.jsonl" in err
    assert "no such file" in err.lower()
    assert out.count("moved") == 0


def test_suites_run_again_and_say_what_changed(watched: Any) -> None:
    save("a.graders.yaml", SUITE)
    again = lambda: save("rows.jsonl", json.dumps(ROWS[0]) + "\n")  # noqa: E731
    _, out, _ = watched("grader.json", "rows.jsonl", "a.graders.yaml", events=[again, loosen])
    first, second, third = out.split(" changed\n")
    assert "FAILED  near is enough" in first
    assert "a.graders.yaml  1 tests, 1 failed as before" in second
    assert "passes again: near is enough" in third


def test_the_grader_that_a_suite_names_is_watched_too(watched: Any) -> None:
    save("a.graders.yaml", SUITE)
    _, out, _ = watched("a.graders.yaml", events=[nothing, loosen])
    assert "grader.json changed" in out
    assert "passes again: near is enough" in out


def test_json_is_a_line_for_each_event(watched: Any) -> None:
    half = lambda: save("grader.json", "{")  # noqa: E731
    _, out, err = watched("grader.json", "rows.jsonl", "--json", events=[half, loosen])
    first, wrong, last = map(json.loads, out.splitlines())
    assert err == ""
    assert first == {
        "event": "graded", "changed": ["grader.json", "rows.jsonl"], "rows": 2, "more": False, "failed": 0,
        "mean_of_scored": 0.5, "moved": None,
    }  # fmt: skip
    assert wrong["event"] == "error"
    assert last["moved"] == [
        {
            "row": "near",
            "before": {"reward": 0.0, "failures": []},
            "after": {"reward": 1.0, "failures": []},
        }
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["grader.json"], "Missing ROWS for grader.json"),
        (["grader.json", "s3://b/rows.jsonl"], "s3://b/rows.jsonl is no file of this machine"),
        (["-", "rows.jsonl"], "Standard input (-) is read only once"),
        (["gradr.json", "rows.jsonl"], "did you mean grader.json?"),
        (["grader.json", "row.jsonl"], "row.jsonl"),
        (["no.graders.yaml"], "no.graders.yaml"),
    ],
)
def test_a_mistyped_name_ends_it_at_once(watched: Any, words: list[str], said: str) -> None:
    code, out, err = watched(*words, events=[])
    assert (code, out) == (2, "")
    assert said in err


def test_the_command_itself_sees_a_save_and_ends_by_ctrl_c(folder: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "graders",
        "watch",
        "grader.json",
        "rows.jsonl",
        "--interval",
        "0.05",
    ]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        lines = iter(process.stdout.readline, "")
        assert any("mean reward 0.5000" in line for line in lines)
        loosen()
        assert any("1 of 2 rows moved" in line for line in lines)
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0
        assert process.stderr.read() == ""
