"""Completion, by the shells themselves where they are installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click import shell_completion

from graders.cli import commands
from tests.cli.conftest import Processes
from tests.waiting import PATIENCE

Command = Callable[..., Any]
POWERSHELL = shell_completion.get_completion_class("powershell") is not None

BASH = """
source ./script
read -r -a COMP_WORDS <<< "$WORDS"
if [ "${WORDS: -1}" = " " ]; then COMP_WORDS+=(""); fi
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
COMPREPLY=()
_graders_completion graders 2>/dev/null
printf '%s\\n' "${COMPREPLY[@]}"
"""
FISH = r"""source ./script; complete -C "$WORDS" | string split -f1 \t"""
# Outside of its line editor zsh has no list to add to: what would be added is printed.
ZSH = r"""
compdef() {}
compadd() { print -l -- "${(@P)@[-1]}" }
_describe() { local one; for one in "${(@P)3}"; do print -r -- "${one%%:*}"; done }
source ./script
words=(${=WORDS})
if [[ $WORDS == *' ' ]]; then words+=(''); fi
CURRENT=${#words}
_graders_completion
"""
CASES = [
    ("graders sco", {"score"}),
    ("graders job ru", {"run"}),
    ("graders score --max-f", {"--max-failures"}),
    ("graders validate --target az", {"azure"}),
    ("graders new json", {"json-schema"}),
    ("graders explain constant", {"constant_reward"}),
    ("graders probe --attack look", {"look-alikes"}),
]


def in_bash(words: str) -> dict[str, str]:
    """Return what the script for bash sets before it asks the command."""
    count = str(len(words.split()) - 1)
    return {"COMP_WORDS": words, "COMP_CWORD": count, "_GRADERS_COMPLETE": "bash_complete"}


def asked(shell: str, script: str, words: str, folder: Path) -> set[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    flags = {"bash": ["--noprofile", "--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    done = subprocess.run(
        [shell, *flags, "-c", script], cwd=folder, capture_output=True, text=True, check=False,
        timeout=PATIENCE, env={**os.environ, "PATH": path, "WORDS": words, "HOME": str(folder)},
    )  # fmt: skip
    return set(done.stdout.split()) or {done.stderr}


def test_what_is_typed_is_completed(processes: Processes) -> None:
    each = [in_bash(words) for words, _ in CASES]
    for done, (_, found) in zip(processes(*[[]] * len(each), each=each), CASES, strict=True):
        assert {line.partition(",")[2] for line in done.out.splitlines()} == found


@pytest.mark.more
@pytest.mark.parametrize(("shell", "script"), [("bash", BASH), ("zsh", ZSH), ("fish", FISH)])
@pytest.mark.parametrize(("words", "found"), CASES)
def test_a_shell_completes_what_is_typed(
    command: Command, folder: Path, shell: str, script: str, words: str, found: set[str]
) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    (folder / "script").write_text(command("completion", shell).out)
    assert asked(shell, script, words, folder) == found


def test_files_are_left_to_the_shell(processes: Processes) -> None:
    typed = ["graders score che", "graders diff che", "graders validate x che"]
    for done in processes(*[[]] * len(typed), each=[in_bash(words) for words in typed]):
        assert done.out == "file,che\n"


def test_each_shell_gets_a_script_and_the_default_is_your_own(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    for shell in ("zsh", "fish", *(["powershell"] if POWERSHELL else [])):
        done = command("completion", shell)
        assert (done.code, done.err) == (0, "")
        assert "_GRADERS_COMPLETE" in done.out
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    assert command("completion").out == command("completion", "fish").out


def test_a_shell_that_an_older_click_does_not_know_says_what_to_install(
    command: Command, monkeypatch: pytest.MonkeyPatch, refused: Any
) -> None:
    monkeypatch.delitem(shell_completion._available_shells, "powershell", raising=False)
    done = command("completion", "powershell")
    refused(done)
    assert done.err == "graders: powershell needs click 8.5 or newer: pip install -U click\n"


@pytest.mark.parametrize("own", ["", "/bin/tcsh", "nu"])
def test_a_shell_that_is_not_known_is_asked_for(
    command: Command, monkeypatch: pytest.MonkeyPatch, own: str, refused: Any
) -> None:
    monkeypatch.setenv("SHELL", own)
    done = command("completion")
    refused(done)
    assert "name the shell: bash, zsh, fish or powershell" in done.err


@pytest.mark.more
def test_every_command_is_completed(command: Command, folder: Path) -> None:
    if shutil.which("bash") is None:
        pytest.skip("there is no bash")
    (folder / "script").write_text(command("completion", "bash").out)
    assert asked("bash", BASH, "graders ", folder) == set(commands())
