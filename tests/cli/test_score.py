"""`graders score`: rows to result lines, and a summary."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import PATIENCE

Command = Callable[..., Any]


def rewards(path: Path) -> list[Any]:
    return [json.loads(line)["reward"] for line in path.read_text().splitlines()]


def test_results_go_to_a_file_and_the_summary_to_standard_output(
    command: Command, folder: Path
) -> None:
    done = command("score", "check.json", "rows.jsonl", "-o", "out.jsonl")
    assert (done.code, done.err) == (0, "")
    assert rewards(folder / "out.jsonl") == [1.0, 0.0, 1.0]
    assert "check (string_check): 3 rows" in done.out
    assert "mean reward             0.6667   over the 3 rows scored" in done.out
    assert "results: out.jsonl" in done.out
    assert "\x1b" not in done.out
    assert not list(folder.glob("*.partial"))


@pytest.mark.parametrize("output", [[], ["-o", "-"]])
def test_only_results_go_to_standard_output_and_then_the_summary_to_standard_error(
    command: Command, output: list[str]
) -> None:
    done = command("score", "check.json", "rows.jsonl", *output)
    assert done.code == 0
    assert [json.loads(line)["index"] for line in done.out.splitlines()] == [0, 1, 2]
    assert "mean reward" in done.err


def test_json_gives_the_summary_to_machines(command: Command) -> None:
    done = command("score", "check.json", "rows.jsonl", "-o", "out.jsonl", "--json")
    body = done.json
    assert (body["rows"], body["scored"], body["failed"]) == (3, 3, 0)
    assert body["mean_of_scored"] == body["mean_of_all"] == 2 / 3
    assert sum(bar["count"] for bar in body["histogram"]) == 3
    assert body["seconds"] >= 0


def test_rows_and_graders_may_come_from_standard_input(command: Command, folder: Path) -> None:
    rows, grader = (folder / "rows.jsonl").read_bytes(), (folder / "check.json").read_bytes()
    expected = command("score", "check.json", "rows.jsonl").out
    assert command("score", "check.json", "-", "--workers", "0", stdin=rows).out == expected
    assert command("score", "-", "rows.jsonl", stdin=grader).out == expected


@pytest.mark.more
def test_rows_may_come_from_a_pipe(command: Command, folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    data = (folder / "rows.jsonl").read_bytes()
    writer = threading.Thread(target=lambda: (folder / "pipe").write_bytes(data))
    writer.start()
    done = command("score", "check.json", "pipe", "-o", "out.jsonl")
    writer.join(PATIENCE)
    assert done.code == 0
    assert rewards(folder / "out.jsonl") == [1.0, 0.0, 1.0]


def test_paths_say_where_item_and_sample_are(command: Command, folder: Path) -> None:
    row = {"a": "x", "choices": [{"message": {"content": "x"}}]}
    (folder / "other.jsonl").write_text(json.dumps(row))
    done = command(
        "score", "check.json", "other.jsonl", "-o", "out.jsonl",
        "--item-path", ".", "--sample-path", "choices[0].message.content",
    )  # fmt: skip
    assert done.code == 0
    assert rewards(folder / "out.jsonl") == [1.0]


def test_a_wrong_layout_hints_at_the_right_one(command: Command, folder: Path) -> None:
    (folder / "other.jsonl").write_text('{"a": "x", "answer": "x"}\n')
    done = command("score", "check.json", "other.jsonl", "-o", "out.jsonl")
    assert done.code == 1
    assert "graders: every row failed" in done.err
    assert "--sample-path answer" in " ".join(done.out.split())


def test_some_failed_rows_are_no_error_and_are_counted(command: Command, folder: Path) -> None:
    with (folder / "rows.jsonl").open("a") as rows:
        rows.write("broken\n")
    done = command("score", "check.json", "rows.jsonl", "-o", "out.jsonl")
    assert (done.code, done.err) == (0, "")
    assert rewards(folder / "out.jsonl") == [1.0, 0.0, 1.0, None]
    assert "row_parse_error" in done.out
    assert "line 4" in done.out
    assert "over all 4 rows, a failed one as 0" in done.out


@pytest.mark.parametrize(
    ("limit", "code"),
    [("0", 1), ("1", 1), ("2", 0), ("40%", 0), ("39.9%", 1), ("0%", 1), ("100%", 0)],
)
def test_more_failures_than_allowed_exit_with_1(
    command: Command, folder: Path, limit: str, code: int
) -> None:
    with (folder / "rows.jsonl").open("a") as rows:
        rows.write("broken\n[]\n")
    done = command("score", "check.json", "rows.jsonl", "-o", "out.jsonl", "--max-failures", limit)
    assert done.code == code
    assert bool(done.err) == bool(code)
    if code:
        assert "2 of 5 rows failed, " in done.err or "2 failed, " in done.err
        assert f"more than the {limit} allowed" in done.err


def test_a_run_that_stops_for_its_failures_keeps_what_is_finished_and_says_where(
    command: Command, folder: Path
) -> None:
    (folder / "rows.jsonl").write_text("broken\n[]\n")
    (folder / "out.jsonl").write_text("before")
    done = command("score", "check.json", "rows.jsonl", "-o", "out.jsonl", "--max-failures", "1")
    assert done.code == 1
    assert "stopped after 2 rows: 2 failed, more than the 1 allowed" in done.err
    assert "out.jsonl.partial" in done.err
    assert (folder / "out.jsonl").read_text() == "before"
    assert len((folder / "out.jsonl.partial").read_text().splitlines()) == 2


@pytest.mark.parametrize("name", ["empty", "blank"])
def test_no_rows_are_an_error_unless_that_is_allowed(
    command: Command, folder: Path, name: str
) -> None:
    (folder / "blank").write_text("\n \n")
    done = command("score", "check.json", name, "-o", "out.jsonl")
    assert (done.code, done.out) == (2, "")
    assert "there are no rows in the input; --allow-empty if that is as it should be" in done.err
    assert not [path.name for path in folder.iterdir() if path.name.startswith("out.jsonl")]
    done = command("score", "check.json", name, "-o", "out.jsonl", "--allow-empty")
    assert (done.code, done.err) == (0, "")
    assert "0 rows" in done.out
    assert (folder / "out.jsonl").read_bytes() == b""


def test_rows_that_are_no_json_lines_all_fail_one_by_one(command: Command) -> None:
    done = command("score", "check.json", "binary", "-o", "out.jsonl")
    assert done.code == 1
    assert "Traceback" not in done.err
    assert "row_parse_error" in done.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["check.json"], "Missing argument 'ROWS...'"),
        (["check.json", "nothing.jsonl"], "nothing.jsonl: there is no such file"),
        (["check.json", "dir"], "dir: is a folder; name its files, such as dir/*.jsonl"),
        (["nothing.json", "rows.jsonl"], "nothing.json"),
        (["-", "-"], "Standard input (-) can be read only once."),
        (["check.json", "rows.jsonl", "-o", "rows.jsonl"], "results would replace them"),
        (["check.json", "rows.jsonl", "-o", "./dir/../rows.jsonl"], "results would replace them"),
        (["check.json", "rows.jsonl", "-o", "no/out"], "no/out: cannot be written: No such file"),
        (["check.json", "rows.jsonl", "-o", "/dev/full"], "/dev/full: cannot be written: No space"),
        (["check.json", "rows.jsonl", "-o", "/proc/out"], "/proc/out: cannot be written"),
        (["check.json", "rows.jsonl", "--item-path", "a..b"], "--item-path 'a..b' is not a path"),
        (["check.json", "rows.jsonl", "--sample-path", ""], "--sample-path is empty"),
        (["check.json", "rows.jsonl", "--item-path", "[" + "9" * 5000 + "]"], "is not a path"),
        (["check.json", "rows.jsonl", "--max-failures", "some"], "neither a number of rows"),
        (["check.json", "rows.jsonl", "--max-failures", "101%"], "neither a number of rows"),
        (["check.json", "rows.jsonl", "--max-failures", "-1"], "neither a number of rows"),
        (["check.json", "rows.jsonl", "--rouge-backend", "x"], "is not one of"),
        (["check.json", "rows.jsonl", "--ouput", "x"], "Did you mean"),
        (["check.json", "rows.jsonl", "more.jsonl"], "more.jsonl: there is no such file"),
    ],
)
def test_bad_usage_is_told_in_one_message(
    command: Command, refused: Callable[..., None], arguments: list[str], says: str
) -> None:
    done = command("score", *arguments)
    refused(done)
    assert says in done.err


def test_rows_that_cannot_be_read_are_not_blamed_on_the_output(
    command: Command, refused: Callable[..., None]
) -> None:
    done = command("score", "check.json", "/proc/self/mem", "-o", "out.jsonl")
    refused(done)
    assert "/proc/self/mem: cannot be read" in done.err


@pytest.mark.skipif(not Path("/sys/kernel").exists(), reason="read-only for root too, on Linux")
def test_a_read_only_folder_is_told_in_one_message(
    command: Command, refused: Callable[..., None]
) -> None:
    done = command("score", "check.json", "rows.jsonl", "-o", "/sys/kernel/out.jsonl")
    refused(done)
    assert "Permission denied" in done.err


def test_rows_that_are_the_partial_file_of_the_output_are_not_lost(
    command: Command, folder: Path, refused: Callable[..., None]
) -> None:
    data = (folder / "rows.jsonl").read_bytes()
    (folder / "out.jsonl.partial").write_bytes(data)
    done = command("score", "check.json", "out.jsonl.partial", "-o", "out.jsonl")
    refused(done)
    assert (folder / "out.jsonl.partial").read_bytes() == data


def test_a_hard_link_to_the_rows_is_the_rows(
    command: Command, folder: Path, refused: Callable[..., None]
) -> None:
    (folder / "other.jsonl").hardlink_to(folder / "rows.jsonl")
    data = (folder / "rows.jsonl").read_bytes()
    command("score", "check.json", "rows.jsonl", "-o", "other.jsonl")
    assert (folder / "rows.jsonl").read_bytes() == data


def test_a_python_source_with_an_error_is_told_before_any_row(
    command: Command, folder: Path, refused: Callable[..., None]
) -> None:
    (folder / "python.json").write_text('{"type": "python", "source": "def grade(:"}')
    done = command("score", "python.json", "rows.jsonl", "-o", "out.jsonl")
    refused(done)
    assert "$.source" in done.err
    assert not (folder / "out.jsonl").exists()


def test_python_rows_that_fail_have_their_reason(command: Command, folder: Path) -> None:
    source = (
        "def grade(sample, item):\n    return {'x': 1, 'y': float('nan')}[sample['output_text']]"
    )
    (folder / "python.json").write_text(json.dumps({"type": "python", "source": source}))
    done = command("score", "python.json", "rows.jsonl", "-o", "out.jsonl")
    assert (done.code, done.err) == (0, "")
    assert rewards(folder / "out.jsonl") == [1.0, None, 1.0]
    assert "python_grader_runtime_error" in done.out


def many(folder: Path, count: int = 30) -> None:
    rows = [{"item": {"a": "x"}, "sample": "xy"[n % 2]} for n in range(count)]
    (folder / "many.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize(
    ("options", "indexes"),
    [
        (["--limit", "3"], [0, 1, 2]),
        (["--where", "10:13"], [10, 11, 12]),
        (["--where", "28:"], [28, 29]),
        (["--where", ":2"], [0, 1]),
        (["--where", "7"], [7]),
        (["--where", "10:20", "--limit", "2"], [10, 11]),
    ],
)
def test_a_part_of_the_rows_can_be_scored(
    command: Command, folder: Path, options: list[str], indexes: list[int]
) -> None:
    many(folder)
    done = command("score", "check.json", "many.jsonl", "-o", "out.jsonl", *options)
    assert done.code == 0
    lines = (folder / "out.jsonl").read_text().splitlines()
    assert [json.loads(line)["index"] for line in lines] == indexes


def test_an_interrupted_run_goes_on_only_when_told_how(command: Command, folder: Path) -> None:
    many(folder)
    with (folder / "many.jsonl").open("a") as rows:
        rows.write("broken\n" * 3)
    words = ("score", "check.json", "many.jsonl", "-o", "out.jsonl")
    assert command(*words, "--max-failures", "1").code == 1
    again = command(*words)
    assert again.code == 2
    assert "--resume goes on with them, --restart drops them" in again.err
    other = command("score", "multi.json", "many.jsonl", "-o", "out.jsonl", "--resume")
    assert other.code == 2
    assert 'the grader has changed (it was "check")' in other.err
    other = command(*words, "--resume", "--rouge-stemmer")
    assert "an option has changed: rouge_stemmer was false and is true" in other.err
    done = command(*words, "--resume")
    assert done.code == 0
    assert "33 rows finished by an earlier run; nothing was left to do" in done.out
    assert len(rewards(folder / "out.jsonl")) == 33
    assert command(*words, "--resume").code == 0


def test_the_summary_can_be_written_to_a_file(command: Command, folder: Path) -> None:
    many(folder)
    done = command("score", "check.json", "many.jsonl", "--summary", "sum.json")
    assert done.code == 0
    summary = json.loads((folder / "sum.json").read_text())
    assert summary["rows"] == 30
    assert summary["reward"]["quantiles"]["0.5"] == 0.5
    assert summary["reward"]["at_max"] == 15
    low, high = summary["reward"]["mean_95"]
    assert 0.2 < low < 0.5 < high < 0.8
    assert summary["complete"] is True
    assert summary["peak_memory"] > 10**7
    refused = command("score", "check.json", "many.jsonl", "--summary", "no/sum.json")
    assert refused.code == 2
    assert "no/sum.json: cannot be written" in refused.err


def test_a_failed_row_can_be_zero_or_stop_the_run(command: Command, folder: Path) -> None:
    (folder / "rows.jsonl").write_text('{"item": {}, "sample": "x"}\n{"item": {"a": "x"}}\n')
    done = command("score", "check.json", "rows.jsonl", "--on-error", "zero", "-o", "out.jsonl")
    assert rewards(folder / "out.jsonl") == [0.0, 0.0]
    assert done.code == 1  # Every row failed, whatever stands for it.
    done = command("score", "check.json", "rows.jsonl", "--on-error", "raise", "-o", "o.jsonl")
    assert done.code == 1
    assert "row 0 failed: invalid_variable_error" in done.err


def test_failed_rows_can_be_scored_again_in_place(command: Command, folder: Path) -> None:
    many(folder)
    good = (folder / "many.jsonl").read_text()
    (folder / "many.jsonl").write_text(good.replace('"y"', "oops", 1))
    words = ("score", "check.json", "many.jsonl", "-o", "out.jsonl")
    assert "row_parse_error" in command(*words).out
    (folder / "many.jsonl").write_text(good)
    again = command(*words, "--only-failed", "out.jsonl")
    assert again.code == 2
    assert "out.jsonl is of another run: many.jsonl had" in again.err
    (folder / "out.jsonl.manifest.json").unlink()
    done = command(*words, "--only-failed", "out.jsonl")
    assert (done.code, "no failures" in done.out) == (0, True)
    assert rewards(folder / "out.jsonl") == [1.0, 0.0] * 15


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--where", "5:2"], "ends before it begins"),
        (["--where", "a"], "is not a range of row indexes"),
        (["--limit", "-1"], "-1 is not in the range"),
        (["--workers", "-1"], "-1 is not in the range"),
        (["--resume", "--restart", "-o", "out.jsonl"], "exclude each other"),
        (["--resume"], "only results in a file can be resumed"),
        (["--only-failed", "nothing.jsonl"], "nothing.jsonl"),
        (["--only-failed", "check.json"], "check.json: line 1 is not a result line"),
        (["--engine", "dask"], "'dask' is not one of 'local', 'ray'"),
    ],
)
def test_what_cannot_be_asked_for_is_told(
    command: Command, refused: Callable[..., None], options: list[str], says: str
) -> None:
    done = command("score", "check.json", "rows.jsonl", *options)
    refused(done)
    assert says in done.err


def test_several_files_and_a_table_can_be_scored(command: Command, folder: Path) -> None:
    many(folder)
    (folder / "table.csv").write_text("a,sample\nx,x\nx,y\n")
    done = command("score", "check.json", "many.jsonl", "table.c*", "-o", "out.jsonl")
    assert done.code == 0
    assert rewards(folder / "out.jsonl") == [1.0, 0.0] * 16


def test_the_summary_and_the_results_replace_nothing_that_is_read(
    command: Command, folder: Path, refused: Callable[..., None]
) -> None:
    for words in (
        ["-o", "check.json"], ["-o", "out.jsonl", "--summary", "rows.jsonl"],
        ["-o", "out.jsonl", "--summary", "check.json"],
        ["-o", "out.jsonl", "--summary", "out.jsonl"],
    ):  # fmt: skip
        done = command("score", "check.json", "rows.jsonl", *words)
        refused(done)
        assert "would replace" in done.err
    assert json.loads((folder / "check.json").read_text())["name"] == "check"


@pytest.mark.more
def test_a_module_of_the_users_is_not_run_by_workers(folder: Path, program: list[str]) -> None:
    for name in ("types", "enum", "re", "json", "signal", "pickle"):
        (folder / f"{name}.py").write_text("raise SystemExit('it was run')\n")
    many(folder)
    # -P: as the installed command does, whose path does not begin with the folder it works in.
    done = subprocess.run(
        [program[0], "-P", *program[1:], "score", "check.json", "many.jsonl", "-o", "out.jsonl",
         "--workers", "1"],
        cwd=folder, capture_output=True, text=True, check=False, timeout=PATIENCE,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert len(rewards(folder / "out.jsonl")) == 30
