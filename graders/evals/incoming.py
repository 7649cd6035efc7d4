"""Bringing exported evals into a store: whole, with their ids and dates, as often as one likes."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any, Final

from graders import jsontext
from graders.evals.brought import Brought, FilePutter, Tally
from graders.evals.match import place_of
from graders.evals.move import Piece
from graders.evals.normal import EvalRow, ItemRow, RunRow, read_eval, read_item, read_run, safe_id
from graders.evals.parcel import Parcel
from graders.evals.shape import Counts, item_id
from graders.jobs import Store

__all__ = ["bring"]

MADE_UP: Final = "made from its output items or runs; it was not among the imported files itself"
_NOTES: Final = 40


def bring(
    store: Store, parcel: Parcel, *, replace: bool = False,
    on_item: Callable[[int, int], None] = lambda _, __: None,
) -> Brought:  # fmt: skip
    """Put what files hold into a store, all of it or nothing but files of rows.

    Args:
        store: where to.
        parcel: what the files hold.
        replace: whether what is in the store already and differs gives way.
        on_item: told how many output items of how many are in.

    Raises:
        ApiError: the store cannot be used (503, 507), or is too large (413).
    """
    done = Brought(notes=list(parcel.notes), problems=list(parcel.broken))
    evals, runs = _gathered(parcel, done)
    FilePutter(store, parcel, done, {one.file for one in runs.values() if one.file}).put()
    with store.database.writing() as base:
        store.check_room(base)
        _Importer(base, done, evals, runs, replace=replace).put(parcel, on_item)
    return done


def _gathered(parcel: Parcel, done: Brought) -> tuple[dict[str, EvalRow], dict[str, RunRow]]:
    """Return evals and runs by their ids; of those that come twice, the one that says more."""
    evals: dict[str, EvalRow] = {}
    runs: dict[str, RunRow] = {}
    for piece in parcel.found:
        if piece.kind == "eval":
            made = read_eval(piece)
            if (other := evals.get(made.id)) is not None and other != made:
                done.note(f"the eval {made.id} comes twice and differs; the later one counts")
            evals[made.id] = made
        elif piece.kind == "run":
            run = read_run(piece)
            before = runs.get(run.id)
            if before is not None and before != run:
                done.note(
                    f"the run {run.id} comes twice and differs; the finished, else the later one counts"
                )
                if before.status != "canceled" and run.status == "canceled":
                    continue
            runs[run.id] = run
    said = [*(one.notes for one in evals.values()), *(one.notes for one in runs.values())]
    for says in chain.from_iterable(said):
        done.note(says)
    return evals, runs


class _Importer:
    """One import, inside of one transaction."""

    def __init__(
        self, base: sqlite3.Connection, done: Brought, evals: dict[str, EvalRow],
        runs: dict[str, RunRow], *, replace: bool,
    ) -> None:  # fmt: skip
        self._base = base
        self._done = done
        self._evals = evals
        self._runs = runs
        self._replace = replace
        self._now = int(time.time())
        self._places: dict[str, _Place] = {}

    def put(self, parcel: Parcel, on_item: Callable[[int, int], None]) -> None:
        """Put everything there: evals before their runs, runs before their items."""
        for one in self._evals.values():
            self._eval(one)
        for run in self._runs.values():
            self._run(run)
        for count, piece in enumerate(parcel.items_of(), 1):
            self._item(piece)
            on_item(count, parcel.items)
        for name, place in self._places.items():
            self._finish(name, place)

    # -- evals -------------------------------------------------------------------------------

    def _eval(self, one: EvalRow, *, made_up: bool = False) -> None:
        values = (
            one.created_at or self._now, one.name, _text(one.metadata), _text(one.source),
            _text(one.criteria),
        )  # fmt: skip
        found = self._base.execute("SELECT * FROM eval WHERE id=?", (one.id,)).fetchone()
        self._done.runs_of.setdefault(one.id, [])
        if found is None:
            self._base.execute(
                "INSERT INTO eval (id, updated_at, created_at, name, metadata, source, criteria)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (one.id, values[0], *values),
            )
            self._done.evals.new += 1
            return
        if made_up:
            return
        names = ("created_at", "name", "metadata", "source", "criteria")
        if one.created_at is None:
            values = (found["created_at"], *values[1:])
        differ = [n for n, value in zip(names, values, strict=True) if not _same(found[n], value)]
        standing_in = MADE_UP in (found["metadata"] or "")
        if not self._may_replace(
            f"the eval {one.id}", differ, found, self._done.evals, standing_in=standing_in
        ):
            return
        self._base.execute(
            "UPDATE eval SET created_at=?, name=?, metadata=?, source=?, criteria=?, gone=0"
            " WHERE id=?",
            (*values, one.id),
        )
        self._base.execute(
            "UPDATE run SET criteria=? WHERE eval=? AND imported", (values[4], found["place"])
        )

    def _may_replace(
        self, what: str, differ: list[str], found: sqlite3.Row, tally: Tally, *, standing_in: bool
    ) -> bool:
        """Whether the store's is to give way; counts what becomes of it."""
        if found["gone"]:
            self._done.note(f"{what} was deleted here, and is back")
            tally.new += 1
            return True
        if not differ:
            tally.same += 1
            return False
        if standing_in:
            tally.new += 1
            return True
        if self._replace:
            tally.changed += 1
            return True
        tally.kept += 1
        self._done.note(
            f"{what} is in the store already and differs ({', '.join(differ)}): it stays as it is; "
            "--replace takes the files'"
        )
        return False

    def _eval_place(self, name: str, why: str) -> sqlite3.Row:
        """Return the row of an eval; one that is nowhere is made up, and that is said."""
        query = "SELECT * FROM eval WHERE id=?"
        found: sqlite3.Row | None = self._base.execute(query, (name,)).fetchone()
        if found is None or found["gone"]:
            self._done.note(
                f"the eval {name}, {why}, is not among the files: an empty one stands for it"
            )
            row = EvalRow(
                id=name, created_at=None, name=name, metadata={"note": MADE_UP},
                source={"type": "custom", "schema": {}}, criteria=[],
            )  # fmt: skip
            self._eval(row, made_up=True)
            self._base.execute("UPDATE eval SET gone=0 WHERE id=?", (name,))
            found = self._base.execute(query, (name,)).fetchone()
        else:
            self._done.runs_of.setdefault(name, [])
        row_found: sqlite3.Row = found
        return row_found

    # -- runs --------------------------------------------------------------------------------

    def _run(self, one: RunRow) -> None:
        of = one.of or f"eval_of_{one.id}"
        parent = self._eval_place(of, f"which the run {one.id} is of")
        if one.id not in self._done.runs_of.setdefault(of, []):
            self._done.runs_of[of].append(one.id)
        counts = one.counts or Counts()
        values = {
            "created_at": one.created_at or parent["created_at"], "eval": parent["place"],
            "status": one.status, "name": one.name, "metadata": _text(one.metadata),
            "model": one.model, "source": _text(one.source), "criteria": parent["criteria"],
            "file": one.file, "counts": _text(counts.to_dict()),
            "error": None if one.error is None else _text(one.error),
        }  # fmt: skip
        found = self._base.execute("SELECT * FROM run WHERE id=?", (one.id,)).fetchone()
        if found is None:
            self._base.execute(
                f"INSERT INTO run (id, served, imported, stored_until, finished_at, {', '.join(values)})"  # noqa: S608
                f" VALUES (?, 0, 1, 0, ?, {', '.join('?' * len(values))})",
                (one.id, values["created_at"], *values.values()),
            )
            self._done.runs.new += 1
        else:
            self._known_run(one, found, values)
        row = self._base.execute("SELECT * FROM run WHERE id=?", (one.id,)).fetchone()
        self._places[one.id] = _Place(self._base, row, parent, one)

    def _known_run(self, one: RunRow, found: sqlite3.Row, values: dict[str, Any]) -> None:
        if not found["imported"]:
            self._done.runs.kept += 1
            self._done.note(f"the run {one.id} ran here: it stays as it is")
            return
        if one.counts is None:
            values["counts"] = found["counts"]
        if one.created_at is None:
            values["created_at"] = found["created_at"]
        differ = [name for name, value in values.items() if not _same(found[name], value)]
        standing_in = MADE_UP in (found["metadata"] or "")
        if self._may_replace(
            f"the run {one.id}", differ, found, self._done.runs, standing_in=standing_in
        ):
            self._base.execute(
                f"UPDATE run SET {'=?, '.join(values)}=?, gone=0 WHERE id=?",  # noqa: S608
                (*values.values(), one.id),
            )

    # -- output items ------------------------------------------------------------------------

    def _item(self, piece: Piece) -> None:
        said = piece.value.get("run_id")
        given = said if isinstance(said, str) and said else piece.run
        if given is None:
            self._done.items.kept += 1
            self._lack("output items that name no run, and stand in none, were left out")
            return
        name = safe_id(given)
        if name not in self._places:
            self._adopt(name, piece)
        place = self._places[name]
        if not place.imported:
            self._done.items.kept += 1
            return
        self._keep(name, place, read_item(piece, place.criteria, wraps=place.wraps))

    def _lack(self, says: str) -> None:
        if says not in self._done.problems and len(self._done.problems) < _NOTES:
            self._done.problems.append(says)

    def _adopt(self, name: str, piece: Piece) -> None:
        """Make a place for the items of a run that is not among the files: the store's, or a new one."""
        found = self._base.execute(
            "SELECT run.*, eval.id AS of FROM run JOIN eval ON run.eval=eval.place"
            " WHERE run.id=? AND NOT run.gone",
            (name,),
        ).fetchone()
        if found is not None:
            parent = self._base.execute("SELECT * FROM eval WHERE id=?", (found["of"],)).fetchone()
            self._places[name] = _Place(self._base, found, parent, None)
            self._done.runs_of.setdefault(found["of"], [])
            if name not in self._done.runs_of[found["of"]]:
                self._done.runs_of[found["of"]].append(name)
            return
        said = piece.value.get("eval_id")
        of = safe_id(said) if isinstance(said, str) and said else piece.of
        if of is None:
            of = self._likely(piece)
        self._done.note(
            f"the run {name} is not among the files: one made of its output items stands for it"
        )
        self._run(
            RunRow(
                id=name, of=of, created_at=None, status="completed", name=name, model=None,
                metadata={"note": MADE_UP}, file=None, counts=None, total=None, error=None,
                source={"type": "jsonl", "source": {"type": "file_content", "content": []}},
            )
        )  # fmt: skip

    def _likely(self, piece: Piece) -> str | None:
        """Return the only eval of the files whose criteria have the names of an item's results."""
        results = read_item(piece, [], wraps=False).body["results"]
        fit = [
            one.id
            for one in self._evals.values()
            if results and all(place_of(one.criteria, result) is not None for result in results)
        ]
        if len(fit) == 1:
            self._done.note(
                f"the files do not say which eval the items are of: by the names of their results, of {fit[0]}"
            )
            return fit[0]
        return None

    def _keep(self, run: str, place: _Place, row: ItemRow) -> None:
        text = _text(row.body)
        name = row.id or _item_name(run, row, text)
        known = self._base.execute("SELECT * FROM item WHERE id=?", (name,)).fetchone()
        if known is not None and known["run"] != place.place:
            self._done.note(
                f"ids of items of {run} are those of another run's items: they have ids of their own here"
            )
            name = _item_name(run, row, name)
            known = self._base.execute("SELECT * FROM item WHERE id=?", (name,)).fetchone()
        if known is not None:
            if known["status"] == row.status and _same(known["body"], text):
                self._done.items.same += 1
            elif self._replace:
                self._base.execute(
                    "UPDATE item SET status=?, body=? WHERE id=?", (row.status, text, name)
                )
                self._done.items.changed += 1
                place.touched = True
            else:
                self._done.items.kept += 1
                self._done.note(
                    f"output items of {run} come twice and differ, {name} first: the earlier ones stay; --replace takes the later"
                )
            return
        number = place.free(row.place)
        if row.place is not None and number != row.place:
            self._done.note(
                f"items of {run} have the same datasource_item_id: the later ones have numbers of their own"
            )
        created = row.created_at or place.created_at
        self._base.execute(
            "INSERT INTO item VALUES (?, ?, ?, ?, ?, ?)",
            (place.place, number, name, created, row.status, text),
        )
        self._done.items.new += 1
        place.touched = True

    def _finish(self, name: str, place: _Place) -> None:
        """Count the items of a run that does not say its figures, and hold them against those it says."""
        if not place.imported:
            return
        counts = Counts()
        query = "SELECT status, count(*) AS many FROM item WHERE run=? GROUP BY status"
        by = {row["status"]: row["many"] for row in self._base.execute(query, (place.place,))}
        have, total = sum(by.values()), place.total
        query = "SELECT counts FROM run WHERE place=?"
        said = Counts.of(
            jsontext.decode(self._base.execute(query, (place.place,)).fetchone()["counts"])
        )
        if total is not None and total != have:
            more = "the list has more pages, or the export broke off"
            what = more if have else "export them too to compare"
            self._done.note(
                f"{name} says it has {total:,} output items, and {have:,} are here: {what}"
            )
        elif total is not None and have and said.passed != by.get("pass", 0):
            self._done.note(
                f"{name} says that {said.passed:,} items passed, and by themselves {by.get('pass', 0):,} "
                "did: its figures stay as it says them"
            )
        # What a run says of itself stays; what was counted here grows with its items.
        if (
            place.touched
            and total is None
            and (place.made_up or said.passed + said.failed + said.errored < have)
        ):
            query = "SELECT status, body FROM item WHERE run=? ORDER BY place"
            for row in self._base.execute(query, (place.place,)):
                counts.add(row["status"], _by_name(jsontext.decode(row["body"])["results"]))
            self._base.execute(
                "UPDATE run SET counts=? WHERE place=?", (_text(counts.to_dict()), place.place)
            )


class _Place:
    """Where the items of a run go.

    Attributes:
        place: the run's place in its table.
        imported: whether it was brought along; what ran here takes no items from outside.
        created_at: when the run was made.
        criteria: the eval's testing_criteria.
        wraps: whether a `datasource_item` may be a whole row: not where items have an `item`.
        total: how many items the run says to have; None where it does not tell.
        made_up: whether the run was made of its items.
        touched: whether an item came.
    """

    def __init__(
        self, base: sqlite3.Connection, run: sqlite3.Row, parent: sqlite3.Row, said: RunRow | None
    ) -> None:
        self.place: int = run["place"]
        self.imported = bool(run["imported"])
        self.created_at: int = run["created_at"]
        self.criteria: list[dict[str, Any]] = jsontext.decode(parent["criteria"])
        self.wraps = not _has_item(jsontext.decode(parent["source"]))
        self.total = None if said is None else said.total
        self.made_up = MADE_UP in (run["metadata"] or "")
        self.touched = False
        rows = base.execute("SELECT place FROM item WHERE run=?", (self.place,)).fetchall()
        self._taken = {row["place"] for row in rows}
        self._next = 0

    def free(self, wanted: int | None) -> int:
        """Return a number that no item has yet, the wanted one where it is free."""
        if wanted is None or wanted in self._taken:
            while self._next in self._taken:
                self._next += 1
            wanted = self._next
        self._taken.add(wanted)
        return wanted


def _has_item(source: Mapping[str, Any]) -> bool:
    """Whether the schema of an eval's items knows a field `item`."""
    schema = source.get("item_schema")
    if not isinstance(schema, dict):
        whole = source.get("schema")
        fields = whole.get("properties") if isinstance(whole, dict) else None
        schema = fields.get("item") if isinstance(fields, dict) else None
    known = schema.get("properties") if isinstance(schema, dict) else None
    return isinstance(known, dict) and "item" in known


def _by_name(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return results of which each name comes once: counts go by it."""
    return list({one["name"]: one for one in results}.values())


def _item_name(run: str, row: ItemRow, text: str) -> str:
    if row.id is None and row.place is not None:
        return item_id(run, row.place)
    digest = hashlib.blake2b(f"{run}/{text}".encode(errors="replace"), digest_size=16)
    return f"outputitem_{digest.hexdigest()}"


def _text(value: Any) -> str:
    return jsontext.encode(value).decode()


def _same(one: Any, other: Any) -> bool:
    """Whether two cells are the same: texts of JSON by what they say."""
    if one == other:
        return True
    if isinstance(one, str) and isinstance(other, str) and one[:1] in "{[" and other[:1] in "{[":
        return bool(jsontext.decode(one) == jsontext.decode(other))
    return one in (None, "") and other in (None, "")
