"""Evals, runs and output items as the hosted API shows them. Pure."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

from graders import jsontext

__all__ = ["Counts", "item_id", "shown_eval", "shown_item", "shown_run"]

_TEXT: Final[Mapping[str, Any]] = {"type": "string"}
_SAMPLE: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {
        "model": _TEXT,
        "output_text": _TEXT,
        "output_json": {"type": "object"},
        "output_tools": {"type": "array", "items": {"type": "object"}},
        "choices": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "index": {"type": "integer"}, "message": {"type": "object"}, "finish_reason": _TEXT,
                },
                "required": ["index", "message", "finish_reason"],
            },
        },
    },
    "required": ["model", "choices"],
}  # fmt: skip
_MESSAGES: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {"input": {"type": "array", "items": {"type": "object"}}},
    "required": ["input"],
}


@dataclass(slots=True)
class Counts:
    """What a run's output items add up to.

    Attributes:
        passed: items that passed every criterion.
        failed: items that failed one.
        errored: items that have no verdict: no answer, or a criterion that could not be graded.
        criteria: by the id of a criterion, how many items passed it, failed it, and had no score.
        usage: by model, calls, prompt tokens, completion tokens and cached tokens.
    """

    passed: int = 0
    failed: int = 0
    errored: int = 0
    criteria: dict[str, list[int]] = field(default_factory=dict)
    usage: dict[str, list[int]] = field(default_factory=dict)

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Self:
        """Return what `to_dict` gave."""
        return cls(**value)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON."""
        return {
            "passed": self.passed, "failed": self.failed, "errored": self.errored,
            "criteria": self.criteria, "usage": self.usage,
        }  # fmt: skip

    def add(self, status: str, results: Iterable[Mapping[str, Any]]) -> None:
        """Count one item: its status, and its results by the names of the criteria."""
        self.passed += status == "pass"
        self.failed += status == "fail"
        self.errored += status == "error"
        for one in results:
            verdicts = self.criteria.setdefault(one["name"], [0, 0, 0])
            verdicts[("pass", "fail", "error").index(one["status"])] += 1

    def use(self, model: str, used: Sequence[int]) -> None:
        """Count what a model was asked: calls, prompt, completion and cached tokens."""
        before = self.usage.get(model, [0, 0, 0, 0])
        self.usage[model] = [one + other for one, other in zip(before, used, strict=True)]


def shown_eval(row: sqlite3.Row) -> dict[str, Any]:
    """Return an eval as the API shows it."""
    return {
        "object": "eval",
        "id": row["id"],
        "data_source_config": shown_config(jsontext.decode(row["source"])),
        "testing_criteria": jsontext.decode(row["criteria"]),
        "name": row["name"],
        "created_at": row["created_at"],
        "metadata": _decoded(row["metadata"]) or {},
    }


def shown_config(source: Mapping[str, Any]) -> dict[str, Any]:
    """Return a data_source_config as the API shows it: with the schema of whole rows."""
    if "schema" in source:  # Brought along from the hosted API.
        return dict(source)
    logged = source["type"] != "custom"
    properties: dict[str, Any] = {"item": _MESSAGES if logged else source["item_schema"]}
    if logged or source.get("include_sample_schema"):
        properties["sample"] = _SAMPLE
    schema = {"type": "object", "properties": properties, "required": [*properties]}
    shown = {"type": source["type"], "schema": schema}
    return {**shown, "metadata": source.get("metadata") or {}} if logged else shown


def shown_run(row: sqlite3.Row, of: str) -> dict[str, Any]:
    """Return a run of the eval `of` as the API shows it; its report_url is a path of the server."""
    counts = Counts.of(jsontext.decode(row["counts"]))
    done = counts.passed + counts.failed + counts.errored
    return {
        "object": "eval.run",
        "id": row["id"],
        "eval_id": of,
        "report_url": f"/evals/{of}/runs/{row['id']}",
        "status": row["status"],
        "model": row["model"] or "",
        "name": row["name"],
        "created_at": row["created_at"],
        "result_counts": {
            "total": done, "passed": counts.passed, "failed": counts.failed, "errored": counts.errored,
        },
        "per_model_usage": [
            {
                "model_name": model, "invocation_count": calls, "prompt_tokens": prompt,
                "completion_tokens": completion, "total_tokens": prompt + completion,
                "cached_tokens": cached,
            }
            for model, (calls, prompt, completion, cached) in counts.usage.items()
        ],
        "per_testing_criteria_results": [
            {"testing_criteria": name, "passed": passed, "failed": failed, "errored": errored}
            for name, (passed, failed, errored) in counts.criteria.items()
        ],
        "data_source": jsontext.decode(row["source"]),
        "error": _decoded(row["error"]),
        "metadata": _decoded(row["metadata"]) or {},
    }  # fmt: skip


def shown_item(row: sqlite3.Row, of: str, run: str) -> dict[str, Any]:
    """Return an output item as the API shows it."""
    # What this program wrote holds no infinity; to look for one takes longer than all the rest.
    body = jsontext.decode(row["body"], allow_nan=True)
    return {
        "object": "eval.run.output_item",
        "id": row["id"],
        "created_at": row["created_at"],
        "run_id": run,
        "eval_id": of,
        "status": row["status"],
        "datasource_item_id": row["place"],
        "datasource_item": body["item"],
        "results": body["results"],
        "sample": body["sample"],
        **body.get("more", {}),
    }


def item_id(run: str, place: int) -> str:
    """Return the id of a run's item: the same however often the run was interrupted."""
    digest = hashlib.blake2b(f"{run}/{place}".encode(), digest_size=16)
    return f"outputitem_{digest.hexdigest()}"


def _decoded(text: str | None) -> Any:
    return None if text is None else jsontext.decode(text)
