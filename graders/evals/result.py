"""An output item as a line of results and as a row, for the commands that read those. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["bare_name", "result_line", "row_of"]

_UUID: Final = re.compile(r"-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")


def bare_name(name: str) -> str:
    """Return what a criterion is called, without the UUID that its results end with."""
    return _UUID.sub("", name) or name


def result_line(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an output item as a line of results: its reward is its verdict, 1.0 or 0.0.

    A row without a verdict has no reward, and its failures.
    """
    bare = Counter(bare_name(one["name"]) for one in item["results"])
    keys = {
        one["name"]: short if bare[short := bare_name(one["name"])] == 1 else one["name"]
        for one in item["results"]
    }
    failures = [
        _failure(one["error"], keys[one["name"]]) for one in item["results"] if one.get("error")
    ]
    error = (item.get("sample") or {}).get("error")
    if isinstance(error, dict):
        failures.append(_failure(error, ""))
    if item["status"] == "error" and not failures:
        failures.append(_failure({}, ""))
    scores = {
        keys[one["name"]]: one["score"] if _is_number(one["score"]) else None
        for one in item["results"]
    }
    return {
        "index": item["datasource_item_id"], "id": item["id"],
        "reward": None if failures else float(item["status"] == "pass"),
        "sub_rewards": scores, "failures": failures,
    }  # fmt: skip


def row_of(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an output item as a row: its item, and what the model said."""
    sample = item.get("sample") or {}
    row = {"id": item["id"], "item": item["datasource_item"]}
    return {**row, "sample": {"output": sample["output"]}} if sample.get("output") else row


def _failure(error: Mapping[str, Any], where: str) -> dict[str, str]:
    said = str(error.get("message") or "the row has no verdict, and says no reason")
    return {"code": str(error.get("code") or "other_error"), "message": said, "where": where}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
