"""The log of what an application asked its models and was answered, kept on the way through."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from graders import jsontext
from graders.files.database import Database

__all__ = ["Kind", "StoredCall", "keep_call", "stored_call", "stored_places"]

Kind = Literal["completions", "responses"]
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
