"""A run in a process of its own: its end is passed on, and worded where it could not word it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import PATIENCE, children_of, is_gone, until

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no pipe is handed on there")

WORDS = [sys.executable, "-m", "graders", "score", "-", "rows.jsonl", "--engine", "ray"]


def started(folder: Path) -> tuple[subprocess.Popen[str], int]:
    """Return a run that waits for its grader, and the process that would be connected to Ray."""
    process = subprocess.Popen(
        WORDS, cwd=folder, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    return process, until(lambda: children_of(process.pid))[0]


def test_its_words_and_its_code_are_passed_on(tmp_path: Path) -> None:
    done = subprocess.run(
        WORDS, check=False, cwd=tmp_path, input="{", capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.startswith("graders: standard input: 1 fault")
    assert "connected to Ray" not in done.stderr
    done = subprocess.run(
        [*WORDS, "--help"], check=True, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stderr == ""


def test_an_end_without_a_word_is_worded(tmp_path: Path) -> None:
    process, inner = started(tmp_path)
    with process:
        os.kill(inner, signal.SIGKILL)
        out, said = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (2, "")
    assert said.startswith("graders: the process that was connected to Ray was ended (by signal 9)")
    assert "the same command with --resume goes on after the last finished row" in said
    assert said.count("\n") == 1


def test_minus_nine_takes_it_along(tmp_path: Path) -> None:
    process, inner = started(tmp_path)
    with process:
        process.kill()
        until(lambda: is_gone(inner))
