"""`graders agree`: how well a grader agrees with people's labels, and a judge with itself."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from graders import api
from graders.api import PythonOptions, ScoreOptions
from graders.batch.manifest import manifest_for, scored_by
from graders.cli.diff import group_side
from graders.cli.help import Command, Flag
from graders.cli.judge import judge_options, warn_of_judges
from graders.cli.option import (
    file_name,
    grouped_layout_options,
    json_option,
    python_options,
    reading_options,
)
from graders.cli.output import say, write_json
from graders.config import load_source
from graders.models import JudgeOptions
from graders.reading import Reading
from graders.remote import named
from graders.report.terminal import number, write_view
from graders.rows import find_source

if TYPE_CHECKING:
    from graders.inspection.agreement import AgreementReport
    from graders.inspection.diff import Side

__all__ = ["agree"]

_EPILOG = """\b
Examples:
  graders agree results.jsonl rows.jsonl --label human
  graders agree judge.json rows.jsonl --label rating --label-threshold 4
  graders agree results.jsonl rows.jsonl --label quality --passing good
  graders agree results.jsonl      (repeats only)"""


@click.command(
    cls=Command,
    first=("label", "label_threshold", "passing", "threshold", "min_kappa", "item_path", "sample_path", "base_url", "model_map", "as_json"),
    epilog=_EPILOG, short_help="Compare a grader with people's labels.",
)  # fmt: skip
@click.argument("grader", metavar="GRADER|RESULTS", type=file_name)
@click.argument("rows", metavar="[ROWS...]", type=file_name, nargs=-1)
@click.option(
    "--label",
    metavar="PATH",
    help="Where in a row the label stands, such as item.ok.",
    cls=Flag,
    group="Rows and samples",
)
@click.option(
    "--label-threshold",
    type=float,
    metavar="X",
    help="Number from which a label passes.",
    cls=Flag,
    group="Rows and samples",
)
@click.option(
    "--passing",
    multiple=True,
    metavar="TEXT",
    help="Label that passes; may be given several times.",
    cls=Flag,
    group="Rows and samples",
)
@click.option(
    "--threshold",
    type=float,
    metavar="X",
    help="Reward from which a row passes.  [default: the grader's pass_threshold, else 0.5]",
    cls=Flag,
    group="Checks",
)
@click.option(
    "--min-kappa",
    type=click.FloatRange(-1, 1),
    metavar="X",
    help="Exit with 1 when the reward's kappa is below this, or there is none.",
    cls=Flag,
    group="Checks",
)
@grouped_layout_options
@json_option
@reading_options
@python_options
@judge_options
def agree(
    grader: str,
    rows: Sequence[str],
    *,
    label: str | None,
    label_threshold: float | None,
    passing: Sequence[str],
    threshold: float | None,
    min_kappa: float | None,
    as_json: bool,
    reading: Reading,
    **options: Any,
) -> int:
    """Show how well a grader agrees with people, and a judge with itself.

    Takes a grader and grades ROWS, or the results of an earlier run. With --label: kappa, TPR and
    TNR, the best threshold and the calibration, for the reward and for each sub-grader. With
    results of --repeats: how much of a judge's variance is noise.
    """
    # These load numpy, which no other command should have to wait for.
    from graders.inspection.agreement import agree as compare  # noqa: PLC0415
    from graders.inspection.agreement import layout_of, read_labels  # noqa: PLC0415
    from graders.inspection.diff import is_results, read_side  # noqa: PLC0415
    from graders.report.agreement import agreement_view  # noqa: PLC0415

    results = is_results(grader)
    if "-" in (grader, *rows):
        raise click.UsageError("Rows are read twice here; save standard input to a file first.")
    if label is None and (label_threshold is not None or passing or min_kappa is not None):
        raise click.UsageError("--label says where in a row the label stands.")
    if label is None and options["reads"].by is not None:
        raise click.UsageError("--by splits the agreement with labels: give --label too.")
    if not rows and (label is not None or not results):
        raise click.UsageError("ROWS are needed: they are graded, and hold the labels.")
    labels = None
    if label is not None:
        layout_of(label)
        blocks = find_source(rows).blocks(1 << 18)
        labels = read_labels(blocks, label, threshold=label_threshold, passing=passing)
    marks: Mapping[str, float] = {}
    if results:
        side = read_side(grader, 0.5 if threshold is None else threshold)
        group_side(side, grader, rows, options["reads"].layout, all_there=False)
    else:
        side, marks = _graded(grader, rows, threshold, reading=reading, **options)
    if labels is None and not side.repeats:
        raise click.UsageError(
            "Without --label there must be results of --repeats; there are none."
        )
    by = options["reads"].by or (scored_by(manifest_for(named(grader))) if results else None)
    report = compare(side, labels, marks, by or "")
    if as_json:
        write_json(report.to_dict())
    else:
        write_view(agreement_view(report), sys.stdout)
    return _code(report, min_kappa)


def _graded(
    source: str,
    rows: Sequence[str],
    threshold: float | None,
    *,
    reads: ScoreOptions,
    python: PythonOptions,
    judge: JudgeOptions,
    reading: Reading,
) -> tuple[Side, dict[str, float]]:
    """Return a grader's results of rows, and the score from which each sub-grader passes."""
    from graders.inspection.diff import pass_mark, read_side  # noqa: PLC0415

    loaded = load_source(source, dialect=reading.dialect)
    with (
        api.Grader(loaded, reading=reading, python=python, judge=judge) as ready,
        tempfile.TemporaryDirectory() as folder,
    ):
        ready.check()
        warn_of_judges(ready.plan, judge)
        place = Path(folder) / "results.jsonl"
        api.score_file(ready, rows, place, reads)
        side = read_side(str(place), pass_mark(ready) if threshold is None else threshold)
        side.name = ready.name
        marks = {leaf.key: _mark(leaf) for leaf in ready.plan.leaves if leaf.key}
    return side, marks


def _mark(leaf: Any) -> float:
    """Return the score from which a sub-grader passes; a similarity without a threshold at 0.5."""
    similarity = leaf.config.type == "text_similarity"
    if similarity and getattr(leaf.config, "pass_threshold", None) is None:
        return 0.5
    return float(leaf.passes_at)


def _code(report: AgreementReport, min_kappa: float | None) -> int:
    if min_kappa is None:
        return 0
    kappa = report.scores[0].table.kappa
    if kappa is None or kappa < min_kappa:
        say(f"the reward's kappa is {number(kappa)}, less than {min_kappa:g}")
        return 1
    return 0
