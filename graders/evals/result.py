"""Output items as lines of results and of rows, which report, diff and agree read. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graders.evals.match import place_of

__all__ = ["keys_of", "result_line", "row_line"]


def keys_of(criteria: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the keys that an eval's criteria have among results, each once."""
    keys: list[str] = []
    for one in criteria:
        name = str(one.get("name") or one.get("type") or "criterion")
        key, count = name, 1
        while key in keys:
            count += 1
            key = f"{name} ({count})"
        keys.append(key)
    return keys


def result_line(
    index: int, item: Mapping[str, Any], criteria: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the line of results of an output item, as `graders score` would write it of its row.

    A single criterion's score is the reward; of several it is 1.0 where the item passed all. It has
    no `id`: those of output items are other ones in each run, and lines of two runs are compared.

    Args:
        index: the number of its row.
        item: the item, as the API shows it.
        criteria: the testing_criteria of its eval, with their ids.
    """
    keys = keys_of(criteria)
    scores: dict[str, float | None] = dict.fromkeys(keys)
    passed: list[bool] = []
    failures: list[dict[str, str]] = []
    for at, one in enumerate(item["results"]):
        place = place_of(criteria, one, at)
        key = str(one["name"]) if place is None else keys[place]
        scores[key] = one["score"]
        passed.append(one["status"] == "pass")
        if one["status"] == "error" or one["score"] is None:
            error = one.get("error") or {}
            failures.append(_failure(error, "the result has no score", key))
    if not item["results"]:
        sample = item["sample"] if isinstance(item["sample"], dict) else {}
        failures.append(_failure(sample.get("error") or {}, "the item has no results", ""))
    reward = None if failures else 1.0 if all(passed) else 0.0
    if len(scores) == 1:
        reward, scores = (None if failures else next(iter(scores.values()))), {}
        failures = [{**one, "where": ""} for one in failures]
    return {
        "index": index, "reward": reward, "sub_rewards": scores, "failures": failures,
        "output_item": item["id"],
    }  # fmt: skip


def _failure(error: Any, otherwise: str, where: str) -> dict[str, str]:
    error = error if isinstance(error, dict) else {"message": error}
    code, message = error.get("code"), error.get("message")
    return {
        "code": code if isinstance(code, str) and code else "other_error",
        "message": message if isinstance(message, str) and message else otherwise,
        "where": where,
    }  # fmt: skip


def row_line(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of an output item: what its graders saw."""
    return {
        "item": item["datasource_item"], "sample": item["sample"], "output_item": item["id"],
    }  # fmt: skip
