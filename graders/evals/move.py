"""Bringing exported evals into a store: ids, dates, results as they were; twice is as once."""

from __future__ import annotations

import hashlib
import io
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from graders import jsontext
from graders.errors import ConfigError, shown
from graders.evals.exported import DataFile, Exported
from graders.evals.request import criteria_of
from graders.evals.shape import Counts, shown_eval, shown_run
from graders.evals.store import EvalStore, encoded
from graders.files import file as files
from graders.files.identifier import is_identifier

__all__ = ["Brought", "bring"]

_STATUSES: Final = ("completed", "failed", "canceled")
_VERDICTS: Final[Mapping[str, str]] = {
    "pass": "pass", "passed": "pass", "fail": "fail", "failed": "fail", "error": "error", "errored": "error",
}  # fmt: skip
_EVAL: Final = (
    "id",
    "object",
    "name",
    "created_at",
    "metadata",
    "data_source_config",
    "testing_criteria",
)
_RUN: Final = ("id", "object", "eval_id", "name", "created_at", "metadata", "status", "model", "data_source", "error",
               "report_url", "result_counts", "per_testing_criteria_results", "per_model_usage")  # fmt: skip
_ITEM: Final = ("id", "object", "created_at", "run_id", "eval_id", "status", "datasource_item_id",
                "datasource_item", "results", "sample")  # fmt: skip


@dataclass(slots=True)
class Brought:
    """What was brought in.

    Attributes:
        new: how many of each kind are new.
        known: how many of each kind were there already.
        runs: the ids of the runs, by the id of their eval.
        notes: what there is to know, a sentence each.
    """

    new: Counter[str] = field(default_factory=Counter)
    known: Counter[str] = field(default_factory=Counter)
    runs: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def bring(evals: EvalStore, found: Exported) -> Brought:
    """Bring what was exported into a store, in one transaction.

    Args:
        evals: the store.
        found: what files hold.

    Raises:
        ApiError: the store cannot be written.
    """
    brought = Brought(notes=list(found.notes))
    for file in found.files:
        _bring_file(evals, file, found, brought)
    with evals.store.database.writing() as base:
        for one in found.evals.values():
            _bring_eval(base, one, brought)
        for one in found.runs.values():
            _bring_run(base, one, brought)
        _bring_items(base, found, brought)
    return brought


def _note(brought: Brought, says: str) -> None:
    if says not in brought.notes:
        brought.notes.append(says)


def _note_unknown(brought: Brought, of: str, one: Mapping[str, Any], known: Sequence[str]) -> None:
    odd = [name for name in one if name not in known]
    if odd:
        _note(brought, f"fields of {of} that are not kept: {shown(', '.join(odd), 120)}")


def _bring_file(evals: EvalStore, file: DataFile, found: Exported, brought: Brought) -> None:
    """Put a file of rows into the store, under the id by which a run names it where one does."""
    store = evals.store.files
    named = {
        source.get("id")
        for run in found.runs.values()
        if isinstance(source := (run.get("data_source") or {}).get("source"), dict)
    }
    digest = hashlib.sha256(file.content).hexdigest()
    stem = Path(file.name).name.partition(".")[0]
    name = stem if stem in named and is_identifier(stem) else None
    with evals.store.database.reading() as base:
        there = files.live(base, name) is not None
    if there or (name is None and store.find(digest, "evals") is not None):
        brought.known["files"] += 1
        return
    made = store.create(io.BytesIO(file.content), filename=file.name, purpose="evals", name=name)
    brought.new["files"] += 1
    _note(brought, f"{shown(file.name, 80)}: {file.rows:,} rows are the file {made['id']}")


def _bring_eval(base: sqlite3.Connection, one: Mapping[str, Any], brought: Brought) -> None:
    name, criteria = _name(one), one.get("testing_criteria")
    _note_unknown(brought, "evals", one, _EVAL)
    criteria = [dict(each) for each in criteria or () if isinstance(each, dict)]
    there = base.execute("SELECT * FROM eval WHERE id=? AND NOT gone", (name,)).fetchone()
    if there is not None:
        brought.known["evals"] += 1
        if shown_eval(there)["testing_criteria"] != criteria:
            _note(brought, f"{name} is in the store with other criteria; it is kept as it is")
        return
    try:
        criteria_of(criteria)
    except ConfigError as error:
        fault = error.faults[0]
        _note(
            brought,
            f"{name} cannot be run again here: {fault.path}: {fault.message.partition(chr(10))[0]}",
        )
    config = one.get("data_source_config")
    source = (
        config
        if isinstance(config, dict) and config.get("type")
        else {"type": "custom", "schema": {}}
    )
    if source["type"] == "custom" and "item_schema" not in source:
        source = {"schema": {}, **source}
    base.execute("DELETE FROM eval WHERE id=?", (name,))  # One that was deleted comes back.
    base.execute(
        "INSERT INTO eval (id, created_at, updated_at, name, metadata, source, criteria)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            name, _when(one), _when(one), _plain(one.get("name") or ""), _pairs(one),
            encoded(source), encoded(criteria),
        ),
    )  # fmt: skip
    brought.new["evals"] += 1


def _bring_run(base: sqlite3.Connection, one: Mapping[str, Any], brought: Brought) -> None:
    name, of = _name(one), str(one.get("eval_id") or "")
    _note_unknown(brought, "runs", one, _RUN)
    brought.runs.setdefault(of, []).append(name)
    if base.execute("SELECT 1 FROM run WHERE id=? AND NOT gone", (name,)).fetchone():
        brought.known["runs"] += 1
        return
    parent = base.execute("SELECT * FROM eval WHERE id=? AND NOT gone", (of,)).fetchone()
    if parent is None:
        stands = {"id": of, "name": "(the eval itself was not exported)", "created_at": _when(one)}
        _note(
            brought,
            f"{name} is of the eval {shown(of, 80)}, which is not there: it stands empty in its place, and cannot be run again",
        )
        base.execute(
            "INSERT INTO eval (id, created_at, updated_at, name, source, criteria) VALUES (?, ?, ?, ?, ?, '[]')",
            (
                of,
                stands["created_at"],
                stands["created_at"],
                stands["name"],
                '{"type":"custom","schema":{}}',
            ),
        )
        parent = base.execute("SELECT * FROM eval WHERE id=?", (of,)).fetchone()
    status = one.get("status")
    if status not in _STATUSES:
        _note(
            brought,
            f"{name} was {shown(str(status), 40)} when it was exported; here it is canceled",
        )
        status = "canceled"
    source = one.get("data_source") if isinstance(one.get("data_source"), dict) else {}
    error = one.get("error") if isinstance(one.get("error"), dict) else None
    base.execute("DELETE FROM run WHERE id=?", (name,))
    base.execute(
        "INSERT INTO run (id, created_at, eval, status, served, name, metadata, model, source, criteria,"
        " stored_until, counts, error, finished_at, imported) VALUES (?, ?, ?, ?, 0, ?, ?, ?, ?, ?, 0, ?, ?, ?, 1)",
        (
            name, _when(one), parent["place"], status, _plain(one.get("name") or ""), _pairs(one),
            _plain(one.get("model")) or None, encoded(source), parent["criteria"],
            encoded(_counts(one).to_dict()), encoded(error), _when(one),
        ),
    )  # fmt: skip
    brought.new["runs"] += 1


def _counts(one: Mapping[str, Any]) -> Counts:
    """Return a run's figures as it tells them; odd ones are 0."""
    given = one.get("result_counts")
    told = given if isinstance(given, dict) else {}
    counts = Counts(*[_whole(told.get(name)) for name in ("passed", "failed", "errored")])  # type: ignore[arg-type]
    for each in one.get("per_testing_criteria_results") or ():
        if isinstance(each, dict):
            verdicts = [_whole(each.get(name)) for name in ("passed", "failed", "errored")]
            counts.criteria[str(each.get("testing_criteria"))] = verdicts
    names = ("invocation_count", "prompt_tokens", "completion_tokens", "cached_tokens")
    for each in one.get("per_model_usage") or ():
        if isinstance(each, dict):
            counts.use(str(each.get("model_name")), [_whole(each.get(name)) for name in names])
    return counts


def _bring_items(base: sqlite3.Connection, found: Exported, brought: Brought) -> None:
    counted: dict[int, Counts] = {}
    for one in found.items.values():
        name, run = _name(one), str(one.get("run_id") or "")
        parent = base.execute("SELECT * FROM run WHERE id=? AND NOT gone", (run,)).fetchone()
        if parent is None:
            _note(
                brought,
                f"output items of the run {shown(run, 80)}, which is not there, are left out; export the run too",
            )
            continue
        if base.execute("SELECT 1 FROM item WHERE id=?", (name,)).fetchone():
            brought.known["output items"] += 1
            continue
        body, status = _body(one)
        place = _free_place(base, parent["place"], one.get("datasource_item_id"))
        base.execute(
            "INSERT INTO item VALUES (?, ?, ?, ?, ?, ?)",
            (parent["place"], place, name, _when(one), status, encoded(body)),
        )
        brought.new["output items"] += 1
        counted.setdefault(parent["place"], Counts()).add(status, body["results"])
    for place, counts in counted.items():
        _check_counts(base, place, counts, brought)


def _check_counts(base: sqlite3.Connection, place: int, counts: Counts, brought: Brought) -> None:
    """Say where a run has not all of its items; a run that tells no figures gets those of its items."""
    row = base.execute("SELECT * FROM run WHERE place=?", (place,)).fetchone()
    told = shown_run(row, "")["result_counts"]["total"]
    there = base.execute("SELECT count(*) FROM item WHERE run=?", (place,)).fetchone()[0]
    if not told:
        text = encoded(counts.to_dict())
        base.execute("UPDATE run SET counts=? WHERE place=?", (text, place))
    elif told != there:
        _note(brought, f"{row['id']} counts {told:,} output items, and {there:,} of them are here")


def _body(one: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Return what is kept of an item, and its status."""
    item = one.get("datasource_item")
    if isinstance(item, str):
        item = _parsed(item)
    if (
        isinstance(item, dict)
        and set(item) <= {"item", "sample"}
        and isinstance(item.get("item"), dict)
    ):
        item = item["item"]  # As a row of a file has it.
    results = [_result(each) for each in one.get("results") or () if isinstance(each, dict)]
    sample = one.get("sample")
    sample = _parsed(sample) if isinstance(sample, str) else sample
    status = _VERDICTS.get(str(one.get("status")))
    if status is None:
        verdicts = [each["status"] for each in results]
        status = (
            "error"
            if "error" in verdicts or not verdicts
            else "fail"
            if "fail" in verdicts
            else "pass"
        )
    more = {name: value for name, value in one.items() if name not in _ITEM}
    body = {
        "item": item if isinstance(item, dict) else {"value": item}, "results": results,
        "sample": sample if isinstance(sample, dict) else {},
    }  # fmt: skip
    return {**body, "more": more} if more else body, status


def _result(each: Mapping[str, Any]) -> dict[str, Any]:
    passed = each.get("passed")
    verdict = "error" if passed is None else "pass" if passed else "fail"
    sample = each.get("sample")
    return {
        **each, "name": str(each.get("name") or ""), "passed": bool(passed), "score": each.get("score"),
        "status": _VERDICTS.get(str(each.get("status")), verdict),
        "sample": _parsed(sample) if isinstance(sample, str) else sample,
    }  # fmt: skip


def _parsed(text: str) -> Any:
    try:
        return jsontext.decode(text)
    except ValueError:
        return text


def _free_place(base: sqlite3.Connection, run: int, wanted: Any) -> int:
    """Return an item's number in its run: its own, or the next where that is taken or is none."""
    whole = isinstance(wanted, int) and not isinstance(wanted, bool) and 0 <= wanted < 2**53
    query = "SELECT 1 FROM item WHERE run=? AND place=?"
    if whole and base.execute(query, (run, wanted)).fetchone() is None:
        return int(wanted)
    last = base.execute("SELECT max(place) FROM item WHERE run=?", (run,)).fetchone()[0]
    return 0 if last is None else last + 1


def _name(one: Mapping[str, Any]) -> str:
    return str(_plain(one["id"]))


def _when(one: Mapping[str, Any]) -> int:
    return _whole(one.get("created_at"))


def _whole(value: Any) -> int:
    number = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**53
    return int(value) if number else 0


def _pairs(one: Mapping[str, Any]) -> str | None:
    return encoded(one["metadata"]) if isinstance(one.get("metadata"), dict) else None


def _plain(text: Any) -> str:
    """Return a text as SQLite can hold it: without half surrogates."""
    return str(text or "").encode(errors="replace").decode()
