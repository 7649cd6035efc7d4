"""Help at any width: every option under a subject, those that matter most first, nothing cut."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from graders.cli import cli, commands
from graders.cli.help import Command, Flag
from graders.option import GROUPS

MANY = 12
"""Options that one can look through without subjects."""


def every(
    command: click.Command = cli, parent: click.Context | None = None
) -> Iterator[tuple[str, click.Command]]:
    """Yield each command with the words that call it."""
    name = "graders" if command is cli else command.name
    # As the command itself has it: click keeps the option for help once it was made.
    context = click.Context(command, info_name=name, parent=parent, **cli.context_settings)
    yield context.command_path, command
    inner = commands() if command is cli else getattr(command, "commands", {})
    for one in inner.values():
        yield from every(one, context)


EVERY = dict(every())


def helped(path: str, columns: int, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", str(columns))
    done = CliRunner().invoke(cli, [*path.split()[1:], "--help"], prog_name="graders")
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("path", EVERY)
def test_help_fits_a_terminal_of_80_columns(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = helped(path, 80, monkeypatch).splitlines()
    assert [line for line in lines if len(line) > 80] == []
    # The name of an option that is broken at a hyphen cannot be searched for.
    assert [
        line for line in lines if line.endswith("-") and line.split()[-1].startswith("--")
    ] == []
    assert [line for line in lines if line.startswith("  ") and line.endswith("...")] == []


@pytest.mark.parametrize("columns", [1, 40, 200])
def test_help_is_there_at_every_width(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in EVERY:
        assert helped(path, columns, monkeypatch).startswith("Usage: graders")


@pytest.mark.parametrize("path", EVERY)
def test_every_option_of_a_command_with_many_has_a_subject(path: str) -> None:
    command = EVERY[path]
    flags = [one for one in command.params if isinstance(one, click.Option)]
    if len(flags) <= MANY:
        return
    bare = [one.opts[0] for one in flags if getattr(one, "group", "") not in GROUPS]
    assert not bare, (
        f'{path}: say group="…" (graders.option.GROUPS) where these are declared: {bare}'
    )
    assert isinstance(command, Command), f"{path}: cls=Command, first=(…)"
    assert command.first
    assert len(set(command.first)) == len(command.first) <= 10
    assert set(command.first) <= {one.name for one in flags}


def test_score_begins_with_the_ten_that_matter_and_shows_each_option_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command = EVERY["graders score"]
    assert isinstance(command, Command)
    assert len(command.first) == 10
    said = helped("graders score", 80, monkeypatch)
    titles = [line[:-1] for line in said.splitlines() if line[:1].strip() and line.endswith(":")]
    assert titles == ["Used most", *(one for one in GROUPS if one not in {"Server", "Rollouts", "Training"}), "Others"]  # fmt: skip
    first = said.partition("Used most:\n")[2].partition("\n\n")[0]
    shown = [line.split()[0] for line in first.splitlines() if line.startswith("  -")]
    assert shown == [
        "-o,", "--resume", "--limit", "--item-path", "--sample-path", "--base-url", "--model-map",
        "--workers", "--max-failures", "--summary",
    ]  # fmt: skip
    flags = [one for one in command.params if isinstance(one, click.Option)]
    begins = [line for line in said.splitlines() if line.startswith("  -")]
    assert len(begins) == len(flags) + 1  # Help itself.


def test_an_option_without_a_subject_is_shown_all_the_same() -> None:
    @click.command(cls=Command, first=("a",))
    @click.option("--b", help="Of none.")
    @click.option("--a", help="The first.", cls=Flag, group="Rows and samples")
    @click.option("--c", help="Of one.", cls=Flag, group="Rows and samples")
    @click.argument("x")
    def some(**_: object) -> None: ...

    said = CliRunner().invoke(some, ["--help"]).output
    assert said.partition("Used most:")[2].split()[:2] == ["--a", "TEXT"]
    assert said.partition("Rows and samples:")[2].split()[:2] == ["--c", "TEXT"]
    assert said.partition("Others:")[2].split()[:2] == ["--b", "TEXT"]
