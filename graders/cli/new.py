"""`graders new` and `graders init`: a tested grader to begin with, in a folder of its own or in this one."""

from __future__ import annotations

import sys
from collections.abc import Collection
from pathlib import Path

import click

from graders.cli.option import completed
from graders.recipes import PAGE, RECIPES, START, next_commands, recipe, write
from graders.report.terminal import write_view
from graders.report.text import columns

__all__ = ["init", "new"]

_force = click.option("--force", is_flag=True, help="Write over files that are there.")


@click.command(
    short_help="Write a tested grader to begin with.",
    epilog="""\b
Examples:
  graders new
  graders new math
  graders new json-schema -o rewards/invoices""",
)
@click.argument("name", required=False, shell_complete=completed(lambda: RECIPES))
@click.option(
    "-o",
    "--output",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The folder to write.  [default: NAME]",
)
@_force
def new(name: str | None, *, folder: Path | None, force: bool) -> int:
    """Write recipe NAME: a grader, rows, a suite of tests and a page about it; without NAME, list them."""
    if name is None:
        if folder is not None or force:
            raise click.UsageError("Name a recipe; graders new lists them.")
        table = columns("recipe", "what it grades")
        table.show_header = False
        for one in RECIPES.values():
            table.add_row(one.name, one.title)
        write_view(table, sys.stdout)
        return 0
    return _write(name, Path(recipe(name).name) if folder is None else folder, force=force)


@click.command(
    short_help="Begin here: a grader, rows and a suite of tests.",
    epilog="""\b
Examples:
  graders init
  graders init rewards/answer
  graders init --recipe json-schema

A recipe in a folder of its own, with a page about it: graders new NAME.""",
)
@click.argument(
    "folder", metavar="[DIR]", required=False, default=".", type=click.Path(path_type=Path)
)
@click.option(
    "--recipe", "--kind", "name", metavar="NAME", shell_complete=completed(lambda: RECIPES), default=START, show_default=True,
    help=f"What to begin with: {', '.join(RECIPES)}.",
)  # fmt: skip
@_force
def init(folder: Path, *, name: str, force: bool) -> int:
    """Write a grader, rows and a suite of tests into DIR, the current folder without one.

    Nothing is asked, and nothing that is there is written over. What is written passes graders
    validate, test and score as it stands.
    """
    return _write(name, folder, force=force, without=(PAGE,))


def _write(name: str, folder: Path, *, force: bool, without: Collection[str] = ()) -> int:
    made = recipe(name)
    for path in write(made, folder, force=force, without=without):
        click.echo(path)
    for line in ("next:", *(f"  {one}" for one in next_commands(made, folder))):
        click.echo(line, err=True)
    return 0
