"""What promptfoo keeps of an eval that came from the hosted API: read as that API's own objects. Pure.

Its import of the dashboard's file of results keeps each line whole, so those come back as they were.
Of its configs, assertions are read that mean the same here; the others are named.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from graders import jsontext
from graders.convert.promptfoo import assertion, assertions, lifted, variables_of
from graders.errors import shown

__all__ = ["from_promptfoo"]

Found = tuple[Literal["eval", "run", "item", "row", "note"], dict[str, Any]]


def from_promptfoo(value: Mapping[str, Any]) -> Iterator[Found] | None:
    """Return the objects that promptfoo's results or its config hold; None where it is neither.

    Each comes with its kind; a note says under `says` what was not read, and why.
    """
    if isinstance(value.get("data"), dict):  # As it is shared.
        value = {**value["data"], **{k: one for k, one in value.items() if k != "data"}}
    results = _results(value)
    if results is not None:
        return _of_results(value, results)
    tests = "tests" in value or "defaultTest" in value
    return _of_config(value) if tests and ("prompts" in value or "providers" in value) else None


def _results(value: Mapping[str, Any]) -> Sequence[Any] | None:
    inner = value.get("results")
    if isinstance(inner, dict):
        inner = inner.get("results")
    elif not ("config" in value or "evalId" in value):
        return None
    graded = ("gradingResult", "promptIdx", "testIdx", "testCase")
    if isinstance(inner, list) and all(isinstance(one, dict) for one in inner):
        known = any(not set(graded).isdisjoint(one) for one in inner)
        return inner if known or not inner else None
    return None


def _of_results(value: Mapping[str, Any], results: Sequence[Mapping[str, Any]]) -> Iterator[Found]:
    others = []
    for one in results:
        kept = _kept(one)
        if kept is None:
            others.append(one)
        else:
            yield "item", kept
    if not others:
        return
    name = _text(value.get("evalId") or value.get("id")) or f"promptfoo-{_digest(value)}"
    config = value.get("config")
    config = config if isinstance(config, dict) else {}
    when = _when(value)
    criteria, left_out = _criteria(config)
    names: dict[bytes, str] = {}
    if not criteria:
        criteria, left_out, names = _asserted(others)
    yield "eval", _eval(name, config, criteria, when)
    yield from _notes(left_out)
    says = "scores of promptfoo's own assertions are kept as it gave them; they are not the hosted ones"
    yield "note", {"says": f"{name}: {says}"}
    runs: dict[int, Mapping[str, Any]] = {}
    for one in others:
        runs.setdefault(_whole(one.get("promptIdx")) or 0, one)
    for index, first in runs.items():
        source = {"type": "jsonl", "source": {"type": "file_content", "content": []}}
        prompt = first.get("prompt")
        title = _text(prompt.get("label")) if isinstance(prompt, dict) else ""
        yield "run", {
            "object": "eval.run", "id": f"{name}-{index}", "eval_id": name, "status": "completed",
            "name": shown(title, 200), "model": _provider(first), "created_at": when,
            "data_source": source,
        }  # fmt: skip
    for one in others:
        yield "item", _item(one, name, names)


def _kept(result: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the dashboard's line that a result was imported from; None where it was not."""
    found = result.get("metadata")
    found = found.get("openai") if isinstance(found, dict) else None
    if not isinstance(found, dict):
        return None
    if isinstance(found.get("outputItem"), dict):
        return dict(found["outputItem"])
    if not isinstance(found.get("item"), dict):
        return None
    names = {
        "run_id": "runId", "data_source_idx": "dataSourceIdx", "item": "item", "sample": "sample",
        "grades": "grades", "passes": "passes", "grader_samples": "graderSamples",
    }  # fmt: skip
    return {name: found[theirs] for name, theirs in names.items() if theirs in found}


def _item(result: Mapping[str, Any], name: str, names: Mapping[bytes, str]) -> dict[str, Any]:
    """Return a result of promptfoo as an output item."""
    case = result.get("testCase")
    given = result.get("vars", case.get("vars") if isinstance(case, dict) else None)
    response = result.get("response", result.get("providerResponse"))
    response = response if isinstance(response, dict) else {}
    output = response.get("output")
    if output is not None and not isinstance(output, str):
        output = jsontext.encode(output).decode()
    prompt = result.get("prompt")
    spoken = prompt.get("raw") if isinstance(prompt, dict) else None
    index, error = _whole(result.get("promptIdx")) or 0, result.get("error")
    return {
        "object": "eval.run.output_item", "id": _text(result.get("id")) or None,
        "eval_id": name, "run_id": f"{name}-{index}", "datasource_item": variables_of(given),
        "datasource_item_id": _whole(result.get("testIdx")),
        "results": list(_graded(result.get("gradingResult"), names)),
        "status": "pass" if result.get("success") is True else "fail",
        "sample": {
            "input": [{"role": "user", "content": spoken}] if isinstance(spoken, str) else [],
            "output": [] if output is None else [{"role": "assistant", "content": output}],
            "model": _provider(result),
            "error": {"code": "error", "message": error} if isinstance(error, str) else None,
        },
    }  # fmt: skip


def _asserted(
    results: Sequence[Mapping[str, Any]],
) -> tuple[list[dict[str, Any]], list[str], dict[bytes, str]]:
    """Return criteria of what the results themselves say was asserted, why others are none, and names.

    A value without variables is that of one row alone, and no criterion of all.
    """
    found: list[dict[str, Any]] = []
    left_out: dict[str, None] = {}
    names: dict[bytes, str] = {}
    for result in results:
        graded = result.get("gradingResult")
        parts = graded.get("componentResults") if isinstance(graded, dict) else None
        for one in parts if isinstance(parts, list) else ():
            said = one.get("assertion") if isinstance(one, dict) else None
            if not isinstance(said, dict) or _key(said) in names:
                continue
            criterion, why = _criterion(said, len(found))
            if criterion is not None and "{{" in str(said.get("value")):
                found.append(criterion)
                names[_key(said)] = str(criterion["name"])
            else:
                left_out[why or "values that only one row asserts"] = None
    return found, list(left_out), names


def _key(assertion: Mapping[str, Any]) -> bytes:
    return jsontext.encode([assertion.get(name) for name in ("type", "value", "metric")])


def _graded(found: Any, names: Mapping[bytes, str]) -> Iterator[dict[str, Any]]:
    parts = found.get("componentResults") if isinstance(found, dict) else None
    for place, one in enumerate(parts if isinstance(parts, list) else ()):
        if isinstance(one, dict):
            assertion = one.get("assertion")
            assertion = assertion if isinstance(assertion, dict) else {}
            kind = _text(assertion.get("type")) or "assertion"
            yield {
                "name": names.get(_key(assertion)) or _text(assertion.get("metric")) or f"{kind} {place + 1}",
                "type": kind,
                "score": one.get("score"), "passed": one.get("pass"), "reason": one.get("reason"),
            }  # fmt: skip


def _of_config(config: Mapping[str, Any]) -> Iterator[Found]:
    config, _ = lifted(config)
    criteria, left_out = _criteria(config)
    yield from _notes(left_out)
    name = f"eval_{_digest([config.get('description'), criteria])}"
    if criteria:
        yield "eval", _eval(name, config, criteria, None)
    else:
        yield (
            "note",
            {
                "says": "a config of promptfoo with no assertion that could be read: no eval is made of it"
            },
        )
    tests = config.get("tests")
    if isinstance(tests, list):
        for one in tests:
            if isinstance(one, dict) and isinstance(one.get("vars"), dict):
                yield "row", {"item": variables_of(one["vars"])}
            else:
                yield "note", {"says": "a test of promptfoo that holds no vars"}
    elif tests is not None:
        yield (
            "note",
            {
                "says": f"promptfoo's tests stand elsewhere ({shown(str(tests), 60)}): give that file too"
            },
        )


def _eval(
    name: str, config: Mapping[str, Any], criteria: list[dict[str, Any]], when: Any
) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"item": {"type": "object"}}}
    return {
        "object": "eval", "id": name, "name": shown(_text(config.get("description")) or name, 200),
        "created_at": when, "testing_criteria": criteria, "metadata": {"from": "promptfoo"},
        "data_source_config": {"type": "custom", "schema": schema},
    }  # fmt: skip


def _criteria(config: Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the assertions of every test that mean the same here, and why others were left out."""
    given, left_out = assertions(config)
    found: list[dict[str, Any]] = []
    for _, one in given:
        criterion, why = (
            _criterion(one, len(found)) if isinstance(one, dict) else (None, "no object")
        )
        if criterion is not None:
            found.append(criterion)
        else:
            left_out.append(why)
    return found, left_out


def _criterion(given: Mapping[str, Any], place: int) -> tuple[dict[str, Any] | None, str]:
    kind = _text(given.get("type"))
    name = _text(given.get("metric")) or f"{kind} {place + 1}"
    # Code of its own passes there by promptfoo's rules for what it returns, which no threshold says.
    made = "there is no grader that passes the same" if kind == "python" else assertion(given)
    if isinstance(made, str):
        return None, f"the assertion {kind or 'without a type'} ({name}): {made}"
    return {"name": name, **made}, ""


def _notes(left_out: Sequence[str]) -> Iterator[Found]:
    for why in left_out:
        yield "note", {"says": f"left out of what promptfoo asserts: {why}"}


def _when(value: Mapping[str, Any]) -> Any:
    metadata, results = value.get("metadata"), value.get("results")
    found = metadata.get("evaluationCreatedAt") if isinstance(metadata, dict) else None
    found = found or (results.get("timestamp") if isinstance(results, dict) else None)
    return found or value.get("createdAt")


def _provider(result: Mapping[str, Any]) -> str:
    provider = result.get("provider")
    return _text(provider.get("id") if isinstance(provider, dict) else provider)


def _digest(value: Any) -> str:
    return hashlib.blake2b(jsontext.encode(value), digest_size=12).hexdigest()


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
