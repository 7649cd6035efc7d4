"""`graders watch`: grades again on save, and shows what changed."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from rich.console import RenderableType

from graders import api, jsontext
from graders.api import PythonOptions, ScoreOptions
from graders.cli.help import Command, Flag
from graders.cli.judge import judge_options, warn_of_judges
from graders.cli.option import (
    file_name,
    json_option,
    layout_options,
    python_options,
    reading_options,
)
from graders.cli.output import as_wide_as, say
from graders.cli.test import run_suite
from graders.config import load_source
from graders.errors import GradersError, OptionError
from graders.inspection.moved import Graded, grade_rows
from graders.models import JudgeOptions
from graders.reading import Reading
from graders.report.terminal import write_view
from graders.rows import decode_block, find_source
from graders.suite import ENDINGS, find_suites

if TYPE_CHECKING:
    from graders.report.suite import SuiteRun

__all__ = ["rounds", "watch"]

_EPILOG = """\b
Examples:
  graders watch grader.json rows.jsonl
  graders watch grader.json rows.jsonl tests.graders.yaml
  graders watch tests.graders.yaml

Ctrl-C ends it."""

_SETTLED: Final = 10
"""Times that a file may be another in a row before it is read although it still changes."""


@click.command(
    cls=Command,
    first=("limit", "show", "interval", "as_json", "item_path", "sample_path", "base_url", "model_map"),
    epilog=_EPILOG, short_help="Grade again on save; show what changed.",
)  # fmt: skip
@click.argument(
    "paths", metavar="GRADER ROWS... or SUITE...", type=file_name, nargs=-1, required=True
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    metavar="N",
    help="Grade the first N rows only.",
    cls=Flag,
    group="Rows and samples",
)
@click.option(
    "--show",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    metavar="N",
    help="List at most so many rows that moved.",
    cls=Flag,
    group="Results",
)
@click.option(
    "--interval",
    type=click.FloatRange(min=0.05),
    default=0.3,
    show_default=True,
    metavar="SECONDS",
    help="Look at the files this often.",
    cls=Flag,
    group="Speed and resuming",
)
@layout_options
@json_option
@reading_options
@python_options
@judge_options
def watch(
    paths: Sequence[str],
    *,
    limit: int,
    show: int,
    interval: float,
    reads: ScoreOptions,
    as_json: bool,
    python: PythonOptions,
    judge: JudgeOptions,
    reading: Reading,
) -> int:
    """Grade ROWS whenever a file is saved, and show the rows whose reward moved.

    What is compared with is the last time that all could be read: a file that is saved half, or has
    faults, is said in a sentence and waited for. Suites (*.graders.yaml) run again, too.
    Models are asked again where no cache has their replies: name one by --cache-file.
    """
    suites = [Path(one) for one in paths if one.endswith(ENDINGS)]
    grader, *rows = [one for one in paths if not one.endswith(ENDINGS)] or [""]
    if "-" in paths:
        raise click.UsageError("Standard input (-) is read only once; name files.")
    if elsewhere := [one for one in paths if "://" in one]:
        raise click.UsageError(
            f"{elsewhere[0]} is no file of this machine, and only those are watched."
        )
    if grader and not rows:
        raise click.UsageError(f"Missing ROWS for {grader}; a suite names its grader itself.")
    shown = _Shown(
        grader=grader, rows=rows, suites=suites, limit=limit, most=show, as_json=as_json,
        options={"reading": reading, "python": python, "judge": judge}, layout=reads.layout,
    )  # fmt: skip
    shown.check()
    try:
        for changed in rounds(shown.files, lambda: _wait(interval)):
            shown.again(changed)
    except KeyboardInterrupt:
        return 0  # The way it ends.
    return 0


def rounds(files: Callable[[], Iterable[Path]], wait: Callable[[], object]) -> Iterator[list[Path]]:
    """Yield the files that are other than they were; at first all, then only where one's bytes are.

    Args:
        files: which to look at, asked each time: a suite may name another grader now.
        wait: returns when it is time to look again.
    """
    known = {path: _read(path) for path in files()}
    yield list(known)
    while True:
        wait()
        now = {path: _stamp(path) for path in files()}
        if now == {path: stamp for path, (stamp, _) in known.items()}:
            continue
        for _ in range(_SETTLED):  # Somebody may still be writing.
            wait()
            if now == (now := {path: _stamp(path) for path in files()}):
                break
        found = {path: _read(path) for path in now}
        changed = [
            path for path, (_, digest) in found.items() if known.get(path, ("", ""))[1] != digest
        ]
        known = found
        if changed:
            yield changed


def _wait(seconds: float) -> None:
    time.sleep(seconds)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino)


def _read(path: Path) -> tuple[tuple[int, int, int] | None, str]:
    """Return a file's stamp and the digest of its bytes; "" for one that cannot be read.

    The stamp is taken first: what is written meanwhile is seen the next time.
    """
    stamp = _stamp(path)
    try:
        with path.open("rb") as file:
            return stamp, hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return stamp, ""


@dataclass(kw_only=True)
class _Shown:
    """What is watched, and what was seen of it last.

    Attributes:
        grader: the grader's file; "" for suites alone.
        rows: files of rows.
        suites: suite files.
        limit: rows that are graded at the most.
        most: rows that are listed at the most.
        as_json: whether lines of JSON are written.
        options: what a `Grader` takes besides its config.
        layout: where items and samples stand.
        before: the rows when they could last be graded.
        named: the grader of each suite.
        tested: what each suite gave when it could last be run.
        times: how often all of it was looked at.
    """

    grader: str
    rows: Sequence[str]
    suites: Sequence[Path]
    limit: int
    most: int
    as_json: bool
    options: Mapping[str, Any]
    layout: Any
    before: Graded | None = None
    named: dict[Path, Path] = field(default_factory=dict)
    tested: dict[Path, SuiteRun] = field(default_factory=dict)
    times: int = 0

    def check(self) -> None:
        """Refuse files that are not there: nobody waits for a mistyped name.

        Raises:
            GradersError: one is not; the message names the nearest.
        """
        if self.grader and not Path(self.grader).exists():
            load_source(self.grader)
        if self.rows:
            find_source(self.rows)
        if self.suites:
            find_suites(self.suites)

    def files(self) -> list[Path]:
        """Return the files to look at: those named, and the graders that suites name."""
        own = [Path(self.grader)] if self.grader else []
        try:
            found = find_source(self.rows).paths if self.rows else ()
            matching = [path for path in found if isinstance(path, Path)]
        except GradersError:
            matching = []
        named = [Path(one) for one in self.rows]
        return list(dict.fromkeys([*own, *named, *matching, *self.suites, *self.named.values()]))

    def again(self, changed: Sequence[Path]) -> None:
        """Grade, run the suites, and show what came."""
        names = [str(path) for path in changed]
        self.times += 1
        self._say(
            f"\n{', '.join(names)} changed"
            if self.times > 1
            else f"watching {', '.join(names)}; Ctrl-C ends it"
        )
        if self.grader:
            try:
                self._grade(names)
            except GradersError as error:
                self._wrong(error)
        for suite in self.suites:
            self._test(suite)

    def _grade(self, changed: Sequence[str]) -> None:
        from graders.report.watch import round_json, round_view  # noqa: PLC0415

        loaded = load_source(self.grader, dialect=self.options["reading"].dialect)
        with api.Grader(loaded, **self.options) as ready:
            ready.check()
            if self.before is None:
                warn_of_judges(ready.plan, self.options["judge"])
            blocks = find_source(self.rows).blocks(1 << 18)
            chunks = (decode_block(block, self.layout) for block in blocks)
            after = grade_rows(ready, chunks, self.limit)
            name, kind = ready.name, ready.type
        before, self.before = self.before, after
        self._show(
            round_view(name, kind, after, before, most=self.most),
            round_json(changed, after, before),
        )

    def _test(self, path: Path) -> None:
        from graders.report.suite import suite_json  # noqa: PLC0415
        from graders.report.watch import tested_view  # noqa: PLC0415

        running = {
            "sandbox": self.options["python"].sandbox,
            "python": self.options["python"].interpreter,
        }
        run = run_suite(path, words=None, update=False, coverage=False, running=running)
        if run.grader:
            self.named[path] = Path(run.grader)
        self._show(tested_view(run, self.tested.get(path)), {"event": "tested", **suite_json(run)})
        if not run.error:
            self.tested[path] = run

    def _show(self, view: RenderableType, body: Mapping[str, Any]) -> None:
        if self.as_json:
            click.echo(jsontext.encode(dict(body)).decode())
        else:
            write_view(view, sys.stdout)
        sys.stdout.flush()

    def _say(self, text: str) -> None:
        if not self.as_json:
            click.echo(as_wide_as(sys.stdout, text))

    def _wrong(self, error: GradersError) -> None:
        from graders.report.watch import one_sentence  # noqa: PLC0415

        if isinstance(error, OptionError):
            raise error
        if self.as_json:
            self._show("", {"event": "error", "message": one_sentence(error)})
        else:
            say(one_sentence(error))
