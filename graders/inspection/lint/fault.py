"""Faults of a config as findings: they have codes too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from graders.config.document import Place
from graders.errors import Fault
from graders.inspection.lint.example import check, endpoint
from graders.inspection.lint.finding import Example, Finding, Hit
from graders.inspection.lint.formula import RULES as FORMULA
from graders.inspection.lint.judge import RULES as JUDGE
from graders.inspection.lint.python import RULES as PYTHON
from graders.inspection.lint.rule import Rule, never
from graders.inspection.lint.subject import Subject
from graders.inspection.lint.template import RULES as TEMPLATE

__all__ = ["RULES", "of_faults"]


def _other_service(subject: Subject) -> Iterator[Hit]:
    for leaf in subject.leaves if subject.hosted else ():
        for one in leaf.extensions:
            field = "type" if one.group == "kinds" else "evaluation_metric"
            yield Hit(
                place=subject.place(leaf, field),
                message=f"{subject.called(leaf)} has {one.name} of the extension {one}, which no "
                "hosted service has",
            )
        if not leaf.extensions and subject.target not in leaf.kind.services:
            have = " and ".join(sorted(leaf.kind.services)) or "no hosted service"
            yield Hit(
                place=subject.place(leaf, "type"),
                message=f"{subject.called(leaf)} is of type {leaf.config.type}, which only {have} has",
            )


def _for_editors(subject: Subject) -> Iterator[Hit]:
    for place, value in _holders(subject.loaded.body, ()):
        if "$schema" in value:
            yield Hit(
                place=(*place, "$schema"),
                message="$schema is for editors alone; a service knows no such field",
            )


def _holders(value: Any, place: Place) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Yield each object of a document that may say what it is to an editor, with its place."""
    if isinstance(value, list):
        for index, one in enumerate(value):
            yield from _holders(one, (*place, index))
    if not isinstance(value, dict):
        return
    yield place, value
    if isinstance(inner := value.get("graders"), dict):
        for key, one in inner.items():
            yield from _holders(one, (*place, "graders", key))
    for key in ("grader", "testing_criteria"):
        if isinstance(value.get(key), dict | list):
            yield from _holders(value[key], (*place, key))
    method = value.get("method")
    reinforcement = method.get("reinforcement") if isinstance(method, dict) else None
    if isinstance(reinforcement, dict):
        yield from _holders(reinforcement, (*place, "method", "reinforcement"))


def _left_out(subject: Subject) -> Iterator[Hit]:
    for place, why in subject.loaded.left_out:
        yield Hit(place=place, message=f"the criterion is not run here: {why}")


RULES = (
    Rule(
        code="G001", name="config-fault", severity="error", check=never,
        what="The source is no grader: not JSON or YAML, an unknown field, a wrong value or type.",
        why="Nothing can be graded with it.",
        fix="See the message; graders schema prints what is allowed.",
        example=Example(grader=check(operation="neq")),
    ),
    Rule(
        code="G002", name="other-service", severity="error", check=_other_service,
        what="The target service does not have this kind of grader, or this metric.",
        why="It refuses the whole config.",
        fix="Name the service that has it by --target, or use another one.",
        example=Example(grader=endpoint(), target="openai"),
    ),
    Rule(
        code="G003", name="not-run", severity="warning", check=_left_out,
        what="A criterion of an eval that this engine does not run, such as most of Azure's built-in evaluators.",
        why="The other criteria run; verdicts and rewards here are without it.",
        fix="Run it in Azure Foundry, or write it as a grader of another type.",
        example=Example(grader={"name": "e", "testing_criteria": [check(), {
            "type": "azure_ai_evaluator", "name": "fluency", "evaluator_name": "builtin.fluency",
        }]}),
    ),
    Rule(
        code="G004", name="for-editors-alone", severity="warning", check=_for_editors,
        what="A `$schema`, which tells an editor what the file is.",
        why="A service refuses fields that it does not know. Here, and in what `graders convert` writes, it is left out.",
        fix="Send what graders convert FILE --to graders writes, or take $schema out.",
        example=Example(grader=check(**{"$schema": "grader.schema.json"}), target="openai"),
        elsewhere={"local": None},
    ),
)  # fmt: skip

_RULES = {rule.code: rule for rule in (*RULES, *FORMULA, *JUDGE, *PYTHON, *TEMPLATE)}


def of_faults(faults: Iterable[Fault], source: str) -> Iterator[Finding]:
    """Yield a finding for each fault of a config."""
    for fault in faults:
        rule = _RULES[_code(fault)]
        message = fault.message.partition("\n")[0]
        yield Finding(
            code=rule.code, name=rule.name, severity="error", file=source, path=fault.path,
            message=message, fix=rule.fix, line=fault.line, column=fault.column,
        )  # fmt: skip


def _code(fault: Fault) -> str:
    if fault.code == "formula_parse_error":
        return "G102" if fault.is_unknown_name else "G101"
    if fault.code == "template_parse_error":
        return "G201"
    if fault.code == "python_grader_runtime_error":
        return "G501"
    return "G401" if ".passing_labels" in fault.path else "G001"
