"""The command as a whole: help, exit codes, and what it does when the world breaks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import graders
from graders.cli.usage import as_installed
from tests.waiting import PATIENCE, until

Command = Callable[..., Any]
COMMANDS = ("run", "validate", "score", "schema", "data", "doctor")
HEAVY = ("nltk", "numpy", "rouge_score", "rapidfuzz", "jinja2", "asyncio", "http", "ssl")
ENVIRONMENT = {
    name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COLUMNS"))
}


def test_help_shows_an_example_for_each_command(command: Command) -> None:
    done = command("--help")
    assert (done.code, done.err) == (0, "")
    for name in COMMANDS:
        assert f"  {name} " in done.out
        own = command(name, "--help")
        assert own.code == 0
        assert f"graders {name}" in own.out.split("Examples:")[1]
    assert "Exit codes: 0 done, 1 rows failed, 2 bad usage or bad config, 130" in done.out


def test_the_version_is_the_packages(command: Command) -> None:
    assert command("--version").out == f"graders {graders.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["scroe"], "There is no command 'scroe'. Did you mean score?"),
        (["xyzzy"], "There is no command 'xyzzy'."),
        (["--jsn"], "No such option"),
        (["score", "--quiet"], "No such option '--quiet'.\n"),
        (["score", "--resum"], "No such option '--resum'. Did you mean --resume?"),
        (["data", "--data-dir", "elsewhere", "clera"], "There is no command 'data clera'."),
        (["data", "data"], "There is no command 'data data'."),
        (["job", "job"], "There is no command 'job job'."),
    ],
)
def test_an_unknown_command_or_option_is_told_with_the_nearest(
    command: Command, refused: Callable[..., None], arguments: list[str], says: str
) -> None:
    done = command(*arguments)
    refused(done)
    assert says in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["validate", "grader.json"],
        ["validate", "graders.json"],
        ["validate", "./grader"],
        ["run", "graders/plan.json"],
        ["score", "graders/nothing.json", "rows.jsonl"],
        ["score", "samples/string-check/grader.json", "graders/row"],
        ["test", "grader"],
        ["test", "grader/suite"],
        ["job", "run", "grader.json"],
    ],
    ids=" ".join,
)
def test_a_missing_file_is_not_answered_with_our_own_package(
    command: Command,
    refused: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
) -> None:
    monkeypatch.chdir(Path(graders.__file__).parents[1])
    done = command(*arguments)
    refused(done)
    assert "there is no such file" in done.err
    assert "did you mean" not in done.err


@pytest.mark.more
def test_a_run_from_end_to_end_in_a_process_of_its_own(
    process: Command, command: Command, folder: Path
) -> None:
    done = command("score", "check.json", "rows.jsonl", "-o", "out.jsonl")
    assert (done.code, done.err) == (0, "")
    assert len((folder / "out.jsonl").read_bytes().splitlines()) == 3
    piped = process("score", "check.json", "-", stdin=(folder / "rows.jsonl").read_bytes())
    assert piped.code == 0
    assert piped.out.encode() == (folder / "out.jsonl").read_bytes()


def test_nothing_but_plain_text_goes_to_what_is_no_terminal(processes: Command) -> None:
    run = ["run", "check.json", "--item", '{"a": "x"}', "--sample", "x"]
    each = [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"TERM": "xterm-256color"}]
    for variables, done in zip(each, processes(run, run, run, each=each), strict=True):
        assert (done.code, done.err) == (0, ""), variables
        assert "reward" in done.out, variables
        assert "\x1b" not in done.out, variables


@pytest.mark.more
def test_what_ascii_lacks_is_no_error_either(process: Command) -> None:
    run = ["run", "check.json", "--item", '{"a": "é"}', "--sample", "é"]
    assert process(*run, PYTHONIOENCODING="ascii").code == 0


@pytest.mark.more
def test_a_terminal_that_can_only_write_ascii_is_no_error(processes: Command) -> None:
    commands = [
        ["run", "check.json", "--item", '{"a": "é"}', "--sample", "é"],
        ["run", "check.json", "--item", '{"a": "é"}', "--sample", "é", "--json"],
        ["score", "check.json", "rows.jsonl", "-o", "out.jsonl"],
        ["validate", "check.json", "--rows", "rows.jsonl"],
        ["schema"],
    ]
    for arguments, done in zip(
        commands, processes(*commands, PYTHONIOENCODING="ascii"), strict=True
    ):
        assert (done.code, done.err) == (0, ""), arguments


def test_importing_and_checking_strings_load_no_heavy_library(folder: Path) -> None:
    program = (
        "import sys, graders\n"
        f"heavy = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "assert not heavy, heavy\n"
        "from graders import cli\n"
        "assert cli._main(['run', 'check.json', '--item', '{\"a\": \"x\"}', '--sample', 'x']) == 0\n"
        f"heavy = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=folder, capture_output=True, text=True, check=False, timeout=PATIENCE, env=ENVIRONMENT,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


SOME = [
    ["run", "check.json", "--item", '{"a": "x"}', "--sample", "x"],
    ["run", "check.json", "--item", '{"a": "x"}', "--sample", "x", "--json"],
    ["score", "check.json", "rows.jsonl"],
    ["validate", "check.json", "--json"],
]
OTHERS = [
    ["score", "check.json", "rows.jsonl", "-o", "out.jsonl"],
    ["schema"],
    ["data"],
    ["--help"],
]


@pytest.mark.parametrize(
    "commands", [SOME, pytest.param(OTHERS, marks=pytest.mark.slow)], ids=["some", "others"]
)
def test_a_full_disk_behind_standard_output_is_one_sentence(
    processes: Command, commands: list[list[str]]
) -> None:
    for arguments, done in zip(commands, processes(*commands, stdout="/dev/full"), strict=True):
        assert "Traceback" not in done.err, arguments
        assert "No space left on device" in done.err, arguments
        assert done.code == 2, arguments


@pytest.mark.parametrize(
    "commands", [SOME, pytest.param(OTHERS, marks=pytest.mark.slow)], ids=["some", "others"]
)
def test_a_closed_pipe_behind_standard_output_ends_the_command_quietly(
    processes: Command, commands: list[list[str]]
) -> None:
    for arguments, done in zip(commands, processes(*commands, stdout="closed pipe"), strict=True):
        assert "Traceback" not in done.err, arguments
        assert "BrokenPipe" not in done.err, arguments
        assert done.code in (0, 1), arguments


@pytest.mark.more
def test_a_reader_that_stops_early_ends_the_command_quietly(
    folder: Path, program: list[str]
) -> None:
    line = json.dumps({"item": {"a": "x"}, "sample": "x"}) + "\n"
    (folder / "many.jsonl").write_text(line * 5_000)
    with subprocess.Popen(
        [*program, "score", "check.json", "many.jsonl"], cwd=folder, env=ENVIRONMENT,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as running:  # fmt: skip
        assert running.stdout is not None
        assert running.stderr is not None
        assert json.loads(running.stdout.readline())["reward"] == 1.0
        running.stdout.close()
        said = running.stderr.read().decode()
        assert running.wait(PATIENCE) in (0, 1)
    assert "Traceback" not in said
    assert "BrokenPipe" not in said


def test_an_interrupted_run_exits_with_130_and_keeps_what_is_finished(
    folder: Path, program: list[str]
) -> None:
    (folder / "out.jsonl").write_text("before")
    with subprocess.Popen(
        [*program, "score", "check.json", "-", "-o", "out.jsonl"], cwd=folder, env=ENVIRONMENT,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as running:  # fmt: skip
        assert running.stdin is not None
        assert running.stderr is not None
        running.stdin.write(b'{"item": {"a": "x"}, "sample": "x"}\n')
        running.stdin.flush()
        partial = folder / "out.jsonl.partial"
        until(lambda: partial.exists() and partial.stat().st_size)
        running.send_signal(signal.SIGINT)
        said = running.stderr.read().decode().strip()
        code = running.wait(PATIENCE)
    kept = "the finished rows are in out.jsonl.partial, and --resume goes on with them"
    assert (code, said) == (130, f"graders: interrupted; {kept}")
    assert (folder / "out.jsonl").read_text() == "before"
    assert json.loads(partial.read_bytes())["reward"] == 1.0


@pytest.mark.parametrize(
    "descriptor",
    ["1>&-", *(pytest.param(one, marks=pytest.mark.more) for one in ("0<&- 2>&-", "0<&-", "2>&-"))],
)
def test_a_closed_standard_stream_is_no_traceback(
    folder: Path, program: list[str], descriptor: str
) -> None:
    import shlex

    words = shlex.join([*program, "score", "check.json", "-"])
    done = subprocess.run(
        ["sh", "-c", f"exec {words} {descriptor}"], cwd=folder, env=ENVIRONMENT,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=PATIENCE,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 1, 2)


@pytest.mark.parametrize(
    ("said", "installs"),
    [
        ('{"url": "file://FOLDER", "dir_info": {}}', "'FOLDER[server]'"),
        ('{"url": "file://FOLDER", "dir_info": {"editable": true}}', "'local-graders[server]'"),
        ('{"url": "file://FOLDER/gone", "dir_info": {}}', "'local-graders[server]'"),
        ('{"url": "https://host/w.whl", "archive_info": {}}', "'local-graders[server]'"),
        ("{half", "'local-graders[server]'"),
        (None, "'local-graders[server]'"),
    ],
)
def test_an_extra_is_installed_from_where_the_package_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str | None, installs: str
) -> None:
    folder = tmp_path / "my clone"
    folder.mkdir()
    (folder / "pyproject.toml").touch()
    info = tmp_path / "site" / "local_graders-0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Name: local-graders\nVersion: 0\n")
    if said is not None:
        (info / "direct_url.json").write_text(said.replace("FOLDER", folder.as_uri()[7:]))
    monkeypatch.setattr(sys, "path", [str(info.parent)])
    text = "graders serve needs uvicorn: pip install 'local-graders[server]'"
    wanted = text.replace("'local-graders[server]'", installs.replace("FOLDER", str(folder)))
    assert as_installed(text) == wanted
    assert as_installed("local-graders") == "local-graders"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--base-ur", "x"], "--base-url"),
        (["x"], "got x; behind -- stand options of graders run, such as --base-url"),
    ],
)
def test_options_of_judges_are_checked_as_agents_tools_start(
    command: Command, refused: Callable[..., None], words: list[str], says: str
) -> None:
    done = command("mcp", "--", *words)
    refused(done)
    assert says in done.err


def test_agents_tools_need_their_extra(
    command: Command, refused: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graders.cli.mcp.find_spec", lambda _: None)
    done = command("mcp")
    refused(done)
    assert "graders mcp needs mcp: pip install 'local-graders[mcp]'" in as_installed(done.err)
