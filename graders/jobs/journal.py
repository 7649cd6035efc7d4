"""What a run of a job has written down: samples, grades, steps; each exactly once.

Grades are kept a few at a time. Whatever changes what a job is comes with its events in one
transaction, and only while nobody has paused or cancelled it.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from graders import jsontext
from graders.files.database import Database
from graders.inspection.lint import Target
from graders.jobs.job import RUNNABLE, encoded
from graders.jobs.validation import JobFile
from graders.models.rollout import Rollout
from graders.tracing import WorkTrace

__all__ = ["RECORDED", "TRAIN", "VALID", "JobStoppedError", "Journal", "SampleKey", "StoredGrade"]

TRAIN: Final = 0
VALID: Final = 1
RECORDED: Final = 0
"""The draw of samples that rows record: they are the same in every epoch and evaluation."""

_AT_ONCE: Final = 1000


class JobStoppedError(Exception):
    """Somebody has paused or cancelled the job, or this process is to end."""


class SampleKey(NamedTuple):
    """Which sample: of the training or validation rows, of which epoch or step, row and number."""

    split: int
    draw: int
    line: int
    sample: int


@dataclass(frozen=True, slots=True)
class StoredGrade:
    """The grade of one sample.

    Attributes:
        key: which sample.
        reward: its reward, None where it failed.
        body: the rest, as JSON.
        seconds: how long grading took.
    """

    key: SampleKey
    reward: float | None
    body: Mapping[str, Any]
    seconds: float


class Journal:
    """The rows of one job.

    Args:
        database: the tables.
        name: the job's id.
        blobs: the folder of the files' content.
        stopping: whether this process is to end.

    Attributes:
        trace: is told of the samples that are graded meanwhile, where anybody wants to know.
        traceparent: the span of the request that created the job; "" for none.
    """

    def __init__(
        self,
        database: Database,
        name: str,
        blobs: Path,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._stopping = stopping
        with database.reading() as base:
            row = base.execute("SELECT * FROM job WHERE id=?", (name,)).fetchone()
        self.place: int = row["place"]
        self.name = name
        self.trace = WorkTrace()
        self.trains: bool = row["training"] is not None
        self.request: dict[str, Any] = jsontext.decode(row["request"])
        self.traceparent: str = row["traceparent"] or ""
        # A job of an older store has none.
        self.target: Target = self.request.get("target", "local")

    def row(self) -> sqlite3.Row:
        """Return the job's row as it is now."""
        with self._database.reading() as base:
            found: sqlite3.Row = base.execute(
                "SELECT * FROM job WHERE place=?", (self.place,)
            ).fetchone()
        return found

    def files(self) -> dict[str, JobFile | None]:
        """Return the training and the validation file, deleted ones too."""
        found: dict[str, JobFile | None] = {}
        with self._database.reading() as base:
            for use in ("training", "validation"):
                name = self.request[f"{use}_file"]
                query = "SELECT sha256, filename FROM file WHERE id=?"
                row = None if name is None else base.execute(query, (name,)).fetchone()
                found[use] = None if row is None else JobFile(name, self._blobs / name, *row)
        return found

    @contextlib.contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """Give a connection on which the job becomes what it is next.

        Raises:
            JobStoppedError: somebody has paused or cancelled it.
        """
        with self._database.writing() as base:
            self._check(base)
            yield base

    def check(self) -> None:
        """Look whether a job that is being graded may go on.

        Raises:
            JobStoppedError: somebody has paused or cancelled it, or this process is to end.
        """
        if self._stopping():
            raise JobStoppedError
        with self._database.reading() as base:
            status = self._check(base)
        if status == "queued":  # It was paused and resumed before anybody looked.
            with self.change() as base:
                base.execute("UPDATE job SET status='running' WHERE place=?", (self.place,))

    def _check(self, base: sqlite3.Connection) -> str:
        row = base.execute("SELECT status FROM job WHERE place=?", (self.place,)).fetchone()
        if row["status"] not in RUNNABLE:
            raise JobStoppedError
        return str(row["status"])

    def keys(self, split: int, draws: Iterable[int], lines: range) -> set[SampleKey]:
        """Return which samples of some rows are graded."""
        with self._database.reading() as base:
            return {
                SampleKey(split, draw, row["line"], row["sample"])
                for draw in set(draws)
                for row in base.execute(
                    "SELECT line, sample FROM grade"
                    " WHERE job=? AND split=? AND draw=? AND line BETWEEN ? AND ?",
                    (self.place, split, draw, lines.start, lines.stop - 1),
                )
            }

    def graded(self, split: int, draws: Iterable[int], lines: range) -> Iterator[StoredGrade]:
        """Yield the grades of some rows, in the order of their keys."""
        with self._database.reading() as base:
            for draw in sorted(set(draws)):
                for row in base.execute(
                    "SELECT * FROM grade WHERE job=? AND split=? AND draw=? AND line BETWEEN ? AND ?"
                    " ORDER BY line, sample",
                    (self.place, split, draw, lines.start, lines.stop - 1),
                ):
                    yield _graded(row)

    def every(self) -> Iterator[StoredGrade]:
        """Yield every grade of the job, in the order of its keys."""
        last: tuple[int, ...] = (-1, -1, -1, -1)
        while True:
            with self._database.reading() as base:
                rows = base.execute(
                    "SELECT * FROM grade WHERE job=? AND (split, draw, line, sample) > (?, ?, ?, ?)"
                    " ORDER BY split, draw, line, sample LIMIT ?",
                    (self.place, *last, _AT_ONCE),
                ).fetchall()
            for row in rows:
                yield _graded(row)
            if len(rows) < _AT_ONCE:
                return
            last = (rows[-1]["split"], rows[-1]["draw"], rows[-1]["line"], rows[-1]["sample"])

    def steps(self) -> Iterator[tuple[int, float | None, float | None]]:
        """Yield (step, mean reward in training, mean reward in the evaluation that followed)."""
        last = 0
        while True:
            with self._database.reading() as base:
                rows = base.execute(
                    "SELECT * FROM step WHERE job=? AND step > ? ORDER BY step LIMIT ?",
                    (self.place, last, _AT_ONCE),
                ).fetchall()
            for row in rows:
                yield row["step"], row["train_mean"], row["valid_mean"]
            if len(rows) < _AT_ONCE:
                return
            last = rows[-1]["step"]

    def keep_grades(self, grades: Iterable[StoredGrade]) -> None:
        """Write grades down; one that is there stays."""
        with self._database.writing() as base:
            base.executemany(
                "INSERT OR IGNORE INTO grade VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (self.place, *one.key, one.reward, encoded(one.body), one.seconds)
                    for one in grades
                ],
            )

    def rollouts(self, keys: Iterable[SampleKey]) -> dict[SampleKey, Rollout]:
        """Return those of these samples that a model has given."""
        found: dict[SampleKey, Rollout] = {}
        with self._database.reading() as base:
            for key in keys:
                row = base.execute(
                    "SELECT body FROM rollout"
                    " WHERE job=? AND split=? AND draw=? AND line=? AND sample=?",
                    (self.place, *key),
                ).fetchone()
                if row is not None:
                    found[key] = Rollout.from_dict(jsontext.decode(row["body"]))
        return found

    def keep_rollout(self, key: SampleKey, rollout: Rollout) -> None:
        """Write a sample down; one that is there stays."""
        with self._database.writing() as base:
            base.execute(
                "INSERT OR IGNORE INTO rollout VALUES (?, ?, ?, ?, ?, ?)",
                (self.place, *key, encoded(rollout.to_dict())),
            )


def _graded(row: sqlite3.Row) -> StoredGrade:
    key = SampleKey(row["split"], row["draw"], row["line"], row["sample"])
    return StoredGrade(key, row["reward"], jsontext.decode(row["body"]), row["seconds"])
