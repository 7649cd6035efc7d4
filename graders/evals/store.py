"""Evals and their runs in a store: created, listed, changed, deleted, as the hosted API shows them."""

from __future__ import annotations

import sqlite3
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

from graders import jsontext
from graders.errors import nearest, quoted
from graders.evals.request import EvalRequest, RunRequest, updated
from graders.evals.shape import Counts, shown_eval, shown_item, shown_run
from graders.files import file as files
from graders.files.identifier import is_identifier, new_identifier
from graders.files.lock import Claim
from graders.jobs import Store
from graders.jobs.clear import remove_run
from graders.wire.error import ApiError, refused
from graders.wire.page import Page, is_descending, page, size_of

__all__ = ["FINISHED", "RUNNABLE", "EvalStore"]

RUNNABLE: Final = ("queued", "in_progress")
FINISHED: Final = ("completed", "failed", "canceled")
_STATUSES: Final = (*RUNNABLE, *FINISHED)
_ITEMS: Final[Mapping[str, str]] = {
    "pass": "pass", "passed": "pass", "fail": "fail", "failed": "fail",
    "error": "error", "errored": "error",
}  # fmt: skip
_ORDERS: Final = ("created_at", "updated_at")
_PURPOSES: Final = ("evals", "fine-tune", "batch", "user_data", "assistants")
_MOST: Final = 100


class EvalStore:
    """The evals of a store, their runs and output items.

    Args:
        store: the folder that holds everything.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._database = store.database

    # -- evals -------------------------------------------------------------------------------

    def create(self, body: Any) -> dict[str, Any]:
        """Return the object of a new eval.

        Raises:
            ApiError: the body has faults (400), or the store is too large (413).
        """
        request = EvalRequest.parse(body)
        name, now = new_identifier("eval_"), int(time.time())
        criteria = [
            {**one, "id": f"{one.get('name') or one['type']}-{uuid.uuid4()}"}
            for one in request.criteria
        ]
        with self._database.writing() as base:
            self.store.check_room(base)
            base.execute(
                "INSERT INTO eval (id, created_at, updated_at, name, metadata, source, criteria)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    name, now, now, _plain(request.name), encoded(request.metadata),
                    encoded(request.source), encoded(criteria),
                ),
            )  # fmt: skip
            return shown_eval(_eval(base, name))

    def get(self, name: str) -> dict[str, Any]:
        """Return an eval's object.

        Raises:
            ApiError: there is no such eval (404).
        """
        with self._database.reading() as base:
            return shown_eval(_eval(base, name))

    def list(
        self,
        after: str | None = None,
        limit: int | None = None,
        order: str | None = None,
        order_by: str | None = None,
    ) -> tuple[list[dict[str, Any]], bool]:
        """Return a page of evals, and whether more follow.

        Args:
            after: the id of the last eval of the page before.
            limit: 0 to 100; 20 by default.
            order: `asc`, which is the default, or `desc`.
            order_by: `created_at`, which is the default, or `updated_at`.

        Raises:
            ApiError: an argument cannot be one (400).
        """
        if order_by is not None and order_by not in _ORDERS:
            near = nearest(order_by, _ORDERS)
            hint = f"; did you mean {near}?" if near else ""
            says = f"order_by is created_at or updated_at, got {quoted(order_by)}{hint}"
            raise refused(says, "order_by")
        key = "updated_at" if order_by == "updated_at" else None
        with self._database.reading() as base:
            rows, more = page(
                base, "eval", "NOT gone", (), after=_plain(after), size=size_of(limit, 20, _MOST),
                descending=is_descending(order, otherwise=False), key=key,
            )  # fmt: skip
        return [shown_eval(row) for row in rows], more

    def update(self, name: str, body: Any) -> dict[str, Any]:
        """Change an eval's name or metadata and return its object.

        Raises:
            ApiError: there is no such eval (404), or the body has faults (400).
        """
        changes = updated(body)
        with self._database.writing() as base:
            row = _eval(base, name)
            title = changes.get("name", row["name"])
            metadata = encoded(changes["metadata"]) if "metadata" in changes else row["metadata"]
            base.execute(
                "UPDATE eval SET name=?, metadata=?, updated_at=? WHERE place=?",
                (_plain(title or ""), metadata, int(time.time()), row["place"]),
            )
            return shown_eval(_eval(base, name))

    def delete(self, name: str) -> dict[str, Any]:
        """Delete an eval with its runs, and return the hosted confirmation.

        Raises:
            ApiError: there is no such eval (404).
        """
        with self._database.writing() as base:
            place = _eval(base, name)["place"]
            base.execute("UPDATE eval SET gone=1 WHERE place=?", (place,))
            for row in base.execute("SELECT place FROM run WHERE eval=?", (place,)).fetchall():
                remove_run(base, row["place"])
        return {"object": "eval.deleted", "deleted": True, "eval_id": name}

    # -- runs --------------------------------------------------------------------------------

    def create_run(
        self, of: str, body: Any, *, served: bool = True, traceparent: str = ""
    ) -> dict[str, Any]:
        """Return the object of a new run, which waits for whoever runs it.

        Args:
            of: the eval's id.
            body: the body of `evals.runs.create`.
            served: whether servers run it; else only who asks for it by name.
            traceparent: the span of the request that creates it; "" for none.

        Raises:
            ApiError: there is no such eval (404), the body has faults or names a file that is not
                there (400), or the store is too large (413).
        """
        request = RunRequest.parse(body)
        name, now = new_identifier("evalrun_"), int(time.time())
        with self._database.writing() as base:
            self.store.check_room(base)
            parent = _eval(base, of)
            _check_file(base, request.file)
            until = base.execute("SELECT max(place) FROM stored").fetchone()[0]
            counts = Counts(
                criteria={one["id"]: [0, 0, 0] for one in jsontext.decode(parent["criteria"])}
            )
            base.execute(
                "INSERT INTO run (id, created_at, eval, status, served, name, metadata, model,"
                " source, criteria, file, stored_until, counts, traceparent)"
                " VALUES (?, ?, ?, 'queued', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    name, now, parent["place"], served, _plain(request.name),
                    encoded(request.metadata), request.model, encoded(request.source),
                    parent["criteria"], request.file, until or 0, encoded(counts.to_dict()),
                    traceparent,
                ),
            )  # fmt: skip
            return shown_run(_run(base, of, name), of)

    def get_run(self, of: str, name: str) -> dict[str, Any]:
        """Return a run's object.

        Raises:
            ApiError: there is no such eval, or it has no such run (404).
        """
        with self._database.reading() as base:
            return shown_run(_run(base, of, name), of)

    def list_runs(
        self,
        of: str,
        after: str | None = None,
        limit: int | None = None,
        order: str | None = None,
        status: str | None = None,
    ) -> Page:
        """Return a page of an eval's runs, and whether more follow; arguments as for `list`.

        Args:
            of: the eval's id.
            after: the id of the last run of the page before.
            limit: 0 to 100; 20 by default.
            order: `asc`, which is the default, or `desc`.
            status: only runs of this status.

        Raises:
            ApiError: there is no such eval (404), or an argument cannot be one (400).
        """
        if status is not None and status not in _STATUSES:
            raise refused(
                f"status is one of {', '.join(_STATUSES)}, got {quoted(status)}", "status"
            )
        where = "eval=? AND NOT gone" + ("" if status is None else " AND status=?")
        with self._database.reading() as base:
            values = [_eval(base, of)["place"], *([] if status is None else [status])]
            rows, more = page(
                base, "run", where, values, after=_plain(after), size=size_of(limit, 20, _MOST),
                descending=is_descending(order, otherwise=False), weight="length(source)",
            )  # fmt: skip
        return [shown_run(row, of) for row in rows], more

    def cancel_run(self, of: str, name: str) -> dict[str, Any]:
        """Cancel a run and return its object; what was graded so far is kept.

        Raises:
            ApiError: there is no such run (404), or it is finished (400).
        """
        with self._database.writing() as base:
            row = _run(base, of, name)
            if row["status"] in FINISHED:
                raise refused(
                    f"the run {name} is {row['status']} and cannot be canceled any more",
                    code="run_already_finished",
                )
            base.execute(
                "UPDATE run SET status='canceled', finished_at=? WHERE place=?",
                (int(time.time()), row["place"]),
            )
            return shown_run(_run(base, of, name), of)

    def resume_run(self, of: str, name: str, *, served: bool = True) -> dict[str, Any]:
        """Let a run go on that failed or was canceled, and return its object; ours alone.

        Raises:
            ApiError: there is no such run (404), or it is completed (400).
        """
        with self._database.writing() as base:
            row = _run(base, of, name)
            if row["status"] == "completed" or row["imported"]:
                raise refused(
                    f"the run {name} is complete: there is nothing to go on with",
                    code="run_already_finished",
                )
            base.execute(
                "UPDATE run SET status='queued', served=?, finished_at=NULL, error=NULL"
                " WHERE place=?",
                (served, row["place"]),
            )
            return shown_run(_run(base, of, name), of)

    def delete_run(self, of: str, name: str) -> dict[str, Any]:
        """Delete a run with its output items, and return the hosted confirmation.

        Raises:
            ApiError: there is no such run (404).
        """
        with self._database.writing() as base:
            remove_run(base, _run(base, of, name)["place"])
        return {"object": "eval.run.deleted", "deleted": True, "run_id": name}

    # -- output items ------------------------------------------------------------------------

    def list_items(  # noqa: PLR0917  (the names of the query)
        self,
        of: str,
        run: str,
        after: str | None = None,
        limit: int | None = None,
        order: str | None = None,
        status: str | None = None,
    ) -> Page:
        """Return a page of a run's output items in the order of its rows, and whether more follow.

        Args:
            of: the eval's id.
            run: the run's id.
            after: the id of the last item of the page before.
            limit: 0 to 100; 20 by default.
            order: `asc`, which is the default, or `desc`.
            status: `pass`, `fail` or `error` alone.

        Raises:
            ApiError: there is no such run (404), or an argument cannot be one (400).
        """
        wanted = None if status is None else _ITEMS.get(status)
        if status is not None and wanted is None:
            raise refused(f"status is pass, fail or error, got {quoted(status)}", "status")
        where = "run=?" + ("" if wanted is None else " AND status=?")
        with self._database.reading() as base:
            values = [_run(base, of, run)["place"], *([] if wanted is None else [wanted])]
            rows, more = page(
                base, "item", where, values, after=_plain(after), size=size_of(limit, 20, _MOST),
                descending=is_descending(order, otherwise=False), weight="length(body)",
            )  # fmt: skip
        return [shown_item(row, of, run) for row in rows], more

    def get_item(self, of: str, run: str, name: str) -> dict[str, Any]:
        """Return an output item.

        Raises:
            ApiError: there is no such run, or it has no such item (404).
        """
        with self._database.reading() as base:
            place = _run(base, of, run)["place"]
            found = None
            if is_identifier(name):
                query = "SELECT * FROM item WHERE run=? AND id=?"
                found = base.execute(query, (place, name)).fetchone()
            if found is None:
                raise _missing("output item", name, "output_item_id")
            return shown_item(found, of, run)

    # -- for whoever runs them ---------------------------------------------------------------

    def runnable(self) -> Sequence[str]:
        """Return the ids of the runs that wait for a server or are run by one, oldest first."""
        marks = ", ".join("?" * len(RUNNABLE))
        with self._database.reading() as base:
            rows = base.execute(
                f"SELECT id FROM run WHERE served AND NOT gone AND status IN ({marks}) ORDER BY place",  # noqa: S608
                RUNNABLE,
            ).fetchall()
        return [row["id"] for row in rows]

    def claim(self, run: str, *, inherited: int | None = None) -> Claim:
        """Return the right to run a run; `held` says whether it was free.

        Args:
            run: its id.
            inherited: a descriptor that holds the right, from the process that started this one.
        """
        if not is_identifier(run):
            raise _missing("run", run, "run_id")
        return Claim(self.store.folder / "locks" / run, inherited=inherited)

    def eval_of(self, run: str) -> str:
        """Return the id of the eval that a run is of.

        Raises:
            ApiError: there is no such run (404).
        """
        with self._database.reading() as base:
            row = base.execute(
                "SELECT eval.id FROM run JOIN eval ON run.eval = eval.place"
                " WHERE run.id=? AND NOT run.gone",
                (_plain(run),),
            ).fetchone()
        if row is None:
            raise _missing("run", run, "run_id")
        return str(row["id"])


def encoded(value: Any) -> str | None:
    """Return a JSON value as text, None for null."""
    return None if value is None else jsontext.encode(value).decode()


def _eval(base: sqlite3.Connection, name: Any) -> sqlite3.Row:
    found: sqlite3.Row | None = None
    if isinstance(name, str) and is_identifier(name):
        query = "SELECT * FROM eval WHERE id=? AND NOT gone"
        found = base.execute(query, (name,)).fetchone()
    if found is None:
        raise _missing("eval", str(name), "eval_id")
    return found


def _run(base: sqlite3.Connection, of: str, name: str) -> sqlite3.Row:
    place = _eval(base, of)["place"]
    found: sqlite3.Row | None = None
    if is_identifier(name):
        query = "SELECT * FROM run WHERE id=? AND eval=? AND NOT gone"
        found = base.execute(query, (name, place)).fetchone()
    if found is None:
        raise _missing("run", name, "run_id")
    return found


def _missing(what: str, name: str, param: str) -> ApiError:
    shown = quoted(name, 128)[1:-1]
    return ApiError(404, f"No such {what}: {shown}", param=param, code="not_found")


def _check_file(base: sqlite3.Connection, name: str | None) -> None:
    if name is None:
        return
    found = files.live(base, name)
    param = "data_source.source.id"
    if found is None:
        says = f"{param}: there is no file {name!a:.140}; upload it first, with purpose evals"
        raise refused(says, param, "invalid_file_id")
    if found["purpose"] not in _PURPOSES:
        says = f"{param}: the file {name} has the purpose {found['purpose']}; a run reads files of purpose evals"
        raise refused(says, param, "invalid_file_purpose")


def _plain(text: str | None) -> Any:
    """Return a text as SQLite can hold it: without half surrogates."""
    return None if text is None else str(text).encode(errors="replace").decode()
