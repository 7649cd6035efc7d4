"""`graders score`: score rows to result lines, with a summary."""

from __future__ import annotations

import contextlib
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from graders import api
from graders.api import PythonOptions
from graders.chat import JudgeOptions
from graders.choices import Choices
from graders.cli.judge import judge_notes, judge_options, warn_of_local
from graders.cli.option import (
    choice_options,
    grader_argument,
    json_option,
    layout_options,
    python_options,
)
from graders.cli.output import say, write_json
from graders.config import load_source
from graders.engine.score import MaxFailures
from graders.engine.tally import Tally
from graders.errors import StoppedError
from graders.report.terminal import console, tally_view
from graders.sandbox import Stats

__all__ = ["score"]

_SLOW_SECONDS = 1.0

_EPILOG = """\b
Examples:
  graders score grader.json rows.jsonl -o results.jsonl
  graders score job.json train.jsonl --item-path . --sample-path answer -o results.jsonl
  cat rows.jsonl | graders score grader.json - | head
\b
A row is {"item": {...}, "sample": "text" | {...}}. A result line holds index, id,
reward (null for a failed row), sub_rewards and failures, in the order of the rows."""


class _MaxFailuresType(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    name = "N|P%"

    def convert(self, value: Any, param: Any, ctx: Any) -> MaxFailures:  # noqa: ARG002
        if isinstance(value, MaxFailures):
            return value
        match = re.fullmatch(r"([0-9]+)|([0-9]+(?:\.[0-9]+)?)%", value)
        if match is None or (match[2] and float(match[2]) > 100):
            self.fail(f"{value!r} is neither a number of rows such as 10 nor a share such as 5%")
        if match[1]:
            return MaxFailures(count=int(match[1]))
        return MaxFailures(share=float(match[2]) / 100)


@click.command(epilog=_EPILOG, short_help="Score a file of rows, with a summary.")
@grader_argument
@click.argument("rows", metavar="ROWS")
@click.option(
    "-o", "--output", default="-", show_default=True, metavar="OUT", help="Where results go."
)
@layout_options
@click.option(
    "--max-failures", type=_MaxFailuresType(), help="Exit with 1 when more rows than this fail."
)
@json_option
@choice_options
@python_options
@judge_options
def score(
    grader: str,
    rows: str,
    *,
    output: str,
    item_path: str,
    sample_path: str,
    max_failures: MaxFailures | None,
    as_json: bool,
    python: PythonOptions,
    judge: JudgeOptions,
    **choices: Any,
) -> int:
    """Score every row of ROWS (JSON Lines, or - for standard input).

    The summary goes to standard output, or to standard error when the results go there. Exits with
    1 when more rows failed than --max-failures allows, or every row failed.
    """
    if grader == "-" and rows == "-":
        raise click.UsageError("Standard input (-) can be read only once.")
    loaded = load_source(grader, dialect=choices["dialect"])
    started = time.perf_counter()
    summary = sys.stderr if output == "-" else sys.stdout
    with api.Grader(loaded, choices=Choices(**choices), python=python, judge=judge) as ready:
        ready.check()
        stopped = ""
        warn_of_local(ready.plan, judge)
        try:
            with _progress(rows) as on_block:
                tally = api.score_file(
                    ready, rows, output, item_path=item_path, sample_path=sample_path,
                    max_failures=max_failures, on_block=on_block,
                )  # fmt: skip
        except StoppedError as error:
            tally, stopped = error.tally, f"{error}{_kept(output)}"
        except KeyboardInterrupt:
            say(f"interrupted{_kept(output)}")
            return 130
        seconds = time.perf_counter() - started
        if as_json:
            body = {
                **tally.to_dict(), "complete": not stopped, "name": ready.name, "type": ready.type,
                "signatures": ready.signatures, "seconds": seconds,
                "python": _python_figures(ready.python_stats),
                "judge": [one.to_dict() for one in ready.judge_stats],
            }  # fmt: skip
            write_json(body, summary)
        else:
            view = tally_view(
                tally, name=ready.name, type=ready.type, output=output,
                signatures=ready.signatures, seconds=seconds,
                notes=[*_notes(ready.python_stats), *judge_notes(tally, ready.judge_stats)],
            )  # fmt: skip
            console(summary).print(view, crop=False)
    if stopped:
        say(stopped)
        return 1
    if max_failures is not None and max_failures.exceeded(tally, ended=True):
        say(f"{tally.failed:,} of {tally.rows:,} rows failed, more than the {max_failures} allowed")
        return 1
    if tally.rows and not tally.scored:
        say("every row failed")
        return 1
    return 0


def _python_figures(stats: Stats | None) -> dict[str, Any] | None:
    if stats is None:
        return None
    return {
        "sandbox": stats.level,
        "calls": stats.calls,
        "failures": dict(stats.failures),
        "workers_started": stats.workers_started,
        "slow_calls": [{"row": one.row, "seconds": one.seconds} for one in stats.slow_calls],
    }


def _notes(stats: Stats | None) -> list[str]:
    """Say how python graders ran, and which calls were slow enough to want a look."""
    if stats is None:
        return []
    notes = [f"python: {stats.calls:,} calls in sandbox level {stats.level}"]
    if slow := [one for one in stats.slow_calls if one.seconds >= _SLOW_SECONDS][:3]:
        listed = ", ".join(f"row {one.row} ({one.seconds:.1f} s)" for one in slow)
        notes.append(f"slowest calls: {listed}")
    return notes


def _kept(output: str) -> str:
    return "" if output == "-" else f"; the finished rows are in {output}.partial"


@contextlib.contextmanager
def _progress(rows: str) -> Iterator[Callable[[Tally, int], None] | None]:
    """Show progress on standard error while rows are scored; nothing where nobody looks."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    path = Path(rows)
    size = path.stat().st_size if rows != "-" and path.is_file() else None
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    started = time.perf_counter()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("scoring", total=size)

        def on_block(tally: Tally, done: int) -> None:
            pace = tally.rows / max(time.perf_counter() - started, 1e-9)
            text = f"{tally.rows:,} rows · {pace:,.0f} rows/s · {tally.failed:,} failed"
            progress.update(task, completed=done, description=text)

        yield on_block
