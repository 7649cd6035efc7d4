"""`graders diff`: what changes between two graders, or two files of results."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from graders import api, jsontext
from graders.api import PythonOptions, ScoreOptions
from graders.batch.manifest import manifest_for, scored_by
from graders.cli.face import Face, face_options
from graders.cli.help import Command, Flag
from graders.cli.judge import judge_options, warn_of_judges
from graders.cli.option import file_name, grouped_layout_options, python_options, reading_options
from graders.cli.output import say, write_bytes
from graders.config import load_source
from graders.errors import RowsError, shown
from graders.models import JudgeOptions
from graders.reading import Reading
from graders.remote import named, same
from graders.report.terminal import number
from graders.rows import Chunk, Layout, decode_block, find_source, read_categories, written

if TYPE_CHECKING:
    from graders.inspection.diff import DiffReport, KeptRows, Matched, Side

__all__ = ["diff"]

_EPILOG = """\b
Examples:
  graders diff old.json new.json rows.jsonl
  graders diff old.json new.json rows.jsonl --max-mean-drop 0.01
  graders diff old-results.jsonl new-results.jsonl -o deltas.jsonl

A and B are two graders, and ROWS what they grade; or two files of results, matched
by index. A verdict differs where a row passes on one side only, or has no reward there."""


@click.command(
    cls=Command,
    first=("output", "threshold", "fail_on_flip", "max_mean_drop", "max_delta", "item_path", "sample_path", "base_url", "model_map", "as_json"),
    epilog=_EPILOG, short_help="Compare two graders, or two files of results.",
)  # fmt: skip
@click.argument("a", metavar="A", type=file_name)
@click.argument("b", metavar="B", type=file_name)
@click.argument("rows", metavar="[ROWS...]", type=file_name, nargs=-1)
@click.option(
    "--threshold",
    type=float,
    metavar="X",
    help="Reward from which a row passes.  [default: each grader's pass_threshold, else 0.5]",
    cls=Flag,
    group="Checks",
)
@click.option(
    "--fail-on-flip",
    is_flag=True,
    help="Exit with 1 when a verdict differs.",
    cls=Flag,
    group="Checks",
)
@click.option(
    "--max-mean-drop",
    type=click.FloatRange(min=0),
    metavar="X",
    help="Exit with 1 when the mean reward drops by more than this.",
    cls=Flag,
    group="Checks",
)
@click.option(
    "--max-delta",
    type=click.FloatRange(min=0),
    metavar="X",
    help="Exit with 1 when a row's reward moves by more than this, or is lost.",
    cls=Flag,
    group="Checks",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=file_name,
    help="Write every row's delta there, as JSON Lines; - for standard output.",
    cls=Flag,
    group="Results",
)
@grouped_layout_options
@face_options
@reading_options
@python_options
@judge_options
def diff(
    a: str,
    b: str,
    rows: Sequence[str],
    *,
    threshold: float | None,
    fail_on_flip: bool,
    max_mean_drop: float | None,
    max_delta: float | None,
    output: str | None,
    reads: ScoreOptions,
    face: Face,
    python: PythonOptions,
    judge: JudgeOptions,
    reading: Reading,
) -> int:
    """Compare the rewards that A and B give to the same ROWS.

    Shows the deltas, the rank correlation, verdicts that differ, which sub-grader moved, failures
    that appeared or went away, and the rows to read first.
    """
    # These load numpy, which no other command should have to wait for.
    from graders.inspection.diff import compare  # noqa: PLC0415
    from graders.report.diff import diff_view  # noqa: PLC0415

    if [a, b, *rows].count("-") > 1:
        raise click.UsageError("Standard input (-) can be read only once.")
    if output is not None:
        _check_apart(output, [a, b, *rows])
    layout = reads.layout
    with ExitStack() as stack:
        if _are_results(a, b, rows):
            matched, kept = _read(a, b, rows, layout, threshold)
            formulas = None
        else:
            sides = [stack.enter_context(_ready(one, reading, python, judge)) for one in (a, b)]
            matched, kept, formulas = _graded(sides, rows, layout, threshold)
            if sides[0].name == sides[1].name:
                matched.a.name, matched.b.name = a, b
        known = (scored_by(manifest_for(named(one))) for one in (a, b))
        by = reads.by or next(filter(None, known), "")
        report = compare(matched, formulas=formulas, look=kept.look, by=by)
    if output is not None:
        _write(output, matched)
    broken = list(_shut(report, flip=fail_on_flip, drop=max_mean_drop, delta=max_delta))
    summary = sys.stderr if output == "-" else sys.stdout
    body = {**report.to_dict(), "gates": broken}
    face.write(diff_view(report), body, f"graders diff: {shown(a)} → {shown(b)}", summary, broken)
    for reason in broken:
        say(reason)
    return 1 if broken else 0


def _chunks(rows: Sequence[str], layout: Layout) -> Iterator[Chunk]:
    return (decode_block(block, layout) for block in find_source(rows).blocks(1 << 18))


def group_side(
    side: Side, path: str, rows: Sequence[str], layout: Layout, *, all_there: bool = True
) -> None:
    """Give results the categories that are asked for, where they do not have these already."""
    if layout.by is None or scored_by(manifest_for(named(path))) == written(layout.by):
        return
    if not rows:
        raise click.UsageError("--by reads the rows that were scored: give ROWS too.")
    categories = read_categories(find_source(rows).blocks(1 << 18), layout)
    side.group_by(categories, all_there=all_there)


def _ready(source: str, reading: Reading, python: PythonOptions, judge: JudgeOptions) -> api.Grader:
    """Return a grader whose python sources are checked."""
    loaded = load_source(source, dialect=reading.dialect)
    grader = api.Grader(loaded, reading=reading, python=python, judge=judge)
    grader.check()
    warn_of_judges(grader.plan, judge)
    return grader


def _are_results(a: str, b: str, rows: Sequence[str]) -> bool:
    """Whether two files of results are to be compared, rather than two graders."""
    from graders.inspection.diff import is_results  # noqa: PLC0415

    found = [is_results(one) for one in (a, b)]
    if any(found) and not all(found):
        raise click.UsageError(
            "One is a grader, the other a file of results: score the grader first."
        )
    if not (rows or all(found)):
        raise click.UsageError("Two graders need ROWS to grade.")
    return all(found)


def _read(
    a: str, b: str, rows: Sequence[str], layout: Layout, threshold: float | None
) -> tuple[Matched, KeptRows]:
    """Return two files of results, with the answers to read first where the rows are given."""
    from graders.inspection.diff import KeptRows, match, read_side  # noqa: PLC0415

    mark = 0.5 if threshold is None else threshold
    matched, kept = match(read_side(a, mark), read_side(b, mark)), KeptRows()
    group_side(matched.a, a, rows, layout)
    if rows:
        kept.collect(_chunks(rows, layout), {one.index for one in matched.first()})
    return matched, kept


def _graded(
    sides: Sequence[api.Grader], rows: Sequence[str], layout: Layout, threshold: float | None
) -> tuple[Matched, KeptRows, tuple[str, str] | None]:
    """Return what two graders give the rows, and both formulas."""
    from graders.inspection.diff import formulas_of, grade_both, pass_mark  # noqa: PLC0415

    first, second = sides
    marks = [pass_mark(one) if threshold is None else threshold for one in sides]
    matched, kept = grade_both(first, second, _chunks(rows, layout), (marks[0], marks[1]))
    return matched, kept, formulas_of(first, second)


def _shut(
    report: DiffReport, *, flip: bool, drop: float | None, delta: float | None
) -> Iterator[str]:
    """Yield why a gate is shut: what changed more than it may; None for anything."""
    if not flip and drop is None and delta is None:
        return
    if not report.a.rows:
        yield "there are no rows to compare"
    if report.only_a:
        yield f"{report.only_a:,} rows of A are not in B"
    if flip and report.flipped:
        yield f"{report.flipped:,} verdicts differ"
    if drop is not None and (report.drop or 0.0) > drop:
        yield f"the mean reward drops by {number(report.drop)}, more than {drop:g}"
    if delta is not None:
        if abs(report.largest or 0.0) > delta:
            yield f"a reward moves by {number(report.largest)}, more than {delta:g}"
        if lost := report.flips.get("lost", 0):
            yield f"{lost:,} rows lost their reward"


def _check_apart(output: str, inputs: Sequence[str]) -> None:
    """Refuse to write over what is compared."""
    place = named(output)
    if output != "-" and any(same(place, named(one)) for one in inputs):
        raise RowsError(f"{place} is compared; its deltas would replace it")


def _write(output: str, matched: Matched) -> None:
    lines = (jsontext.encode(row.to_line()) + b"\n" for row in matched.rows())
    if output == "-":
        sys.stdout.flush()
        sys.stdout.buffer.writelines(lines)
        sys.stdout.buffer.flush()
        return
    write_bytes(named(output), lines)
