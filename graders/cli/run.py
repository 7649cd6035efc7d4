"""`graders run`: grade one sample."""

from __future__ import annotations

import sys
from typing import Any

import click

from graders.api import Grader, PythonOptions
from graders.cli.help import Command, Flag
from graders.cli.judge import judge_options, learned_notes, warn_of_judges
from graders.cli.option import (
    grader_argument,
    json_option,
    json_value,
    python_options,
    reading_options,
    text_value,
)
from graders.cli.output import say, say_notes, write_json
from graders.config import load_source
from graders.grade import Grade
from graders.models import JudgeOptions
from graders.reading import Reading
from graders.report.terminal import grade_view, write_view

__all__ = ["run"]

_EPILOG = """\b
Examples:
  graders run grader.json --item '{"answer": "Paris"}' --sample "It is Paris."
  graders run grader.json --item @item.json --sample @answer.txt --json
  graders run body.json --hosted   (a graders.run body brings its sample)"""


@click.command(
    cls=Command,
    first=("item", "sample", "sample_json", "as_json", "hosted", "base_url", "model_map", "sandbox", "thinking", "offline"),
    epilog=_EPILOG, short_help="Grade one sample, and show how the grade came about.",
)  # fmt: skip
@grader_argument
@click.option(
    "--item", metavar="JSON|@FILE", help="The item, as JSON.", cls=Flag, group="Rows and samples"
)
@click.option(
    "--sample",
    metavar="TEXT|@FILE",
    help="The model's output, as text; @@ begins a text with @.",
    cls=Flag,
    group="Rows and samples",
)
@click.option(
    "--sample-json",
    metavar="JSON|@FILE",
    help="The model's output, as an object: output_tools …",
    cls=Flag,
    group="Rows and samples",
)
@json_option
@click.option(
    "--hosted",
    is_flag=True,
    help="Print the hosted graders.run response instead.",
    cls=Flag,
    group="Results",
)
@reading_options
@python_options
@judge_options
def run(
    grader: str,
    *,
    item: str | None,
    sample: str | None,
    sample_json: str | None,
    as_json: bool,
    hosted: bool,
    python: PythonOptions,
    judge: JudgeOptions,
    reading: Reading,
) -> int:
    """Grade one sample: reward, sub-rewards, rendered inputs, failures.

    Exits with 1 when the sample could not be scored.
    """
    if sample is not None and sample_json is not None:
        raise click.UsageError("--sample and --sample-json exclude each other.")
    if [grader, item, sample, sample_json].count("-") > 1:
        raise click.UsageError("Standard input (-) can be read only once.")
    loaded = load_source(grader, dialect=reading.dialect)
    the_item = loaded.item if item is None else json_value("--item", item)
    the_sample: Any = loaded.model_sample
    if sample is not None:
        the_sample = text_value("--sample", sample)
    elif sample_json is not None:
        the_sample = json_value("--sample-json", sample_json)
    with Grader(loaded, reading=reading, python=python, judge=judge) as ready:
        ready.check()
        warn_of_judges(ready.plan, judge)
        say_notes(notes := ready.notes())
        explained = ready.explain(the_item, the_sample)
        grade = explained.grade
        for note in learned_notes(ready.judge_stats):
            say(note)
        if hosted:
            write_json(grade.hosted)
        elif as_json:
            body = {
                **grade.to_dict(),
                "name": grade.name,
                "type": grade.type,
                "sample_shape": explained.shape,
                "rendered": explained.rendered,
                "printed": explained.printed,
                "said": explained.said,
                "judgements": explained.judgements,
                **({"panel": explained.panels} if explained.panels else {}),
                "signatures": ready.signatures,
                "notes": notes,
            }
            write_json(body)
        else:
            types = {leaf.key: leaf.config.type for leaf in ready.plan.leaves}
            view = grade_view(explained, types, ready.signatures)
            write_view(view, sys.stdout)
    _say_missing(grade, item=the_item, sample=the_sample)
    return 0 if grade.reward is not None else 1


def _say_missing(grade: Grade, **given: Any) -> None:
    """Say which of a row's two parts nobody gave, where that may be why it failed."""
    missing = [f"--{name}" for name, value in given.items() if value is None]
    if missing and any(one.code == "invalid_variable_error" for one in grade.failures):
        say(f"note: not given: {', '.join(missing)}")
