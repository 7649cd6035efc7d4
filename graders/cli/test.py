"""`graders test`: unit tests of rewards, from suite files."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Group
from rich.text import Text

from graders.cli.face import Face, face_options
from graders.cli.option import flags
from graders.cli.output import say_notes, write_bytes
from graders.cli.usage import Somewhere
from graders.errors import GradersError, OptionError
from graders.remote import Place
from graders.sandbox import PythonOptions

if TYPE_CHECKING:
    from graders.report.suite import SuiteRun

__all__ = ["run_suite", "test"]

_EPILOG = """\b
Examples:
  graders test samples/partial-credit
  graders test tests --junit report.xml --min-coverage 90
  graders test reward.graders.yaml --update

A suite is a file *.graders.yaml, *.graders.yml or *.graders.json: a grader, cases,
orderings and invariances. graders schema --suite prints its JSON Schema."""


@click.command(epilog=_EPILOG, short_help="Run unit tests of rewards.")
@click.argument("paths", nargs=-1, metavar="PATH...", type=Somewhere())
@click.option("-k", "words", metavar="TEXT", help="Only tests with this text in their name.")
@click.option("--update", is_flag=True, help="Write what came into the suite where it differs.")
@click.option(
    "--record", is_flag=True, help="Ask the judges though a suite is offline; keep their replies."
)
@click.option(
    "--coverage/--no-coverage", default=True, show_default=True,
    help="Follow which parts of the grader the tests reach.",
)  # fmt: skip
@click.option(
    "--min-coverage", type=click.FloatRange(0, 100), metavar="PERCENT",
    help="Fail when a suite reaches less of its grader.",
)  # fmt: skip
@click.option(
    "--junit", metavar="FILE", type=Somewhere(dir_okay=False),
    help="Also write JUnit XML, which CI systems read.",
)  # fmt: skip
@flags(PythonOptions, "sandbox", "python")
@face_options
def test(
    paths: Sequence[Place],
    *,
    words: str | None,
    update: bool,
    coverage: bool,
    min_coverage: float | None,
    junit: Place | None,
    face: Face,
    **running: Any,
) -> int:
    """Run the suites that PATHs are or hold; the current folder without a PATH.

    Exits with 1 when a test fails or too little is covered, with 2 when a suite has faults.
    """
    from graders.report.suite import junit_xml, suite_json, suite_view, total_view  # noqa: PLC0415
    from graders.suite import find_suites  # noqa: PLC0415  (other commands need not load it)

    if min_coverage is not None and (words is not None or not coverage):
        raise click.UsageError("--min-coverage needs all tests and their coverage.")
    started = time.perf_counter()
    runs = [
        run_suite(path, words=words, update=update, coverage=coverage, running=running)
        for path in find_suites(paths or [Path()])
    ]
    if words is not None and not any(run.outcomes or run.error for run in runs):
        raise OptionError(f"no test has {words!r} in its name")
    if words is not None:
        runs = [run for run in runs if run.outcomes or run.error]
    short = [
        run
        for run in runs
        if min_coverage is not None
        and run.coverage is not None
        and 100 * run.coverage.share < min_coverage
    ]
    if junit is not None:
        write_bytes(junit, [junit_xml(runs)], make_folder=True)
    body = {
        "passed": not any(run.failed or run.error for run in runs) and not short,
        "suites": [suite_json(run) for run in runs],
        "below_min_coverage": [run.path for run in short],
    }
    less = [
        Text(f"{run.path}: less than {min_coverage:g}% is covered", "bold red") for run in short
    ]
    total = total_view(runs, time.perf_counter() - started)
    face.write(Group(*map(suite_view, runs), *less, total), body, "graders test", sys.stdout)
    if any(run.error for run in runs):
        return 2
    return 1 if short or any(run.failed for run in runs) else 0


def run_suite(
    path: Place, *, words: str | None, update: bool, coverage: bool, running: Mapping[str, Any]
) -> SuiteRun:
    """Run one suite; one that cannot be run does not keep the others from it."""
    from graders.report.suite import SuiteRun  # noqa: PLC0415
    from graders.suite import Bench, load_suite, rewrite  # noqa: PLC0415

    try:
        suite = load_suite(path, **running)
        wanted = [
            one for one in suite.tests if words is None or words.casefold() in one.name.casefold()
        ]
        with Bench(suite, covering=coverage) as bench:
            outcomes = [bench.run(one) for one in wanted]
            covered, notes = bench.coverage, bench.notes
        say_notes(f"{path}: {note}" for note in notes)
        rewritten = rewrite(suite, outcomes) if update else None
    except GradersError as error:
        return SuiteRun(path=str(path), error=str(error))
    return SuiteRun(
        path=str(path), outcomes=outcomes, coverage=covered, rewrite=rewritten,
        grader=suite.grader.file,
    )  # fmt: skip
