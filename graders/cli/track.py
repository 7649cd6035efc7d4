"""`graders track` and `graders score --track`: runs in MLflow and Weights & Biases."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from graders import jsontext
from graders.api import Grader, Progress, Run, ScoreOptions, is_direct, partial_of
from graders.batch.manifest import manifest_for, manifest_of, read_manifest
from graders.cli.help import Command, Flag
from graders.cli.option import Read, file_name
from graders.cli.output import say
from graders.config import load_source
from graders.errors import GradersError, OptionError, UnavailableError, nearest, shown
from graders.remote import named

if TYPE_CHECKING:
    from graders.adapters.tracking import Record, State, Tracker

__all__ = ["track", "track_option", "tracking"]

_SECONDS: Final = 5.0
"""Between two points of a curve."""
_KINDS: Final = ("mlflow", "wandb")

_EPILOG = """\b
Examples:
  graders track results.jsonl --to mlflow --grader grader.json
  graders track results.jsonl --to mlflow:sqlite:///mlflow.db
  graders track results.jsonl --to wandb:team/project
\b
graders score ... -o results.jsonl --track mlflow does so while it scores."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A tracker as it is asked for.

    Attributes:
        text: as it was said.
        kind: `mlflow` or `wandb`.
        place: what follows the colon, "" for nothing.
    """

    text: str
    kind: str
    place: str


def _asked(text: str) -> _Asked:
    kind, _, place = text.partition(":")
    if kind not in _KINDS:
        near = nearest(kind, _KINDS)
        hint = f"; did you mean {near}?" if near else ""
        raise ValueError(f"{text!r} is neither mlflow[:URI] nor wandb[:[ENTITY/]PROJECT]{hint}")
    parts = place.split("/")
    if kind == "wandb" and place and (len(parts) > 2 or not all(parts)):
        raise ValueError(f"{text!r} is not wandb:PROJECT or wandb:ENTITY/PROJECT")
    return _Asked(text, kind, place)


_TRACKER = Read("TRACKER", _asked)

track_option = click.option(
    "--track", multiple=True, type=_TRACKER, cls=Flag, group="Traces and trackers",
    help="Log the run to mlflow[:URI] or wandb[:[ENTITY/]PROJECT]; may be given several times.",
)  # fmt: skip
"""Adds `--track`."""


def _open(asked: _Asked) -> Tracker:
    """Return a tracker.

    Raises:
        UnavailableError: it is not installed, or cannot be used as things are.
    """
    if asked.kind == "wandb":
        from graders.adapters.wandb import WandbTracker, lacks  # noqa: PLC0415

        if why := lacks():
            hint = "; WANDB_MODE=offline keeps it on this machine" if "key" in why else ""
            raise UnavailableError(f"{asked.text}: {why}{hint}")
        entity, _, project = asked.place.rpartition("/")
        return WandbTracker(project or None, entity or None)
    if find_spec("mlflow") is None:
        raise UnavailableError(f"{asked.text} needs MLflow: pip install 'local-graders[mlflow]'")
    # A server that is away is to hold nobody up for minutes.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    from graders.adapters.mlflow import MlflowTracker  # noqa: PLC0415  (it takes seconds)

    try:
        return MlflowTracker(asked.place or None)
    except Exception as error:  # noqa: BLE001  (whatever MLflow raises of an address)
        raise UnavailableError(f"{asked.text}: {_said(error)}") from None


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {shown(str(error).partition(chr(10))[0], 300)}"


class _Tracked:
    """A run in one tracker, begun with its first rows. What a tracker cannot take stops no run.

    Args:
        asked: which.
        output: the file of results.
        name: the grader's name.
        notes: by what the run is known, by tracker.
    """

    def __init__(self, asked: _Asked, output: Path, name: str, notes: _Notes) -> None:
        self._asked, self._output, self._name, self._notes = asked, output, name, notes
        self._tracker: Tracker | None = _open(asked)
        self._begun = False
        self._told = time.monotonic()

    def note(
        self, rows: int, figures: Callable[[], Mapping[str, float]], *, resumed: bool, last: bool = False
    ) -> None:  # fmt: skip
        """Tell figures, now and then."""
        if self._begun and not last and time.monotonic() - self._told < _SECONDS:
            return
        self._begin(resumed=resumed)
        self._try(lambda tracker: tracker.step(rows, figures()))
        self._told = time.monotonic()

    def end(self, record: Callable[[], Record] | None, state: State, *, resumed: bool) -> None:
        """Tell the rest, where there is a record of it, and where it can be looked at."""
        self._begin(resumed=resumed)
        told = self._try(lambda tracker: tracker.finish(record() if record else None, state))
        if told:
            say(f"tracked by {self._asked.kind}: {told}")

    def _begin(self, *, resumed: bool) -> None:
        if self._begun:
            return
        self._begun = True
        manifest = _manifest(self._output)
        from graders.adapters.tracking import settings_of  # noqa: PLC0415

        settings = {} if manifest is None else settings_of(manifest)
        known = self._notes.known(self._asked.text, resumed=resumed)
        found = self._try(lambda tracker: tracker.begin(self._name, settings, known))
        if found:
            self._notes.keep(self._asked.text, found)

    def _try(self, act: Callable[[Tracker], str | None]) -> str | None:
        if self._tracker is None:
            return None
        try:
            return act(self._tracker)
        except GradersError:
            raise
        except Exception as error:  # noqa: BLE001  (whatever a tracker's library raises)
            self._tracker = None
            say(
                f"note: {self._asked.text} takes nothing more ({_said(error)}); the run goes on, "
                f"and graders track {self._output} --to {self._asked.text} tells all of it when it is done"
            )
            return None


@contextmanager
def tracking(
    asked: Sequence[_Asked], output: str, grader: Grader, options: ScoreOptions
) -> Iterator[_Scoring]:
    """Give what tells trackers of a run of `graders score`; they are told how it ended in any case.

    Raises:
        OptionError: the results are nowhere that a tracker could take them from.
        UnavailableError: a tracker is not installed, or cannot be used as things are.
    """
    place = named(output)
    here = isinstance(place, Path) and not (
        is_direct(place) or place.is_dir() or output.endswith("/")
    )
    if asked and (not here or options.shards or options.shard is not None):
        raise OptionError(
            f"--track takes results from a file of this machine, and {output} is none; score to one (-o), or "
            "graders merge makes one of parts, and graders track tells of it"
        )
    target, notes = Path(output), _Notes(Path(output))
    runs = [_Tracked(one, target, grader.name, notes) for one in asked]
    scoring = _Scoring(runs, target, grader)
    try:
        yield scoring
    except KeyboardInterrupt:
        scoring.end(None, "stopped")
        raise
    except BaseException as error:
        scoring.end(getattr(error, "run", None), "failed")
        raise


class _Scoring:
    """One run in all trackers that were asked for."""

    def __init__(self, runs: Sequence[_Tracked], output: Path, grader: Grader) -> None:
        self._runs, self._output, self._grader = runs, output, grader
        self._resumed = self._seen = False

    def around(self, on_progress: Callable[[Progress], None] | None) -> Any:
        """Return what is told how far a run is, and passes it on."""
        if not self._runs:
            return on_progress

        def note(now: Progress) -> None:
            from graders.adapters.tracking import figures_of  # noqa: PLC0415

            self._seen, self._resumed = True, now.tally.rows > now.scored_now
            for one in self._runs:
                one.note(
                    now.tally.rows, partial(figures_of, now.tally, now.paid), resumed=self._resumed
                )
            if on_progress is not None:
                on_progress(now)

        return note

    def end(self, run: Run | None, state: State = "finished") -> None:
        """Tell how a run ended; of one that did not come to its first row nothing is told."""
        if not self._runs or not (self._seen or (run is not None and run.complete)):
            return
        from graders.adapters.tracking import figures_of, record_of  # noqa: PLC0415

        whole = run if run is not None and run.complete else None
        if run is not None and whole is None:
            for one in self._runs:
                one.note(
                    run.tally.rows,
                    partial(figures_of, run.tally, run.paid),
                    resumed=self._resumed,
                    last=True,
                )
        record = whole and (
            lambda: record_of(self._output, self._grader, tally=whole.tally, paid=whole.paid)
        )
        for one in self._runs:
            one.end(record or None, state, resumed=self._resumed or bool(whole and whole.resumed))


def _manifest(output: Path) -> dict[str, Any] | None:
    """Return the manifest of results that are being written, or that are there."""
    partial = read_manifest(manifest_of(partial_of(output)))
    return manifest_for(output) if partial is None else partial


class _Notes:
    """By what a run is known in each tracker, kept beside its results, so that one that is resumed goes on there."""

    def __init__(self, output: Path) -> None:
        self._path = output.with_name(f"{output.name}.tracked.json")
        self._found: dict[str, str] | None = None

    def known(self, tracker: str, *, resumed: bool) -> str | None:
        """Return by what the run is known; None for a new one."""
        if self._found is None:
            self._found = _read(self._path) if resumed else {}
        return self._found.get(tracker)

    def keep(self, tracker: str, name: str) -> None:
        """Write down by what the run is known."""
        self._found = {**(self._found or {}), tracker: name}
        try:
            self._path.write_bytes(jsontext.encode(self._found, indent=True) + b"\n")
        except OSError as error:
            say(
                f"note: {self._path} cannot be written ({error.strerror}): resumed, this is another run"
            )


def _read(path: Path) -> dict[str, str]:
    try:
        found = jsontext.decode(path.read_bytes())
    except (OSError, ValueError):
        return {}
    fits = isinstance(found, dict) and all(isinstance(one, str) for one in found.values())
    return found if fits else {}


@click.command(
    cls=Command, first=("to", "grader"), epilog=_EPILOG,
    short_help="Log results to MLflow or Weights & Biases.",
)  # fmt: skip
@click.argument("results", metavar="RESULTS", type=file_name)
@click.option(
    "--to", required=True, multiple=True, type=_TRACKER, cls=Flag, group="Results",
    help="mlflow[:URI] or wandb[:[ENTITY/]PROJECT]; may be given several times.",
)  # fmt: skip
@click.option(
    "--grader", metavar="GRADER", cls=Flag, group="Results", help="The grader, for its JSON."
)
def track(results: str, *, to: Sequence[_Asked], grader: str | None) -> int:
    """Log RESULTS, a file that graders score or graders merge wrote, as a run.

    Settings, figures with 95% intervals, the grader's JSON, the manifest and the results go there, and the
    first 10,000 rows as a table. No text of a row does, but for ids and what failures quote.
    """
    from graders.adapters.tracking import record_of  # noqa: PLC0415

    place = named(results)
    if not isinstance(place, Path):
        raise OptionError(
            f"{results}: graders track reads a file of this machine; copy it here first"
        )
    trackers = [_open(one) for one in to]
    known = None if grader is None else Grader(load_source(grader))
    record = record_of(place, known)
    for asked, tracker in zip(to, trackers, strict=True):
        try:
            tracker.begin(record.name, record.settings, None)
            say(f"tracked by {asked.kind}: {tracker.finish(record, 'finished')}")
        except Exception as error:
            if isinstance(error, GradersError):
                raise
            raise UnavailableError(f"{asked.text}: {_said(error)}") from None
    return 0
