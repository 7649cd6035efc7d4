"""A grader as a config of promptfoo: assertions of its own where they mean the same, else the grader by Python. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from graders.convert.result import Converted
from graders.convert.script import json_text
from graders.convert.source import ASSERTION, IS_JSON, LEVENSHTEIN, REGEX
from graders.convert.weighted import Term, terms_of
from graders.template import Path, hosted_parts

__all__ = ["write"]

_TYPES: Final[Mapping[str, str]] = {
    "eq": "equals", "ne": "not-equals", "like": "contains", "ilike": "icontains",
}  # fmt: skip

_BY_GRADER: Final = '''\
"""The grader beside this file as an assertion of promptfoo."""

from pathlib import Path

import graders

GRADER = graders.load(Path(__file__).with_name("grader.json"))
PASSES_AT = {threshold!r}


def get_assert(output, context):
    """Return the grade of an answer; a test's vars are the item."""
    grade = GRADER.grade(item=context["vars"], sample=output)
    if grade.reward is None:  # promptfoo counts a 0 then, and shows why.
        raise RuntimeError("; ".join(map(str, grade.failures)))
    passes = grade.reward >= PASSES_AT
    parts = {{key: one for key, one in grade.sub_rewards.items() if one is not None}}
    reason = f"reward {{grade.reward}}, passes at {{PASSES_AT}}"
    return {{"pass": passes, "score": grade.reward, "reason": reason, "namedScores": parts}}
'''


def write(grader: Mapping[str, Any]) -> Converted:
    """Return a folder for `promptfoo eval`: its config, and the grader where it is needed."""
    found = _assertions(grader)
    files, notes = dict[str, str](), list[str]()
    if found is None:
        threshold = grader.get("pass_threshold")
        script = _BY_GRADER.format(threshold=0.5 if threshold is None else threshold)
        found = [{"type": "python", "metric": _name(grader), "value": "file://grader_assert.py"}]
        files = {"grader.json": json_text(grader), "grader_assert.py": script}
        notes.append(
            "promptfoo runs grader_assert.py by PROMPTFOO_PYTHON, which needs graders installed"
        )
    config = {
        "description": _name(grader), "prompts": ["{{prompt}}"], "providers": ["echo"],
        "defaultTest": {"assert": found}, "tests": "file://tests.jsonl",
    }  # fmt: skip
    notes.append("promptfoo knows no row without a score: one that fails here counts as 0 there")
    notes.append('tests.jsonl has a test a line, {"vars": {...}}: the item is its vars')
    return Converted(files={"promptfooconfig.json": json_text(config), **files}, notes=notes)


def _name(grader: Mapping[str, Any]) -> str:
    return str(grader.get("name") or "grader")


def _assertions(grader: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Return promptfoo's own assertions; None where they would not all mean the same."""
    graders: Mapping[str, Any] = {"": grader}
    terms: Sequence[Term] | None = [Term("")]
    if grader.get("type") == "multi":
        graders, terms = grader["graders"], terms_of(str(grader["calculate_output"]))
    if (
        terms is None
        or grader.get("invalid_grade") is not None
        or {one.key for one in terms} != set(graders)
        or not all(t.plain for t in terms)
    ):
        return None
    found = []
    for term in terms:
        one = _assertion(graders[term.key])
        if one is None or term.weight < 0:
            return None
        weight = {} if term.weight == 1 else {"weight": term.weight}
        name = graders[term.key].get("name")
        metric = {"metric": name} if name and name != one["type"] else {}
        found.append({**one, **weight, **metric})
    return found


def _assertion(grader: Mapping[str, Any]) -> dict[str, Any] | None:
    kind = grader.get("type")
    if kind == "string_check":
        if re.fullmatch(r"\{\{\s*sample\.output_text\s*\}\}", grader["input"]) is None:
            return None
        value = _value(grader["reference"])
        return None if value is None else {"type": _TYPES[grader["operation"]], "value": value}
    if kind != "python" or grader.get("pass_threshold") is not None:
        return None
    return _of_source(grader["source"])


def _of_source(source: str) -> dict[str, Any] | None:
    """Return the assertion that a source was made of, None where it is code like any other."""
    if found := ASSERTION.read(source):
        kind, values = found["TYPE"], found["VALUES"]
        value = values if kind.endswith(("-any", "-all")) else values[0]
    elif found := REGEX.read(source):
        kind, value = "regex", found["EXPRESSION"]
    elif found := LEVENSHTEIN.read(source):
        kind, value = "levenshtein", found["VALUE"]
    elif found := IS_JSON.read(source):
        kind, value = "is-json", None
    else:
        return None
    made: dict[str, Any] = {"type": f"not-{kind}" if found["INVERSE"] else kind}
    if value is not None:
        made["value"] = value
    if kind == "levenshtein" and found["THRESHOLD"] != 5:
        made["threshold"] = found["THRESHOLD"]
    return made


def _value(text: str) -> str | None:
    """Return a reference with promptfoo's variables; None where they do not say it."""
    parts = hosted_parts(text)
    if parts is None:
        return None
    pieces = []
    for part in parts:
        if not isinstance(part, Path):
            if any(one in part for one in ("{%", "{#", "{{")) or text.startswith("file://"):
                return None
            pieces.append(part)
            continue
        words = all(
            isinstance(one, str) and re.fullmatch(r"[A-Za-z_]\w*", one) for one in part.steps
        )
        if (
            part.namespace != "item"
            or not part.steps
            or not words
            or part.steps[0] in {"output", "item", "sample"}
        ):
            return None
        pieces.append("{{" + ".".join(map(str, part.steps)) + "}}")
    return "".join(pieces)
