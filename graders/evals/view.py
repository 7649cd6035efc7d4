"""What pages show of the evals of a store: in short, without the rows that runs hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from graders.errors import quoted
from graders.evals.overview import STATUSES, haystack, record, status_in
from graders.evals.shape import shown_eval, shown_item, shown_run
from graders.evals.sheet import light_run, sheet, two_sheets
from graders.evals.store import EvalStore
from graders.files.database import Database
from graders.wire.error import refused

__all__ = ["EvalView", "RowQuery", "StoredItems"]

_BLOCK: Final = 64
_RUN: Final = (
    "run.place, run.id, run.created_at, run.status, run.name, run.metadata, run.model,"
    " run.counts, run.error, run.finished_at, '{}' AS source"
)
_RANK: Final[Mapping[str, int]] = {"error": 0, "fail": 1, "pass": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class RowQuery:
    """Which output items of a run are wanted.

    Attributes:
        status: `pass`, `fail` or `error`; None for all.
        criterion: the id of the criterion whose verdict that is; None for the item's own.
        search: words that all stand in the item, the answer, or a reason.
        first: whether those to read first come first: errors, then failures; else the rows' order.
        skip: how many are on pages before.
        limit: how many at most.
    """

    status: str | None = None
    criterion: str | None = None
    search: str = ""
    first: bool = False
    skip: int = 0
    limit: int = 50

    def __post_init__(self) -> None:
        if self.status is not None and self.status not in STATUSES:
            raise refused(f"status is pass, fail or error, got {quoted(self.status)}", "status")

    def fits(self, item: Mapping[str, Any]) -> bool:
        """Whether an output item is one of those."""
        if self.status is not None and self.criterion is not None:
            said = {str(one.get("name")): status_in(one) for one in item["results"]}
            if said.get(self.criterion) != self.status:
                return False
        words = self.search.lower().split()
        if not words:
            return True
        text = haystack(item)
        return all(word in text for word in words)


class StoredItems:
    """The output items of a run in a store.

    Args:
        database: the tables.
        of: the eval's id.
        run: the id of a run that is there.
    """

    def __init__(self, database: Database, of: str, run: str) -> None:
        self._database = database
        self._of, self._run = of, run
        with database.reading() as base:
            row = base.execute("SELECT place FROM run WHERE id=?", (run,)).fetchone()
        self._place: int = row["place"]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Return all, in the order of their rows; others may read and write meanwhile."""
        query = "SELECT * FROM item WHERE run=? AND place>? ORDER BY place LIMIT ?"
        last = -1
        while True:
            with self._database.reading() as base:
                rows = base.execute(query, (self._place, last, _BLOCK)).fetchall()
            for row in rows:
                yield shown_item(row, self._of, self._run)
            if len(rows) < _BLOCK:
                return
            last = rows[-1]["place"]

    def at(self, places: Iterable[int]) -> dict[int, dict[str, Any]]:
        """Return those at some places."""
        query = "SELECT * FROM item WHERE run=? AND place=?"
        found = {}
        with self._database.reading() as base:
            for place in places:
                row = base.execute(query, (self._place, place)).fetchone()
                if row is not None:
                    found[place] = shown_item(row, self._of, self._run)
        return found

    def statuses(self) -> list[tuple[int, str]]:
        """Return each one's place and status, in the order of their rows."""
        query = "SELECT place, status FROM item WHERE run=? ORDER BY place"
        with self._database.reading() as base:
            return [tuple(row) for row in base.execute(query, (self._place,))]

    def find(self, query: RowQuery) -> dict[str, Any]:
        """Return a page of lines for a table, and how many there are in all."""
        if query.search.strip() or query.criterion is not None:
            found = [(one["datasource_item_id"], one["status"]) for one in self if query.fits(one)]
        else:
            found = self.statuses()
        if query.criterion is None and query.status is not None:
            found = [one for one in found if one[1] == query.status]
        if query.first:
            found.sort(key=lambda one: _RANK.get(one[1], 0))
        places = [place for place, _ in found[query.skip : query.skip + query.limit]]
        here = self.at(places)
        rows = [record(here[place]) for place in places if place in here]
        return {"rows": rows, "total": len(found)}


class EvalView(EvalStore):
    """The evals of a store as pages show them."""

    def newest(self, skip: int, limit: int) -> dict[str, Any]:
        """Return evals, the newest first, each with how many runs it has and the last of them."""
        with self._database.reading() as base:
            rows = base.execute(
                "SELECT *, (SELECT count(*) FROM run WHERE eval=eval.place AND NOT run.gone) AS runs"
                " FROM eval WHERE NOT gone ORDER BY place DESC LIMIT ? OFFSET ?",
                (limit + 1, skip),
            ).fetchall()
            query = f"SELECT {_RUN} FROM run WHERE eval=? AND NOT gone ORDER BY place DESC LIMIT 1"  # noqa: S608
            data = []
            for row in rows[:limit]:
                last = base.execute(query, (row["place"],)).fetchone()
                shown = shown_eval(row)
                data.append(
                    {
                        **{name: shown[name] for name in ("id", "name", "created_at")},
                        "criteria": len(shown["testing_criteria"]),
                        "runs": row["runs"],
                        "last": None if last is None else _light(last, row["id"]),
                    }
                )
        return {"data": data, "has_more": len(rows) > limit}

    def newest_runs(self, of: str, skip: int, limit: int) -> dict[str, Any]:
        """Return an eval with its runs, the newest first.

        Raises:
            ApiError: there is no such eval (404).
        """
        shown = self.get(of)
        with self._database.reading() as base:
            rows = base.execute(
                f"SELECT {_RUN} FROM run JOIN eval ON run.eval=eval.place"  # noqa: S608
                " WHERE eval.id=? AND NOT run.gone ORDER BY run.place DESC LIMIT ? OFFSET ?",
                (of, limit + 1, skip),
            ).fetchall()
        runs = [_light(row, of) for row in rows[:limit]]
        return {"eval": shown, "runs": runs, "has_more": len(rows) > limit}

    def items(self, of: str, run: str) -> StoredItems:
        """Return a run's output items.

        Raises:
            ApiError: there is no such eval, or it has no such run (404).
        """
        self.get_run(of, run)
        return StoredItems(self._database, of, run)

    def sheet(self, of: str, run: str, other: str | None = None) -> dict[str, Any]:
        """Return what the report page of a run shows, or that of two runs.

        Raises:
            ApiError: there is no such eval, or it has no such run (404).
        """
        shown = self.get(of)
        sides = [
            (self.get_run(of, one), StoredItems(self._database, of, one))
            for one in (run, other)
            if one is not None
        ]
        if other is None:
            return sheet(shown, *sides[0])
        return two_sheets(shown, *sides)


def _light(row: Any, of: str) -> dict[str, Any]:
    return {**light_run(shown_run(row, of)), "finished_at": row["finished_at"]}
