"""`graders verify`: whether our metrics are what their libraries say, on the user's own rows."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from graders.api import Grader, Reading, ScoreOptions
from graders.cli.help import Command, Flag
from graders.cli.option import (
    file_name,
    grader_argument,
    json_option,
    layout_options,
    reading_options,
)
from graders.cli.output import say, write_json, write_lines
from graders.config import load_source
from graders.errors import shown
from graders.metrics import library
from graders.plan import Plan
from graders.rows import Layout, decode_block, find_source

if TYPE_CHECKING:
    from graders.inspection.verify import Verified

__all__ = ["verified", "verify", "verify_lines"]

_EPILOG = """\b
Examples:
  graders verify grader.json rows.jsonl
  graders verify grader.json rows.jsonl --limit 100000 --json
  graders score grader.json rows.jsonl -o results.jsonl --verify-metrics 200"""


@click.command(
    cls=Command,
    first=("limit", "item_path", "sample_path", "as_json"),
    epilog=_EPILOG, short_help="Compare text metrics with their libraries.",
)  # fmt: skip
@grader_argument
@click.argument("rows", metavar="ROWS...", type=file_name, nargs=-1, required=True)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    metavar="N",
    help="Compare on so many rows, drawn from all, the same each time.",
    cls=Flag,
    group="Rows and samples",
)
@layout_options
@json_option
@reading_options
def verify(
    grader: str,
    rows: Sequence[str],
    *,
    limit: int,
    reads: ScoreOptions,
    as_json: bool,
    reading: Reading,
) -> int:
    """Compute ROWS' text metrics by rapidfuzz, nltk and rouge-score too, and compare bit for bit.

    Exits with 1 when a score is another float than its library's, or nothing could be compared.
    """
    if grader == "-" and "-" in rows:
        raise click.UsageError("Standard input (-) can be read only once.")
    plan = Grader(load_source(grader, dialect=reading.dialect), reading=reading).plan
    found = verified(plan, rows, reads.layout, limit)
    if as_json:
        write_json({"verified": [one.to_dict() for one in found]})
    else:
        write_lines(verify_lines(found), sys.stdout)
    for one in found:
        if not one.rows:
            say(f"{shown(one.key or one.metric)}: no row has both texts, so nothing was compared")
    return 1 if any(one.differing or not one.rows for one in found) else 0


def verified(plan: Plan, rows: Sequence[str], layout: Layout, limit: int) -> list[Verified]:
    """Return what comparing a part of files of rows gives."""
    from graders.inspection.sampling import sample_rows  # noqa: PLC0415  (these load numpy)
    from graders.inspection.verify import verify as compare  # noqa: PLC0415

    blocks = find_source(rows).blocks(1 << 18)
    sampled = sample_rows((decode_block(block, layout) for block in blocks), limit)
    if sampled.unreadable:
        noun = "row" if sampled.unreadable == 1 else "rows"
        say(f"note: {sampled.unreadable:,} {noun} that cannot be read: left out")
    with _bar() as on_progress:
        return compare(plan, sampled.rows, on_progress)


@contextmanager
def _bar() -> Iterator[Any]:
    if not sys.stderr.isatty():
        yield None
        return

    def show(done: int, total: int) -> None:
        if done % 50 == 0:
            click.echo(f"\r\033[Kverifying: {done:,} of {total:,}\r", nl=False, err=True)

    try:
        yield show
    finally:
        click.echo("\r\033[K", nl=False, err=True)


def verify_lines(found: Sequence[Verified]) -> Iterator[str]:
    """Yield what was found, a line for each sub-grader and each row that differs."""
    for one in found:
        named = f"{shown(one.key)}: " if one.key else ""
        made_by = " ".join(library(one.library))
        same = one.rows - one.differing
        verdict = "equal bit for bit" if not one.differing else f"equal, {one.differing:,} not"
        left = f"; {one.skipped:,} without both texts" if one.skipped else ""
        yield f"{named}{one.metric} as {made_by} has it: {same:,} of {one.rows:,} rows {verdict}{left}"
        for row in one.first:
            yield (
                f"  row {row.index}: {row.ours!r} here, {row.theirs!r} there, "
                f"of {shown(row.candidate, 60)} and {shown(row.reference, 60)}"
            )
