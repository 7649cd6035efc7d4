"""The log of what an application asked its models and was answered, kept on the way through."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from graders import jsontext
from graders.errors import quoted
from graders.files.database import Database
from graders.wire.body import metadata_faults, refusal, unknown
from graders.wire.error import ApiError
from graders.wire.page import Page, is_descending, page, size_of

__all__ = ["Kind", "StoredCall", "StoredCalls", "keep_call", "stored_call", "stored_places"]

Kind = Literal["completions", "responses"]
Entries = list[dict[str, Any]]
_KIND_OF: Final[Mapping[str, Kind]] = {
    "stored_completions": "completions", "responses": "responses", "logs": "responses",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class StoredCall:
    """One call of a model.

    Attributes:
        request: the body that was sent.
        response: the chat completion, or the Responses API object, that came.
        metadata: the pairs that the request was marked with.
    """

    request: Mapping[str, Any]
    response: Mapping[str, Any]
    metadata: Mapping[str, Any]


def keep_call(
    database: Database, kind: Kind, request: Mapping[str, Any], response: Mapping[str, Any]
) -> bool:
    """Write a call down and say whether it is new: an answer of the same id is kept once."""
    name, model = response.get("id"), response.get("model") or request.get("model")
    created = response.get("created", response.get("created_at"))
    whole = isinstance(created, int | float) and not isinstance(created, bool)
    metadata = request.get("metadata")
    with database.writing() as base:
        made = base.execute(
            "INSERT OR IGNORE INTO stored (id, created_at, kind, model, metadata, request, response)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                _plain(name), int(created) if whole else int(time.time()), kind, _plain(model),
                _text(metadata if isinstance(metadata, dict) else {}), _text(request), _text(response),
            ),
        )  # fmt: skip
    return made.rowcount == 1


def stored_places(database: Database, source: Mapping[str, Any], until: int) -> Sequence[int]:
    """Return where the calls stand that a source asks for, the oldest first.

    Args:
        database: the tables.
        source: a `stored_completions` or `responses` source that was found good.
        until: the last place that may count: what is logged later is not of this run.
    """
    where, values = "kind=? AND place<=? AND NOT gone", [_KIND_OF[source["type"]], until]
    for name, sign in (("created_after", ">="), ("created_before", "<=")):
        if source.get(name) is not None:
            where += f" AND created_at{sign}?"
            values.append(source[name])
    if source.get("model"):
        where += " AND model=?"
        values.append(source["model"])
    limit, found = source.get("limit"), list[int]()
    with database.reading() as base:
        query = f"SELECT place, metadata, request FROM stored WHERE {where} ORDER BY place"  # noqa: S608
        for row in base.execute(query, values):
            if limit is not None and len(found) >= limit:
                break
            if _fits(source, row["metadata"], row["request"]):
                found.append(row["place"])
    return found


def stored_call(database: Database, place: int) -> StoredCall | None:
    """Return a call of the log, None where it is gone."""
    with database.reading() as base:
        row = base.execute("SELECT * FROM stored WHERE place=? AND NOT gone", (place,)).fetchone()
    if row is None:
        return None
    metadata = jsontext.decode(row["metadata"] or "{}")
    return StoredCall(jsontext.decode(row["request"]), jsontext.decode(row["response"]), metadata)


class StoredCalls:
    """The log as the API shows it.

    Args:
        database: the tables.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(  # noqa: PLR0917  (the names of the query)
        self, kind: Kind, after: str | None = None, limit: int | None = None, order: str | None = None,
        model: str | None = None, metadata: Mapping[str, str] | None = None,
    ) -> Page:  # fmt: skip
        """Return a page of calls, and whether more follow.

        Args:
            kind: which.
            after: the id of the last one of the page before.
            limit: 0 to 100; 20 by default.
            order: `asc`, which is the default, or `desc`.
            model: only those of this model.
            metadata: only those with all of these pairs.

        Raises:
            ApiError: an argument cannot be one (400).
        """
        where, values = "kind=? AND NOT gone", list[str]([kind])
        if model is not None:
            where, values = f"{where} AND model=?", [*values, _plain(model)]
        for name, value in (metadata or {}).items():
            where += " AND json_extract(metadata, ?) = ?"
            values += [f"$.{_text(_plain(name))}", _plain(value)]
        with self._database.reading() as base:
            rows, more = page(
                base, "stored", where, values, after=None if after is None else _plain(after),
                size=size_of(limit, 20, 100), descending=is_descending(order, otherwise=False),
                weight="length(response)",
            )  # fmt: skip
        return [_shown(row) for row in rows], more

    def get(self, kind: Kind, name: str) -> dict[str, Any]:
        """Return what was answered, with the metadata that it is marked with.

        Raises:
            ApiError: there is no such call (404).
        """
        with self._database.reading() as base:
            return _shown(_row(base, kind, name))

    def messages(self, kind: Kind, name: str) -> Entries:
        """Return the messages that a call sent, each with an id.

        Raises:
            ApiError: there is no such call (404).
        """
        with self._database.reading() as base:
            request = jsontext.decode(_row(base, kind, name)["request"])
        given = request.get("messages" if kind == "completions" else "input")
        entries = [{"role": "user", "content": given}] if isinstance(given, str) else given or []
        return [
            {"id": f"{name}-{at}", **one} for at, one in enumerate(entries) if isinstance(one, dict)
        ]

    def update(self, kind: Kind, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Change a call's metadata and return it.

        Raises:
            ApiError: there is no such call (404), or the body is no metadata (400).
        """
        faults = [*metadata_faults(body.get("metadata"))]
        faults += [unknown((one,), one, ("metadata",)) for one in body if one != "metadata"]
        if faults:
            raise refusal(faults)
        with self._database.writing() as base:
            place = _row(base, kind, name)["place"]
            text = _text(body.get("metadata") or {})
            base.execute("UPDATE stored SET metadata=? WHERE place=?", (text, place))
            return _shown(_row(base, kind, name))

    def delete(self, kind: Kind, name: str) -> None:
        """Take a call out of the log.

        Raises:
            ApiError: there is no such call (404).
        """
        with self._database.writing() as base:
            place = _row(base, kind, name)["place"]
            base.execute(
                "UPDATE stored SET gone=1, request='{}', response='{}' WHERE place=?", (place,)
            )


def _row(base: sqlite3.Connection, kind: Kind, name: str) -> sqlite3.Row:
    query = "SELECT * FROM stored WHERE id=? AND kind=? AND NOT gone"
    found: sqlite3.Row | None = base.execute(query, (_plain(name), kind)).fetchone()
    if found is None:
        shown = quoted(name, 128)[1:-1]
        what = "chat completion" if kind == "completions" else "response"
        raise ApiError(404, f"No such {what}: {shown}; only what was recorded is here", param="id")
    return found


def _shown(row: sqlite3.Row) -> dict[str, Any]:
    shown: dict[str, Any] = jsontext.decode(row["response"])
    return {**shown, "metadata": jsontext.decode(row["metadata"] or "{}")}


def _fits(source: Mapping[str, Any], metadata: str | None, request: str) -> bool:
    """Whether a call is one of those that a source asks for, by what no column says."""
    wanted = source.get("metadata") or {}
    has = jsontext.decode(metadata or "{}") if wanted else {}
    if any(has.get(name) != value for name, value in wanted.items()):
        return False
    named = ("temperature", "top_p", "reasoning_effort", "tools", "users", "instructions_search")
    if all(source.get(name) is None for name in named):
        return True
    sent = jsontext.decode(request)
    effort = sent.get("reasoning_effort", (sent.get("reasoning") or {}).get("effort"))
    said = {**sent, "reasoning_effort": effort}
    for name in ("temperature", "top_p", "reasoning_effort"):
        if source.get(name) is not None and said.get(name) != source[name]:
            return False
    tools = {_name_of(one) for one in sent.get("tools") or ()}
    if not set(source.get("tools") or ()) <= tools:
        return False
    if source.get("users") and sent.get("user") not in source["users"]:
        return False
    search = source.get("instructions_search")
    return not search or search in str(sent.get("instructions") or "")


def _name_of(tool: Any) -> Any:
    inner = tool.get("function", tool) if isinstance(tool, dict) else {}
    return inner.get("name", tool.get("type")) if isinstance(inner, dict) else None


def _text(value: Any) -> str:
    return jsontext.encode(value).decode()


def _plain(text: Any) -> str:
    return str(text or "").encode(errors="replace").decode()
