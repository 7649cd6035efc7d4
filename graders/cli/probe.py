"""`graders probe`: what answers get that ought not to be paid."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
from rich.console import Group
from rich.text import Text

from graders import api
from graders.api import PythonOptions, ScoreOptions
from graders.batch.tally import Tally
from graders.cli.help import Command, Flag
from graders.cli.judge import judge_notes, judge_options, warn_of_judges
from graders.cli.option import (
    Read,
    completed,
    file_name,
    grader_argument,
    json_option,
    layout_options,
    python_options,
    reading_options,
)
from graders.cli.output import say, write_json
from graders.config import load_source
from graders.errors import OptionError, shown
from graders.models import JudgeOptions
from graders.reading import Reading
from graders.report.terminal import number, write_view
from graders.rows import Layout, decode_block, find_source

if TYPE_CHECKING:
    from graders.inspection.probe import ProbeReport

__all__ = ["asks", "probe"]

_EPILOG = """\b
Examples:
  graders probe grader.json rows.jsonl
  graders probe grader.json rows.jsonl --fail-above 0.3
  graders probe grader.json rows.jsonl --fail-above honest --attack prompt
  graders probe grader.json rows.jsonl --base-url http://127.0.0.1:8000/v1
\b
Attacks: empty, whitespace, prompt, item-text, whole-item, all-references,
  label, repeated-word, long-filler, format-only, negation, other-row,
  refusal, praise, injection, delimiters, verdict, wrong-values,
  wrong-arguments, extra-tools, very-long, truncated, trailing-junk, case,
  look-alikes, zero-width, reference

What one is: graders explain NAME."""


def _attacks() -> list[str]:
    from graders.inspection.probe import ATTACKS  # noqa: PLC0415  (numpy)

    return [one.name for one in ATTACKS]


def _bar(text: str) -> float | str:
    if text == "honest":
        return text
    try:
        bar = float(text)
    except ValueError:
        bar = math.nan
    if not math.isfinite(bar):
        raise ValueError(f"{text!r} is neither a reward such as 0.3 nor the word honest")
    return bar


@click.command(
    cls=Command,
    first=("names", "limit", "bar", "item_path", "sample_path", "base_url", "model_map", "as_json"),
    epilog=_EPILOG, short_help="Try answers that ought not to be paid.",
)  # fmt: skip
@grader_argument
@click.argument("rows", metavar="ROWS...", type=file_name, nargs=-1, required=True)
@click.option(
    "--attack",
    "names",
    multiple=True,
    shell_complete=completed(_attacks),
    metavar="NAME",
    help="Only this attack; may be given several times.  [default: all]",
    cls=Flag,
    group="Checks",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=200,
    show_default=True,
    metavar="N",
    help="Probe with so many rows, drawn from all, the same each time.",
    cls=Flag,
    group="Rows and samples",
)
@click.option(
    "--fail-above",
    "bar",
    type=Read("X|honest", _bar),
    help="Exit with 1 when an attack's expected reward is above this, or above the honest answers'.",
    cls=Flag,
    group="Checks",
)
@click.option(
    "--long",
    "size",
    type=click.IntRange(min=1, max=1000),
    default=8,
    show_default=True,
    metavar="KB",
    help="Size of very long answers.",
    cls=Flag,
    group="Checks",
)
@layout_options
@json_option
@reading_options
@python_options
@judge_options
def probe(
    grader: str,
    rows: Sequence[str],
    *,
    names: Sequence[str],
    limit: int,
    bar: float | str | None,
    size: int,
    reads: ScoreOptions,
    as_json: bool,
    python: PythonOptions,
    judge: JudgeOptions,
    reading: Reading,
) -> int:
    """Grade attacks built from ROWS themselves, beside the rows' own answers.

    Shows what each attack gets, where it gets as much as the honest answer, and which sub-grader
    pays. Models are asked only with a cache named, --base-url or --embedding-url; without, they
    are held at their lowest score, and that is said.
    """
    # These load numpy, which no other command should have to wait for.
    from graders.inspection.probe import choose_attacks  # noqa: PLC0415
    from graders.inspection.probe import probe as run_probe  # noqa: PLC0415
    from graders.inspection.sampling import sample_rows  # noqa: PLC0415
    from graders.report.probe import probe_view  # noqa: PLC0415

    if grader == "-" and "-" in rows:
        raise click.UsageError("Standard input (-) can be read only once.")
    attacks = choose_attacks(names)
    layout = reads.layout
    blocks = find_source(rows).blocks(1 << 18)
    loaded = load_source(grader, dialect=reading.dialect)
    with api.Grader(loaded, reading=reading, python=python, judge=judge) as ready:
        ready.check()
        judges, embeddings = asks(judge)
        if judges:
            warn_of_judges(ready.plan, judge)
        sampled = sample_rows((decode_block(block, layout) for block in blocks), limit)
        report = run_probe(
            ready, sampled, attacks=attacks, ask_judges=judges, ask_embeddings=embeddings,
            own=_own(layout, reads.sample_path), size=size * 1000,
            on_attack=_progress if sys.stderr.isatty() else None,
        )  # fmt: skip
        if sys.stderr.isatty():
            click.echo("\r\033[K", nl=False, err=True)
        notes = judge_notes(Tally(), ready.judge_stats)
    code, above = _verdict(report, bar, frozenset(names))
    if as_json:
        write_json({**report.to_dict(), "above": [one.name for one in above]})
    else:
        said = (Text(note, "dim") for note in notes)
        write_view(Group(probe_view(report, above), *said), sys.stdout)
    for one in above:
        payer = f", paid most by {shown(one.payer.key)}" if one.payer and one.payer.key else ""
        say(f"{one.name}: expected reward {number(one.expected)} is above {bar}{payer}")
    return code


def asks(judge: JudgeOptions) -> tuple[bool, bool]:
    """Return whether judges, and whether embeddings, may be asked: only where it is said how."""
    named = judge.base_url or os.environ.get("OPENAI_BASE_URL")
    cached = judge.cache_file or os.environ.get("GRADERS_CACHE_FILE") or judge.cache == "offline"
    return bool(named or cached), bool(named or cached or judge.embedding_url)


def _verdict(
    report: ProbeReport, bar: float | str | None, chosen: frozenset[str]
) -> tuple[int, list[Any]]:
    if bar is None:
        return 0, []
    if bar == "honest" and report.honest.expected is None:
        raise OptionError("--fail-above honest: the rows have no answers of their own")
    if not report.scored or (report.honest.rows and report.honest.mean_of_scored is None):
        say("nothing was learned: no answer of the rows', or of the attacks', has a reward")
        return 1, []
    if report.unreached:
        say(f"{report.unreached:,} answers of attacks could not be graded: the gate cannot tell")
    above = report.above(None if isinstance(bar, str) else bar, chosen)
    return (1 if above or report.unreached else 0), above


def _own(layout: Layout, sample_path: str) -> str:
    """Return where the sample stands in the item, where an item is the whole row."""
    return f"item.{sample_path}" if not layout.item and layout.sample else ""


def _progress(name: str) -> None:
    click.echo(f"\r\033[Kprobing: {name}\r", nl=False, err=True)
