"""What a run has written down: answers and output items, each exactly once, and what they add up to."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from graders import jsontext
from graders.evals.shape import Counts, item_id
from graders.files.database import Database
from graders.models.rollout import Rollout

__all__ = ["Finished", "Journal", "RunStoppedError"]

_RUNNABLE: Final = ("queued", "in_progress")


class RunStoppedError(Exception):
    """Somebody has canceled or deleted the run, or this process is to end."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A row that is done.

    Attributes:
        place: its number in the run, from 0.
        status: `pass`, `fail` or `error`.
        body: item, results and sample, as the output item shows them.
        usage: by model, calls, prompt tokens, completion tokens and cached tokens.
    """

    place: int
    status: str
    body: Mapping[str, Any]
    usage: Mapping[str, Sequence[int]]


class Journal:
    """The rows of one run.

    Args:
        database: the tables.
        name: the run's id.
        stopping: whether this process is to end.

    Attributes:
        name: the run's id.
        place: the run's place in its table.
    """

    def __init__(
        self, database: Database, name: str, stopping: Callable[[], bool] = lambda: False
    ) -> None:
        self._database = database
        self._stopping = stopping
        self.name = name
        self.place: int = self.row()["place"]

    def row(self) -> sqlite3.Row:
        """Return the run's row as it is now."""
        with self._database.reading() as base:
            found: sqlite3.Row = base.execute(
                "SELECT * FROM run WHERE id=?", (self.name,)
            ).fetchone()
        return found

    def file(self) -> dict[str, Any] | None:
        """Return the id, sha256 and name of the file that the run reads, a deleted one too."""
        query = "SELECT file.id, sha256, filename FROM file JOIN run ON run.file=file.id WHERE run.place=?"
        with self._database.reading() as base:
            found = base.execute(query, (self.place,)).fetchone()
        return None if found is None else dict(found)

    def check(self) -> None:
        """Look whether the run may go on, and say that it is in progress.

        Raises:
            RunStoppedError: somebody has canceled or deleted it, or this process is to end.
        """
        if self._stopping():
            raise RunStoppedError
        with self._database.reading() as base:
            status = self._status(base)
        if status == "queued":
            with self._database.writing() as base:
                self._status(base)
                base.execute("UPDATE run SET status='in_progress' WHERE place=?", (self.place,))

    def _status(self, base: sqlite3.Connection) -> str:
        row = base.execute("SELECT status FROM run WHERE place=?", (self.place,)).fetchone()
        if row["status"] not in _RUNNABLE:
            raise RunStoppedError
        return str(row["status"])

    def done(self, rows: range) -> set[int]:
        """Return which of these rows are done."""
        query = "SELECT place FROM item WHERE run=? AND place>=? AND place<?"
        with self._database.reading() as base:
            found = base.execute(query, (self.place, rows.start, rows.stop)).fetchall()
        return {row["place"] for row in found}

    def answers(self, places: Iterable[int]) -> dict[int, Rollout]:
        """Return the answers that a model has given to some rows."""
        found: dict[int, Rollout] = {}
        query = "SELECT body FROM answer WHERE run=? AND place=?"
        with self._database.reading() as base:
            for place in places:
                row = base.execute(query, (self.place, place)).fetchone()
                if row is not None:
                    found[place] = Rollout.from_dict(jsontext.decode(row["body"]))
        return found

    def keep_answer(self, place: int, answer: Rollout) -> None:
        """Write an answer down; one that is there stays."""
        text = jsontext.encode(answer.to_dict()).decode()
        with self._database.writing() as base:
            base.execute("INSERT OR IGNORE INTO answer VALUES (?, ?, ?)", (self.place, place, text))

    def keep(self, rows: Sequence[Finished]) -> None:
        """Write rows down with what they add to the run's figures; those that are there stay.

        Raises:
            RunStoppedError: the run was deleted meanwhile.
        """
        now = int(time.time())
        with self._database.writing() as base:
            run = base.execute(
                "SELECT counts, gone FROM run WHERE place=?", (self.place,)
            ).fetchone()
            if run["gone"]:
                raise RunStoppedError
            counts = Counts.of(jsontext.decode(run["counts"]))
            for one in rows:
                text = jsontext.encode(one.body).decode()
                made = base.execute(
                    "INSERT OR IGNORE INTO item VALUES (?, ?, ?, ?, ?, ?)",
                    (self.place, one.place, item_id(self.name, one.place), now, one.status, text),
                )
                base.execute("DELETE FROM answer WHERE run=? AND place=?", (self.place, one.place))
                if made.rowcount:
                    counts.add(one.status, one.body["results"])
                    for model, used in one.usage.items():
                        counts.use(model, used)
            base.execute(
                "UPDATE run SET counts=? WHERE place=?",
                (jsontext.encode(counts.to_dict()).decode(), self.place),
            )

    def finish(self) -> None:
        """Say that the run is complete, unless somebody was faster to cancel it.

        Raises:
            RunStoppedError: somebody was.
        """
        self._end("completed", None)

    def fail(self, code: str, message: str) -> None:
        """Say that the run cannot go on, and why; unless somebody was faster to cancel it.

        Raises:
            RunStoppedError: somebody was.
        """
        self._end("failed", {"code": code, "message": message})

    def _end(self, status: str, error: Mapping[str, str] | None) -> None:
        text = None if error is None else jsontext.encode(error).decode()
        with self._database.writing() as base:
            self._status(base)
            base.execute(
                "UPDATE run SET status=?, finished_at=?, error=? WHERE place=?",
                (status, int(time.time()), text, self.place),
            )
