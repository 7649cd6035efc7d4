"""Looking through a store of evals: all of a list, and which ids there are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from graders import jsontext
from graders.evals.shape import shown_item
from graders.evals.store import EvalStore

__all__ = ["criteria_of_run", "every_run", "ids_of", "items_of", "to_read"]

_CHUNK: Final = 256
_PAGE: Final = 100
_FIRST: Final = 5


def ids_of(evals: EvalStore, table: Literal["eval", "run"]) -> list[str]:
    """Return the ids of all evals, or of all runs, the newest first."""
    with evals.store.database.reading() as base:
        query = f"SELECT id FROM {table} WHERE NOT gone ORDER BY place DESC"  # noqa: S608
        return [row["id"] for row in base.execute(query).fetchall()]


def items_of(evals: EvalStore, of: str, run: str) -> Iterator[dict[str, Any]]:
    """Yield a run's output items as the API shows them, in the order of its rows."""
    evals.get_run(of, run)
    last = -1
    while True:
        with evals.store.database.reading() as base:
            rows = base.execute(
                "SELECT item.* FROM item JOIN run ON item.run=run.place"
                " WHERE run.id=? AND item.place>? ORDER BY item.place LIMIT ?",
                (run, last, _CHUNK),
            ).fetchall()
        if not rows:
            return
        yield from (shown_item(row, of, run) for row in rows)
        last = rows[-1]["place"]


def criteria_of_run(evals: EvalStore, run: str) -> list[dict[str, Any]]:
    """Return the testing_criteria that a run has been graded by, with their ids."""
    with evals.store.database.reading() as base:
        row = base.execute("SELECT criteria FROM run WHERE id=?", (run,)).fetchone()
    found: list[dict[str, Any]] = jsontext.decode(row["criteria"])
    return found


def every_run(evals: EvalStore, of: str) -> list[dict[str, Any]]:
    """Return all runs of an eval, the oldest first."""
    found: list[dict[str, Any]] = []
    more, after = True, None
    while more:
        page, more = evals.list_runs(of, after=after, limit=_PAGE)
        found += page
        after = page[-1]["id"] if page else None
    return found


def to_read(evals: EvalStore, run: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the output items of a run to read first: some that have no verdict, some that failed."""
    return [
        item
        for status in ("error", "fail")
        for item in evals.list_items(run["eval_id"], run["id"], limit=_FIRST, status=status)[0]
    ]
