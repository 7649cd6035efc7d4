"""promptfoo's results as an eval with a run: what its deterministic assertions say, carried over. Pure.

Source: the JSON that `promptfoo eval -o results.json` and `promptfoo export` write (results version 3). Only assertions whose
meaning is a grader's become criteria; each other one is named, and its old verdict stays with its item.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from graders import jsontext
from graders.errors import shown

__all__ = ["is_promptfoo", "of_promptfoo"]

_OPERATIONS: Final[Mapping[str, str]] = {
    "equals": "eq", "not-equals": "ne", "contains": "like", "icontains": "ilike",
}  # fmt: skip
_VARIABLE: Final = re.compile(r"\{\{\s*([A-Za-z_]\w*)")


def is_promptfoo(value: Mapping[str, Any]) -> bool:
    """Whether an object is what promptfoo writes of an evaluation."""
    inner = value.get("results")
    return "evalId" in value or (isinstance(inner, dict) and isinstance(inner.get("results"), list))


def of_promptfoo(
    value: Mapping[str, Any], note: Callable[[str], None]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (kind, object) of what a file of promptfoo's holds, as the Evals API shows it.

    Args:
        value: the file.
        note: is told what is not carried over.
    """
    results = [
        one for one in (value.get("results") or {}).get("results") or () if isinstance(one, dict)
    ]
    name = str(value.get("evalId") or _digest(results))
    title = str((value.get("config") or {}).get("description") or name)
    criteria = _criteria(results, note)
    stem = re.sub(r"[^A-Za-z0-9_-]", "-", name)
    yield "evals", {
        "id": f"eval_{stem}"[:100], "object": "eval", "name": title, "created_at": 0, "metadata": {},
        "data_source_config": {"type": "custom", "schema": {"type": "object", "properties": {}}},
        "testing_criteria": [*criteria.values()],
    }  # fmt: skip
    runs: dict[str, str] = {}
    for at, one in enumerate(results):
        model = str((one.get("provider") or {}).get("id") or "provider")
        run = runs.setdefault(model, f"evalrun_{stem}-{len(runs)}"[:100])
        yield "items", _item(one, at, run, f"eval_{stem}"[:100], model, criteria)
    for model, run in runs.items():
        yield "runs", {
            "id": run, "object": "eval.run", "eval_id": f"eval_{stem}"[:100], "name": model, "model": model,
            "status": "completed", "created_at": 0, "metadata": {}, "error": None,
            "data_source": {"type": "jsonl", "source": {"type": "file_content", "content": []}},
        }  # fmt: skip


def _digest(value: Any) -> str:
    return hashlib.sha256(jsontext.encode(value)).hexdigest()[:16]


def _criteria(
    results: list[dict[str, Any]], note: Callable[[str], None]
) -> dict[str, dict[str, Any]]:
    """Return graders by what an assertion says; one for all rows that assert the same."""
    found: dict[str, dict[str, Any]] = {}
    for one in results:
        for said in _components(one):
            assertion = said.get("assertion")
            if not isinstance(assertion, dict):
                continue
            kind, value = str(assertion.get("type")), assertion.get("value")
            operation = _OPERATIONS.get(kind)
            if operation is None or not isinstance(value, str):
                note(
                    f"promptfoo's assertion {shown(kind, 40)} has no grader that means the same; its old verdicts are kept"
                )
                continue
            key = _key(assertion)
            if key not in found:
                found[key] = {
                    "type": "string_check", "name": f"{kind} {len(found) + 1}", "operation": operation,
                    "input": "{{sample.output_text}}", "reference": _VARIABLE.sub(r"{{item.\1", value),
                    "id": f"{kind}-{_digest(key)}",
                }  # fmt: skip
    return found


def _components(one: Mapping[str, Any]) -> list[dict[str, Any]]:
    graded = one.get("gradingResult")
    inner = graded.get("componentResults") if isinstance(graded, dict) else None
    return [part for part in inner or () if isinstance(part, dict)]


def _key(assertion: Mapping[str, Any]) -> str:
    return jsontext.encode([assertion.get("type"), assertion.get("value")]).decode()


def _item(  # noqa: PLR0917
    one: Mapping[str, Any], at: int, run: str, of: str, model: str, criteria: Mapping[str, Any]
) -> dict[str, Any]:
    answer = one.get("response")
    output = answer.get("output") if isinstance(answer, dict) else None
    text = output if isinstance(output, str) or output is None else jsontext.encode(output).decode()
    results = []
    for said in _components(one):
        assertion = said.get("assertion") or {}
        known = criteria.get(_key(assertion)) if isinstance(assertion, dict) else None
        name = known["id"] if known else f"promptfoo {assertion.get('type', 'assertion')}"
        results.append(
            {
                "name": name,
                "passed": bool(said.get("pass")),
                "score": said.get("score"),
                "sample": None,
                "reason": said.get("reason"),
            }
        )
    variables = one.get("vars") or (one.get("testCase") or {}).get("vars") or {}
    return {
        "id": f"outputitem_{run.removeprefix('evalrun_')}-{at}"[:120], "object": "eval.run.output_item",
        "run_id": run, "eval_id": of, "created_at": 0, "datasource_item_id": at,
        "datasource_item": variables if isinstance(variables, dict) else {"vars": variables},
        "status": "pass" if one.get("success") else "fail", "results": results,
        "sample": {"output": [] if text is None else [{"role": "assistant", "content": text}], "model": model},
    }  # fmt: skip
