"""`graders new`: a tested grader to begin with."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from graders.recipes import RECIPES, recipe, write
from graders.report.terminal import write_view
from graders.report.text import columns

__all__ = ["new"]


@click.command(
    short_help="Write a tested grader to begin with.",
    epilog="""\b
Examples:
  graders new
  graders new math
  graders new json-schema -o rewards/invoices""",
)
@click.argument("name", required=False)
@click.option(
    "-o",
    "--output",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The folder to write.  [default: NAME]",
)
@click.option("--force", is_flag=True, help="Write over files that are there.")
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
    chosen = recipe(name)
    into = Path(chosen.name) if folder is None else folder
    for path in write(chosen, into, force=force):
        click.echo(path)
    click.echo(f"next: graders test {shlex.quote(str(into))}", err=True)
    return 0
