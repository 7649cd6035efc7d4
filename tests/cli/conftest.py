"""A folder with a grader and rows, and the command, in this process or in its own."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from graders import cli
from tests.waiting import PATIENCE

CHECK = {
    "type": "string_check", "name": "check", "operation": "eq",
    "input": "{{ sample.output_text }}", "reference": "{{ item.a }}",
}  # fmt: skip
NEAR = {
    "type": "text_similarity", "name": "near", "evaluation_metric": "fuzzy_match",
    "input": "{{ sample.output_json.k }}", "reference": "{{ item.a }}",
}  # fmt: skip
MULTI = {
    "type": "multi", "name": "both", "graders": {"check": CHECK, "near": NEAR},
    "calculate_output": "(check + near) / 2",
}  # fmt: skip


PROGRAM = "import sys; from graders.cli import main; sys.argv[0] = 'graders'; main()"


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Done]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: graders and rows of several sorts."""
    monkeypatch.chdir(tmp_path)
    # What the user of this machine keeps is none of a test's business.
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path.with_name("kept")))
    (tmp_path / "check.json").write_text(json.dumps(CHECK))
    (tmp_path / "multi.json").write_text(json.dumps(MULTI))
    rows = [{"item": {"a": "x"}, "sample": text} for text in ("x", "y", "x")]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "binary").write_bytes(bytes(range(256)) * 16)
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "dir").mkdir()
    return tmp_path


@pytest.fixture
def command(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Command:
    """The command in this process."""

    def call(*arguments: str, stdin: bytes | None = None) -> Done:
        with Path(os.devnull if stdin is None else folder / ".stdin").open(
            "rb" if stdin is None else "w+b"
        ) as source:
            if stdin is not None:
                source.write(stdin)
                source.seek(0)
            with open(source.fileno(), encoding="utf-8", closefd=False) as text:
                monkeypatch.setattr("sys.stdin", text)
                code = cli._main(list(arguments))
        sys.stdout.flush()
        sys.stderr.flush()
        captured = capfd.readouterr()
        return Done(code, captured.out, captured.err)

    return call


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, **more}


@pytest.fixture
def process(folder: Path) -> Command:
    """The command in a process of its own."""

    def call(*arguments: str, stdin: bytes = b"", **variables: str) -> Done:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, *arguments],
            cwd=folder,
            input=stdin,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
            env=environment(**variables),
        )
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    return call


FORKS = """
import gc, json, os, sys
import numpy.ma, numpy.random
from graders.cli import _main, data, main, run, score, validate
_main(["validate", os.devnull])  # What the commands load when they need it, here once for all.
gc.freeze()  # Nor need each look through all of it when it ends.
for line in sys.stdin:
    folder, stdout, commands = json.loads(line)
    os.chdir(folder)
    codes = []
    for number, (arguments, variables) in enumerate(commands):
        child = os.fork()
        if child == 0:
            if stdout == "closed pipe":
                reader, out = os.pipe()
                os.close(reader)
            else:
                out = os.open(stdout or f"{number}.out", os.O_WRONLY | os.O_CREAT)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(out, 1)
            os.dup2(os.open(f"{number}.err", os.O_WRONLY | os.O_CREAT), 2)
            os.environ.update(variables)
            sys.argv = ["graders", *arguments]
            main()  # It ends this process, by the way of all processes.
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    print(json.dumps(codes), flush=True)
"""

Processes = Callable[..., list[Done]]


@pytest.fixture(scope="session")
def forks() -> Iterator[Callable[..., Any]]:
    """A process for each set of variables: it has loaded everything and forks commands."""
    with ExitStack() as stack:

        @functools.cache
        def started(**variables: str) -> Any:
            return stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", FORKS], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL, text=True, env=environment(**variables),
                )
            )  # fmt: skip

        yield started


@pytest.fixture
def processes(folder: Path, forks: Callable[..., Any]) -> Processes:
    """The command in processes of their own, which one that has loaded everything forks."""

    def call(
        *commands: list[str],
        stdout: str = "",
        each: Sequence[dict[str, str]] = (),
        **variables: str,
    ) -> list[Done]:
        told = [
            (arguments, each[number] if each else {}) for number, arguments in enumerate(commands)
        ]
        forking = forks(**variables)
        forking.stdin.write(json.dumps([str(folder), stdout, told]) + "\n")
        forking.stdin.flush()
        ended = []
        for number, code in enumerate(json.loads(forking.stdout.readline())):
            out, err = folder / f"{number}.out", folder / f"{number}.err"
            ended.append(Done(code, "" if stdout else out.read_text(), err.read_text()))
        return ended

    return call


@pytest.fixture
def refused() -> Callable[[Done], None]:
    """Whether a command was bad usage: code 2, a message, no traceback, nothing on stdout."""

    def check(done: Done) -> None:
        assert done.code == 2, done
        assert done.out == ""
        assert done.err.strip()
        assert "Traceback" not in done.err
        assert not set("\x1b\x07") & set(done.err)

    return check


@pytest.fixture
def program() -> list[str]:
    """The words that start the command in a process."""
    return [sys.executable, "-c", PROGRAM]
