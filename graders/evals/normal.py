"""Exported evals, runs and output items as a store keeps them: odd fields read, or named. Pure."""

from __future__ import annotations

import datetime as dt
import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from graders import jsontext
from graders.errors import ConfigError
from graders.evals.match import mark_of
from graders.evals.move import Piece, parsed
from graders.evals.request import criteria_of
from graders.evals.shape import Counts
from graders.evals.verdict import status_of
from graders.files.identifier import is_identifier
from graders.kinds import TYPES

__all__ = ["EvalRow", "ItemRow", "RunRow", "read_eval", "read_item", "read_run", "safe_id"]

_EVAL: Final = frozenset(
    ("object", "id", "name", "created_at", "updated_at", "metadata", "data_source_config", "testing_criteria",
     "runs", "output_items", "outputItems", "items")
)  # fmt: skip
_RUN: Final = frozenset(
    ("object", "id", "eval_id", "report_url", "status", "model", "name", "created_at", "result_counts",
     "per_model_usage", "per_testing_criteria_results", "data_source", "error", "metadata",
     "runs", "output_items", "outputItems", "items")
)  # fmt: skip
_ITEM: Final = frozenset(
    ("object", "id", "created_at", "run_id", "eval_id", "status", "datasource_item_id", "data_source_idx",
     "datasource_item", "item", "results", "sample", "grades", "passes", "grader_samples")
)  # fmt: skip
_WORDS: Final[Mapping[str, str]] = {
    "pass": "pass", "passed": "pass", "success": "pass", "succeeded": "pass", "true": "pass",
    "fail": "fail", "failed": "fail", "failure": "fail", "false": "fail",
    "error": "error", "errored": "error",
}  # fmt: skip
_OVER: Final[Mapping[str, str]] = {
    "completed": "completed", "succeeded": "completed", "failed": "failed", "canceled": "canceled",
    "cancelled": "canceled",
}  # fmt: skip
_MILLISECONDS: Final = 10**11
_LATEST: Final = 2**53
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalRow:
    """An eval as it stands in a store.

    Attributes:
        id: its id, fit for a path.
        created_at: seconds since 1970; None where the export does not tell.
        name: its name.
        metadata: its metadata.
        source: the data_source_config, with the schema that the API shows.
        criteria: the testing_criteria, with their ids.
        notes: what was read otherwise than it stands there, or not at all.
    """

    id: str
    created_at: int | None
    name: str
    metadata: dict[str, Any]
    source: dict[str, Any]
    criteria: list[dict[str, Any]]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """A run as it stands in a store; attributes as those of `EvalRow`.

    Attributes:
        id: its id, fit for a path.
        of: the id of its eval; None where the export does not tell.
        created_at: seconds since 1970; None where the export does not tell.
        status: `completed`, `failed` or `canceled`: nothing of it will run any more.
        name: its name.
        metadata: its metadata.
        model: the model that was asked.
        source: the data_source.
        file: the id of the file of its rows; None where they stand elsewhere.
        counts: its figures; None where the export does not tell.
        total: how many output items it says to have.
        error: why it failed.
        notes: what was read otherwise than it stands there, or not at all.
    """

    id: str
    of: str | None
    created_at: int | None
    status: str
    name: str
    metadata: dict[str, Any]
    model: str | None
    source: dict[str, Any]
    file: str | None
    counts: Counts | None
    total: int | None
    error: dict[str, Any] | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRow:
    """An output item as it stands in a store.

    Attributes:
        id: its id, fit for a path; None where the export has none.
        place: the number of its row; None where the export does not tell.
        created_at: seconds since 1970; None where the export does not tell.
        status: `pass`, `fail` or `error`.
        body: item, results and sample, and under `more` what else was exported.
    """

    id: str | None
    place: int | None
    created_at: int | None
    status: str
    body: dict[str, Any]


def read_eval(piece: Piece) -> EvalRow:
    """Return an exported eval, or the body of one that never had an id, as a store keeps it."""
    value = piece.value
    source = parsed(value.get("data_source_config"), dict) or {"type": "custom", "schema": {}}
    if "schema" not in source and "item_schema" not in source:
        source = {**source, "schema": {}}
    notes = [*_left_out("eval", value, _EVAL)]
    given = parsed(value.get("testing_criteria"), list) or ()
    criteria = [_criterion(one, notes) for one in given if isinstance(one, dict)]
    name = value.get("id")
    if not isinstance(name, str) or not name:
        digest = hashlib.blake2b(jsontext.encode([source, criteria]), digest_size=12)
        name = f"eval_{digest.hexdigest()}"
        notes.append(f"the eval {_text(value.get('name'))!r} has no id; it is {name} here")
    return EvalRow(
        id=_named(name, notes), created_at=_moment(value.get("created_at")),
        name=_text(value.get("name")), metadata=parsed(value.get("metadata"), dict) or {},
        source=source, criteria=criteria, notes=tuple(notes),
    )  # fmt: skip


def _criterion(value: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    """Return a criterion without fields that its kind does not know, and note why it cannot be graded."""
    title = _text(value.get("name")) or _text(value.get("id")) or "without a name"
    kind = TYPES.get(_text(value.get("type")))
    known = {*value} if kind is None else {*kind.model_fields, "id", "created_at"}
    if unknown := sorted(str(name) for name in value if name not in known):
        notes.append(f"fields of the criterion {title} that are not kept: {', '.join(unknown)}")
    criterion = {name: one for name, one in value.items() if name in known}
    try:
        criteria_of([criterion])
    except ConfigError as error:
        says = error.faults[0].message.partition("\n")[0]
        notes.append(f"the criterion {title} cannot be graded here: {says}")
    return criterion


def read_run(piece: Piece) -> RunRow:
    """Return an exported run as a store keeps it."""
    value, notes = piece.value, [*_left_out("run", piece.value, _RUN)]
    source = parsed(value.get("data_source"), dict) or {}
    of = value.get("eval_id") if isinstance(value.get("eval_id"), str) else piece.of
    error = parsed(value.get("error"), dict)
    if error is None and _text(value.get("error")):
        error = {"code": "error", "message": _text(value["error"])}
    name = value.get("id")
    if not isinstance(name, str) or not name:
        name = f"evalrun_{hashlib.blake2b(jsontext.encode(value), digest_size=12).hexdigest()}"
        notes.append(f"a run without an id is {name} here")
    said = _text(value.get("status")).lower()
    status = _OVER.get(said, "completed" if not said else "canceled")
    if said and said not in _OVER:
        why = f"the run was {said} when it was exported, and goes on nowhere"
        notes.append(f"{name}: {why}; it is canceled here")
        error = error or {"code": "exported_unfinished", "message": why}
    counts, total = _counts(value)
    inner = parsed(source.get("source"), dict) or {}
    file = inner.get("id") if isinstance(inner.get("id"), str) else None
    return RunRow(
        id=_named(name, notes), of=None if of is None else _named(of, []), status=status,
        created_at=_moment(value.get("created_at")), name=_text(value.get("name")),
        metadata=parsed(value.get("metadata"), dict) or {}, model=_text(value.get("model")) or None,
        source=source, file=file, counts=counts, total=total, error=error, notes=tuple(notes),
    )  # fmt: skip


def _counts(value: Mapping[str, Any]) -> tuple[Counts | None, int | None]:
    """Return a run's figures as it says them, and how many items it says to have."""
    said = parsed(value.get("result_counts"), dict)
    if said is None:
        return None, None
    passed, failed, errored = (
        _whole(said.get(name)) or 0 for name in ("passed", "failed", "errored")
    )
    counts = Counts(passed, failed, errored)
    for one in parsed(value.get("per_testing_criteria_results"), list) or ():
        if isinstance(one, dict) and isinstance(one.get("testing_criteria"), str):
            verdicts = [_whole(one.get(name)) or 0 for name in ("passed", "failed", "errored")]
            counts.criteria[one["testing_criteria"]] = verdicts
    names = ("invocation_count", "prompt_tokens", "completion_tokens", "cached_tokens")
    for one in parsed(value.get("per_model_usage"), list) or ():
        if isinstance(one, dict):
            model = _text(one.get("model_name")) or _text(one.get("run_model_name"))
            counts.use(model, [_whole(one.get(name)) or 0 for name in names])
    total = _whole(said.get("total"))
    return counts, counts.passed + counts.failed + counts.errored if total is None else total


def read_item(piece: Piece, criteria: Sequence[Mapping[str, Any]], *, wraps: bool) -> ItemRow:
    """Return an exported output item, or a line of the dashboard's file, as a store keeps it.

    Args:
        piece: the item.
        criteria: the testing_criteria of its eval, which know from what score a result passes.
        wraps: whether its `datasource_item` may be the whole row, with the item under `item`.
    """
    value = piece.value
    given = value.get("datasource_item", value.get("item"))
    item = parsed(given, dict)
    sample = _sample(value.get("sample"))
    if item is None:
        found = parsed(given, list)
        item = {} if given is None else {"value": given if found is None else found}
    elif wraps and _is_row(item):
        sample = sample or _sample(item.get("sample"))
        item = item["item"]
    results = [_result(one, criteria, at) for at, one in enumerate(_results(value))]
    said = _WORDS.get(_text(value.get("status")).lower())
    if said is None:
        said = status_of(results) if results else "error"
    body = {"item": item, "results": results, "sample": sample or {}}
    more = {name: one for name, one in value.items() if name not in _ITEM}
    name = value.get("id")
    place = _whole(value.get("datasource_item_id", value.get("data_source_idx")))
    return ItemRow(
        id=safe_id(str(name)) if isinstance(name, str | int) and name != "" else None, place=place,
        created_at=_moment(value.get("created_at")), status=said,
        body={**body, "more": more} if more else body,
    )  # fmt: skip


def _is_row(item: Mapping[str, Any]) -> bool:
    return isinstance(item.get("item"), dict) and set(item) <= {"item", "sample"}


def _results(value: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return an item's results as a list, also those that stand by name."""
    grades = parsed(value.get("grades"), dict)
    if grades is not None or isinstance(value.get("passes"), dict):
        grades, passes = grades or {}, parsed(value.get("passes"), dict) or {}
        samples = parsed(value.get("grader_samples"), dict) or {}
        return [
            {"name": name, "score": grades.get(name), "passed": passes.get(name),
             "sample": samples.get(name)}
            for name in dict.fromkeys((*grades, *passes))
        ]  # fmt: skip
    found = parsed(value.get("results"), (list, dict))
    if isinstance(found, dict):
        return [
            {"name": name, **one} if isinstance(one, dict) else {"name": name, "score": one}
            for name, one in found.items()
        ]
    return [dict(one) for one in found or () if isinstance(one, dict)]


def _result(
    value: dict[str, Any], criteria: Sequence[Mapping[str, Any]], at: int
) -> dict[str, Any]:
    """Return a result with a score that is a number or null, and a status that says so."""
    score, passed = _score(value.get("score")), value.get("passed")
    if isinstance(passed, str | int):
        passed = _WORDS.get(str(passed).lower(), "") == "pass" or str(passed) == "1"
    status = _WORDS.get(_text(value.get("status")).lower())
    if status is None and isinstance(passed, bool):
        status = "error" if score is None and not passed else "pass" if passed else "fail"
    if status is None and score is not None:
        mark = mark_of(criteria, value, at)
        status = "error" if mark is None else "pass" if score >= mark else "fail"
    status = status or "error"
    told = {
        **value,
        "name": _text(value.get("name")) or _text(value.get("grader")) or f"result {at}",
    }
    told |= {"passed": status == "pass", "score": score, "status": status}
    told["sample"] = _judged(value.get("sample"))
    if status == "error" and "error" not in told:
        told["error"] = {
            "code": "exported",
            "message": "the export tells no score, or not whether it passed",
        }
    return told


def _score(value: Any) -> float | None:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def _judged(value: Any) -> Any:
    """Return what a judge was asked and said, also where it stands as JSON text."""
    found = parsed(value, (dict, list))
    return value if found is None else found


def _sample(value: Any) -> dict[str, Any] | None:
    """Return an item's sample under the API's names."""
    if isinstance(value, str):
        found = parsed(value, (dict, list))
        value = {"output": [{"role": "assistant", "content": value}]} if found is None else found
    if isinstance(value, list):
        value = {"output": value}
    if not isinstance(value, dict):
        return None
    others = {"outputs": "output", "inputs": "input", "token_usage": "usage"}
    renamed = {others[name]: name for name in others if name in value and others[name] not in value}
    taken = set(renamed.values())
    kept = {name: one for name, one in value.items() if name not in taken}
    return {**kept, **{name: value[theirs] for name, theirs in renamed.items()}}


def safe_id(name: str) -> str:
    """Return an id that can stand in a path: itself where it can, else one made of it."""
    if is_identifier(name):
        return name
    digest = hashlib.blake2b(name.encode(errors="replace"), digest_size=4).hexdigest()
    return f"{_UNSAFE.sub('_', name)[:100].strip('_')}_{digest}"


def _named(name: str, notes: list[str]) -> str:
    made = safe_id(name)
    if made != name:
        notes.append(f"the id {name!a:.140} cannot be one here; it is {made}")
    return made


def _left_out(kind: str, value: Mapping[str, Any], known: frozenset[str]) -> list[str]:
    unknown = [str(name) for name in value if name not in known]
    return [f"fields of {kind}s that are not kept: {', '.join(sorted(unknown))}"] if unknown else []


def _moment(value: Any) -> int | None:
    """Return seconds since 1970, of a number, digits or a date as ISO 8601 has it."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            try:
                found = dt.datetime.fromisoformat(value)
            except ValueError:
                return None
            zoned = found if found.tzinfo else found.replace(tzinfo=dt.UTC)
            value = zoned.timestamp()
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _LATEST:
        return None
    return int(value / 1000 if value >= _MILLISECONDS else value)


def _whole(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _LATEST:
        return None
    return value


def _text(value: Any) -> str:
    """Return a text as SQLite can hold it, without half surrogates; "" for anything else."""
    return value.encode(errors="replace").decode() if isinstance(value, str) else ""
