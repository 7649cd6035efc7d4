"""`graders score`: score rows to result lines, with a summary."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Group, RenderableType
from rich.text import Text

from graders import api
from graders.api import (
    MaxFailures,
    Progress,
    PythonOptions,
    Reading,
    Run,
    ScoreOptions,
    check_apart,
    is_direct,
    kept_note,
    partial_of,
)
from graders.cli.face import Face, face_options
from graders.cli.help import Command, Flag
from graders.cli.judge import judge_notes, judge_options, warn_of_judges
from graders.cli.option import (
    Read,
    file_name,
    flags_of,
    grader_argument,
    python_options,
    reading_options,
)
from graders.cli.output import progress_bar, say, say_notes, write_file
from graders.cli.track import track_option, tracking
from graders.cli.usage import Somewhere
from graders.cli.verify import verified, verify_lines
from graders.config import load_source
from graders.errors import BudgetError, OptionError, StoppedError, shown
from graders.models import JudgeOptions, paid_text
from graders.remote import Place, named
from graders.report.terminal import number, run_view
from graders.rows import RowRange
from graders.sandbox import Stats

if TYPE_CHECKING:
    from graders.inspection.verify import Verified

__all__ = ["score"]

_USED_UP = 5

_EPILOG = """\b
Examples:
  graders score grader.json rows.jsonl -o results.jsonl
  graders score job.json train.jsonl --item-path . -o results.jsonl
  graders score grader.json 'data/*.jsonl.gz' -o results.jsonl --resume
  cat rows.jsonl | graders score grader.json - | head

ROWS are JSON Lines (also .gz or .zst), .csv, .tsv, .parquet or a dataset
folder. A row is {"item": {...}, "sample": "text" | {...}}. A result line
holds index, id, reward (null for a failed row), sub_rewards and failures, in the order of the rows."""


def _max_failures(text: str) -> MaxFailures:
    match = re.fullmatch(r"([0-9]+)|([0-9]+(?:\.[0-9]+)?)%", text)
    if match is None or (match[2] and float(match[2]) > 100):
        raise ValueError(f"{text!r} is neither a number of rows such as 10 nor a share such as 5%")
    if match[1]:
        return MaxFailures(count=int(match[1]))
    return MaxFailures(share=float(match[2]) / 100)


def _range(text: str) -> RowRange:
    match = re.fullmatch(r"([0-9]{0,15}):([0-9]{0,15})|([0-9]{1,15})", text)
    if match is None:
        raise ValueError(f"{text!r} is not a range of row indexes such as 100:200, 100: or 17")
    if match[3]:
        return RowRange(int(match[3]), int(match[3]) + 1)
    start, stop = int(match[1] or 0), int(match[2]) if match[2] else None
    if stop is not None and stop < start:
        raise ValueError(f"{text!r} ends before it begins")
    return RowRange(start, stop)


@click.command(
    cls=Command,
    first=("output", "resume", "limit", "item_path", "sample_path", "base_url", "model_map", "workers", "max_failures", "summary_file"),
    epilog=_EPILOG, short_help="Score files of rows, with a summary.",
)  # fmt: skip
@grader_argument
@click.argument("rows", metavar="ROWS...", type=file_name, nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    default="-",
    show_default=True,
    metavar="OUT",
    help="Where results go.",
    cls=Flag,
    group="Results",
)
@flags_of(
    "options",
    ScoreOptions,
    but={
        "where": {"type": Read("A:B", _range)},
        "max_failures": {"type": Read("N|P%", _max_failures)},
    },
)
@click.option(
    "--verify-metrics",
    type=click.IntRange(min=1),
    metavar="N",
    help="Compute text metrics of N rows, drawn from all, by their libraries too, and compare.",
    cls=Flag,
    group="Checks",
)
@click.option(
    "--summary",
    "summary_file",
    metavar="FILE",
    type=Somewhere(dir_okay=False),
    help="Write the summary there, as JSON.",
    cls=Flag,
    group="Results",
)
@track_option
@face_options
@reading_options
@python_options
@judge_options
def score(
    grader: str,
    rows: Sequence[str],
    *,
    output: str,
    options: ScoreOptions,
    summary_file: Place | None,
    verify_metrics: int | None,
    track: Sequence[Any],
    face: Face,
    reading: Reading,
    python: PythonOptions,
    judge: JudgeOptions,
) -> int:
    """Score every row of ROWS (files, patterns, or - for standard input).

    The summary goes to standard output, or to standard error when the results go there. Exits with
    1 when more rows failed than --max-failures allows, or every row failed; or where
    --verify-metrics finds a metric that is not what its library gives. Exits with 5
    where a budget is used up.
    """
    _check(rows, options, grader=grader, output=output, key_file=judge.api_key_file,
           summary_file=summary_file, again=verify_metrics is not None)  # fmt: skip
    loaded = load_source(grader, dialect=reading.dialect)
    started = time.perf_counter()
    summary = sys.stderr if output == "-" else sys.stdout
    with api.Grader(loaded, reading=reading, python=python, judge=judge) as ready:
        ready.check()
        stopped, used_up, notes = "", False, ready.notes()
        _warn(ready, judge, options, verify_metrics)
        say_notes(notes)
        try:
            with _followed(track, output, ready, options) as (tracked, on_progress):
                run = api.score_file(ready, rows, output, options, on_progress=on_progress)
                tracked.end(run)
        except StoppedError as error:
            run, stopped = error.run, f"{error}{_how_on(error, output)}"
            used_up = isinstance(error, BudgetError)
        except KeyboardInterrupt:
            say(f"interrupted{_kept(output)}")
            return 130
        seconds = time.perf_counter() - started
        found = None
        if verify_metrics:
            found = verified(ready.plan, rows, options.layout, verify_metrics)
        body = {**_body(ready, run, seconds, found), "notes": notes}
        if summary_file is not None:
            write_file(summary_file, body)
        view = _view(ready, run, output, seconds, found or (), notes, options.by)
        face.write(view, body, f"graders score: {shown(ready.name)}", summary)
    if any(one.differing for one in found or ()):
        say("a metric is not what its library gives")
        return 1
    if used_up:
        say(stopped)
        return _USED_UP
    return _code(run, stopped, options.max_failures)


@contextmanager
def _followed(
    track: Sequence[Any], output: str, grader: api.Grader, options: ScoreOptions
) -> Iterator[tuple[Any, Any]]:
    """Give what tells trackers of a run, and what tells them and the bar how far it is."""
    told = partial(_told, begun=time.perf_counter())
    with tracking(track, output, grader, options) as tracked, progress_bar("scoring", told) as bar:
        yield tracked, tracked.around(bar)


def _check(
    rows: Sequence[str], options: ScoreOptions, *, grader: str, output: str,
    key_file: Path | None, summary_file: Place | None, again: bool,
) -> None:  # fmt: skip
    """Refuse what cannot be meant, and to write over a file that is read."""
    if "-" in rows and grader == "-":
        raise click.UsageError("Standard input (-) can be read only once.")
    if "-" in rows and again:
        raise click.UsageError("--verify-metrics reads the rows again, which - does not allow.")
    if options.resume and options.restart:
        raise click.UsageError("--resume and --restart exclude each other.")
    check_apart([named(one) for one in (grader, key_file) if one is not None], named(output))
    if summary_file is not None:
        read = [grader, key_file, options.only_failed, *rows]
        check_apart([named(one) for one in read if one is not None], named(output), summary_file)


def _warn(
    grader: api.Grader, judge: JudgeOptions, options: ScoreOptions, verify_metrics: int | None
) -> None:
    """Say before the first row what will not be as somebody may think."""
    warn_of_judges(grader.plan, judge)
    if (options.workers or options.engine == "ray") and grader.plan.asks_servers:
        say("note: models are asked from this process; --workers and --engine do not matter")
    if verify_metrics and not grader.plan.signatures:
        raise OptionError("--verify-metrics: no sub-grader has a text metric of a library")


def _view(  # noqa: PLR0917
    grader: api.Grader, run: Run, output: str, seconds: float, found: Sequence[Verified],
    warned: Sequence[str], by: str | None,
) -> RenderableType:  # fmt: skip
    stats = _stats(grader, run)
    ran = [] if stats is None else [
        f"python: {stats.calls:,} calls in sandbox level {stats.level}"
    ]  # fmt: skip
    paid = [] if run.paid is None else [f"cost: {paid_text(run.paid)}"]
    traced = [] if run.traced is None else [_traced_text(run.traced)]
    notes = [*ran, *judge_notes(run.tally, grader.judge_stats), *paid, *traced, *warned]
    view = run_view(
        run, name=grader.name, type=grader.type, output=str(named(output)),
        signatures=grader.signatures, seconds=seconds, notes=notes, by=by,
    )  # fmt: skip
    return Group(view, *map(Text, verify_lines(found)))


def _traced_text(traced: Mapping[str, Any]) -> str:
    if traced["trace_id"] is None:
        return f"no trace: {traced['reason']}"
    lost = traced["lost"]
    why = f"; {lost:,} could not be delivered: {traced['reason']}" if lost else ""
    return f"trace: {traced['trace_id']}, {traced['spans']:,} spans{why}"


def _body(
    grader: api.Grader, run: Run, seconds: float, found: Sequence[Verified] | None
) -> dict[str, Any]:
    return {
        **run.to_dict(),
        "name": grader.name,
        "type": grader.type,
        "signatures": grader.signatures,
        "seconds": seconds,
        "python": _python_figures(_stats(grader, run)),
        "judge": [one.to_dict() for one in grader.judge_stats],
        **({} if found is None else {"verified": [one.to_dict() for one in found]}),
    }


def _code(run: Run, stopped: str, max_failures: MaxFailures | None) -> int:
    tally = run.tally
    if stopped:
        say(stopped)
        return 1
    if max_failures is not None and max_failures.exceeded(tally, tally.rows):
        say(f"{tally.failed:,} of {tally.rows:,} rows failed, more than the {max_failures} allowed")
        return 1
    if tally.rows and not tally.scored:
        say("every row failed")
        return 1
    return 0


def _stats(grader: api.Grader, run: Run) -> Stats | None:
    """What all sandboxes did: the workers', else that of this process."""
    return run.python or (grader.python_stats if run.tally.rows > run.resumed else None)


def _python_figures(stats: Stats | None) -> dict[str, Any] | None:
    if stats is None:
        return None
    return {
        "sandbox": stats.level,
        "calls": stats.calls,
        "failures": dict(stats.failures),
        "workers_started": stats.workers_started,
    }


def _kept(output: str) -> str:
    """Say what there is of a run that did not come to its end."""
    place = named(output)
    if output == "-" or (isinstance(place, Path) and not partial_of(place).is_file()):
        return ""
    return kept_note(str(place))


def _how_on(error: StoppedError, output: str) -> str:
    """Say how to go on after a run has stopped."""
    if not isinstance(error, BudgetError):
        return _kept(output)
    place = named(output)
    if isinstance(place, Path) and is_direct(place) and not place.is_dir():
        return "; results in a file (-o) could be gone on with"
    return "; --resume with a higher budget goes on, and pays for no reply twice"


def _told(now: Progress, begun: float) -> dict[str, Any]:
    """Return what the bar shows of a run that began at this time."""
    tally, pace = now.tally, now.scored_now / max(time.perf_counter() - begun, 1e-9)
    text = (
        f"{tally.rows:,} rows · {pace:,.0f} rows/s · {tally.failed:,} failed · "
        f"mean {number(tally.rewards.mean)}"
    )
    text += "" if now.paid is None else f" · {paid_text(now.paid)}"
    return {"total": now.size, "completed": now.done, "description": text}
