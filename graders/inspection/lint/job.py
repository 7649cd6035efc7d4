"""G70x: the body of `fine_tuning.jobs.create` around the grader.

Source: the hosted API reference and fine-tuning guide; Azure's narrower limits where it has them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from graders.errors import nearest, quoted, suggestion
from graders.inspection.lint.example import check, job
from graders.inspection.lint.finding import Example, Hit, Place
from graders.inspection.lint.rule import Rule
from graders.inspection.lint.subject import Subject
from graders.models import NO_NEW_JOBS, base_of, retirement

__all__ = ["FIELDS", "LIMITS", "RULES", "said", "schema_of", "within"]

_METHOD: Final[Place] = ("method", "reinforcement")
FIELDS: Final = (
    "model", "training_file", "validation_file", "method", "suffix", "seed", "metadata",
    "integrations", "hyperparameters",
)  # fmt: skip
_EFFORTS: Final = ("default", "low", "medium", "high")
_BASES: Final[Mapping[str, tuple[str, ...]]] = {
    "openai": ("o4-mini",),
    "local": ("o4-mini", "gpt-5"),
    "azure": ("o4-mini", "gpt-5"),
}

# Lowest, highest (None for any) and whether whole; Azure's where they differ.
Limits = tuple[float, float | None, bool]
LIMITS: Final[Mapping[str, Limits]] = {
    "batch_size": (1, 256, True),
    "learning_rate_multiplier": (0, None, False),
    "n_epochs": (1, 50, True),
    "compute_multiplier": (0, None, False),
    "eval_interval": (1, None, True),
    "eval_samples": (1, None, True),
}
_AZURE: Final[Mapping[str, Limits]] = {
    "compute_multiplier": (0.5, 3.0, False),
    "eval_interval": (1, 25, True),
}


def _body(subject: Subject) -> dict[str, Any]:
    body = subject.loaded.body
    return body if subject.form == "job" and isinstance(body, dict) else {}


def _part(subject: Subject, name: str) -> Any:
    method = _body(subject).get("method")
    return method["reinforcement"].get(name) if isinstance(method, dict) else None


def _required(subject: Subject) -> Iterator[Hit]:
    body = _body(subject)
    for name in ("model", "training_file") if body else ():
        if not isinstance(body.get(name), str) or not body[name]:
            yield Hit(place=(name,), message=f"{name} is required, got {quoted(body.get(name))}")


def _no_validation(subject: Subject) -> Iterator[Hit]:
    body = _body(subject)
    given = any(one.use == "validation" for one in subject.files)
    if body and not body.get("validation_file") and not given:
        yield Hit(
            place=("validation_file",),
            message="validation_file is required for reinforcement fine-tuning",
        )


def _hyperparameters(subject: Subject) -> Iterator[Hit]:
    given = _part(subject, "hyperparameters")
    if given is None:
        return
    place: Place = (*_METHOD, "hyperparameters")
    if not isinstance(given, dict):
        yield Hit(place=place, message=f"hyperparameters is an object, got {quoted(given)}")
        return
    limits = {**LIMITS, **(_AZURE if subject.target == "azure" else {})}
    for name, value in given.items():
        if name == "reasoning_effort":
            if value not in _EFFORTS:
                says = f"{name} is one of {', '.join(_EFFORTS)}, got {quoted(value)}"
                yield Hit(place=(*place, name), message=says)
        elif name in limits and not within(value, limits[name]):
            says = f"{name} is {said(limits[name])}, got {quoted(value)}"
            yield Hit(place=(*place, name), message=says)


def within(value: Any, limits: Limits) -> bool:
    """Whether a hyperparameter has a value the service takes."""
    low, high, whole = limits
    if value == "auto":
        return True
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        return False
    above = value >= low if low else value > 0
    return above and (high is None or value <= high)


def said(limits: Limits) -> str:
    """Return what values a hyperparameter takes, in words."""
    low, high, whole = limits
    kind = "a whole number" if whole else "a number"
    above = f"of at least {low:g}" if low else "above 0"
    return f'"auto" or {kind} ' + (above if high is None else f"from {low:g} to {high:g}")


def _unknown(subject: Subject) -> Iterator[Hit]:
    given = _part(subject, "hyperparameters")
    known = (*LIMITS, "reasoning_effort")
    for name in given if isinstance(given, dict) else ():
        if name not in known:
            yield _unknown_hit((*_METHOD, "hyperparameters", name), name, known)
    for name in _body(subject):
        if name not in FIELDS and nearest(name, FIELDS):
            yield _unknown_hit((name,), name, FIELDS)
    method = _body(subject).get("method")
    inner = method["reinforcement"] if isinstance(method, dict) else {}
    fields = ("grader", "response_format", "hyperparameters", "tools", "max_episode_steps")
    for name in inner:
        if name not in fields:
            yield _unknown_hit((*_METHOD, name), name, fields)


def _unknown_hit(place: Place, name: str, known: tuple[str, ...]) -> Hit:
    hint = suggestion(name, known, "known:")
    return Hit(place=place, message=f"unknown field {quoted(name)}; {hint}")


def _misplaced(subject: Subject) -> Iterator[Hit]:
    body = _body(subject)
    for name in ("hyperparameters", "response_format", "grader"):
        if name in body:
            yield Hit(
                place=(name,),
                message=f"{name} stands at the top; a reinforcement job has it in method.reinforcement",
                fix=f"Move it to method.reinforcement.{name}.",
            )


def _method_type(subject: Subject) -> Iterator[Hit]:
    method = _body(subject).get("method")
    if isinstance(method, dict) and method.get("type") != "reinforcement":
        yield Hit(
            place=("method", "type"),
            message=f'method.type is "reinforcement", got {quoted(method.get("type"))}',
        )


def _response_format(subject: Subject) -> Iterator[Hit]:
    given = _part(subject, "response_format")
    place: Place = (*_METHOD, "response_format")
    if given is None:
        return
    if not isinstance(given, dict) or given.get("type") != "json_schema":
        yield Hit(
            place=place,
            message='response_format is an object with type "json_schema" and json_schema',
        )
        return
    inner, where = given.get("json_schema"), (*place, "json_schema")
    if inner is None and subject.target == "azure" and "schema" in given:
        inner, where = given, place  # Azure also takes it flat.
    if not isinstance(inner, dict):
        yield Hit(place=where, message="json_schema is an object with name, strict and schema")
        return
    if not isinstance(inner.get("name"), str) or not inner["name"]:
        yield Hit(place=(*where, "name"), message="json_schema needs a name")
    if not isinstance(inner.get("schema"), dict):
        yield Hit(place=(*where, "schema"), message="schema is a JSON Schema, an object")
    if not isinstance(inner.get("strict", True), bool | None):
        yield Hit(
            place=(*where, "strict"),
            message=f"strict is true or false, got {quoted(inner['strict'])}",
        )


def schema_of(subject: Subject) -> tuple[Any, Place, bool]:
    """Return the answer's JSON Schema, where it stands, and whether it is strict."""
    given = _part(subject, "response_format")
    if not isinstance(given, dict):
        return None, (), False
    inner, place = given.get("json_schema"), (*_METHOD, "response_format", "json_schema")
    if not isinstance(inner, dict):
        inner, place = given, place[:-1]
    return inner.get("schema"), (*place, "schema"), inner.get("strict") is True


def _strict_schema(subject: Subject) -> Iterator[Hit]:
    schema, place, strict = schema_of(subject)
    if strict and isinstance(schema, dict):
        yield from _strict(schema, place, 0)


def _strict(schema: Mapping[str, Any], place: Place, depth: int) -> Iterator[Hit]:
    properties = schema.get("properties")
    if isinstance(properties, dict):
        if schema.get("additionalProperties") is not False:
            yield Hit(
                place=place,
                message="a strict schema has additionalProperties: false in every object",
            )
        required = schema.get("required")
        missing = [
            name
            for name in properties
            if name not in (required if isinstance(required, list) else ())
        ]
        if missing:
            yield Hit(
                place=place,
                message=f"a strict schema requires every property; required lacks {', '.join(map(quoted, missing))}",
            )
    for name, inner in properties.items() if isinstance(properties, dict) and depth < 50 else ():
        if isinstance(inner, dict):
            yield from _strict(inner, (*place, "properties", name), depth + 1)
    items = schema.get("items")
    if isinstance(items, dict) and depth < 50:
        yield from _strict(items, (*place, "items"), depth + 1)


def _json_without_format(subject: Subject) -> Iterator[Hit]:
    if not _body(subject) or _part(subject, "response_format") is not None:
        return
    for leaf in subject.leaves:
        if any(
            path.namespace == "sample" and path.steps[:1] == ("output_json",)
            for path in subject.paths(leaf)
        ):
            yield Hit(
                place=subject.place(leaf),
                message=f"{subject.called(leaf)} reads sample.output_json, and the job has no response_format: "
                "answers need not be JSON",
            )


def _not_in_schema(subject: Subject) -> Iterator[Hit]:
    schema, _, _ = schema_of(subject)
    if not isinstance(schema, dict):
        return
    for leaf in subject.leaves:
        for path in subject.paths(leaf):
            if path.namespace == "sample" and path.steps[:1] == ("output_json",):
                name = _absent(schema, path.steps[1:])
                if name is not None:
                    yield Hit(
                        place=subject.place(leaf),
                        message=f"{path}: response_format has no property {quoted(name)}",
                    )


def _absent(schema: Any, steps: tuple[str | int, ...]) -> str | None:
    """Return the first key that a closed schema does not know, None where all may be there."""
    for step in steps:
        if not isinstance(schema, dict):
            return None
        if isinstance(step, int):
            schema = schema.get("items")
            continue
        properties = schema.get("properties")
        if not isinstance(properties, dict) or schema.get("additionalProperties") is not False:
            return None
        if step not in properties:
            return step
        schema = properties[step]
    return None


def _base_model(subject: Subject) -> Iterator[Hit]:
    model = _body(subject).get("model")
    if not isinstance(model, str) or not model:
        return
    if not base_of(model).startswith(_BASES[subject.target]):
        yield Hit(
            place=("model",),
            message=f"{model[:80]} is not known to take reinforcement fine-tuning; "
            f"{' and '.join(_BASES[subject.target])} does",
        )


def _base_retired(subject: Subject) -> Iterator[Hit]:
    model = _body(subject).get("model")
    if isinstance(model, str) and (day := retirement(base_of(model))) is not None:
        yield Hit(
            place=("model",),
            message=f"the service switches {model[:80]} off on {day}, and takes no new jobs from {NO_NEW_JOBS}",
        )


def _format(schema: Any) -> dict[str, Any]:
    inner = {"name": "answer", "strict": True, "schema": schema}
    return {"response_format": {"type": "json_schema", "json_schema": inner}}


_READS_JSON: Final = check(input="{{ sample.output_json.x }}")
_CLOSED: Final = {
    "type": "object", "properties": {"y": {"type": "string"}}, "required": ["y"],
    "additionalProperties": False,
}  # fmt: skip

RULES: Final = (
    Rule(
        code="G701", name="job-required", severity="error", check=_required,
        what="The body has no `model` or no `training_file`.",
        why="The service refuses the job.",
        fix="Name the base model and the id of the training file.",
        example=Example(grader=job(drop="model")),
    ),
    Rule(
        code="G702", name="no-validation-file", severity="error", check=_no_validation,
        what="The body has no `validation_file`.",
        why="Reinforcement fine-tuning requires one.",
        fix="Upload some rows that are not in the training file and name them.",
        example=Example(grader=job(drop="validation_file")),
    ),
    Rule(
        code="G703", name="hyperparameter", severity="error", check=_hyperparameters,
        what="A hyperparameter has a value the service does not take. Azure's limits are narrower.",
        why="The service refuses the job.",
        fix='Keep to the documented limits, or write "auto".',
        example=Example(grader=job(reinforcement={"hyperparameters": {"n_epochs": 100}})),
    ),
    Rule(
        code="G704", name="unknown-job-field", severity="error", check=_unknown,
        what="A field of the body that the service does not know.",
        why="The service refuses the job, or the setting has no effect.",
        fix="Correct the spelling.",
        example=Example(grader=job(reinforcement={"hyperparameters": {"epochs": 2}})),
    ),
    Rule(
        code="G705", name="misplaced-field", severity="error", check=_misplaced,
        what="`hyperparameters`, `response_format` or `grader` at the top of the body.",
        why="There they belong to the older, supervised form.",
        fix="Move it into method.reinforcement.",
        example=Example(grader=job(hyperparameters={"n_epochs": 2})),
    ),
    Rule(
        code="G706", name="method-type", severity="error", check=_method_type,
        what="`method.type` is not `reinforcement`.",
        why="The service takes the method by its type.",
        fix='Write "type": "reinforcement".',
        example=Example(grader=job(method={"reinforcement": {"grader": check()}})),
    ),
    Rule(
        code="G707", name="response-format", severity="error", check=_response_format,
        what="`response_format` is not `{type: json_schema, json_schema: {name, strict, schema}}`.",
        why="The service refuses the job. Azure also takes the fields of json_schema flat.",
        fix="Write the documented shape.",
        example=Example(grader=job(reinforcement={"response_format": {"type": "json_object"}})),
    ),
    Rule(
        code="G708", name="strict-schema", severity="error", check=_strict_schema,
        what="A strict schema whose objects allow other properties, or do not require all.",
        why="Structured outputs refuse it.",
        fix='Add "additionalProperties": false and list every property in required.',
        example=Example(grader=job(reinforcement=_format({"type": "object", "properties": {"x": {"type": "string"}}}))),
    ),
    Rule(
        code="G709", name="json-without-format", severity="warning", check=_json_without_format,
        what="A grader reads `sample.output_json`, and the job has no `response_format`.",
        why="The service fills output_json only with a response_format.",
        fix="Add response_format, or compare output_text.",
        example=Example(grader=job(_READS_JSON)),
    ),
    Rule(
        code="G710", name="not-in-schema", severity="error", check=_not_in_schema,
        what="A template names a property of `output_json` that the job's closed schema does not have.",
        why="Every row fails with invalid_variable_error.",
        fix="Name a property of the schema.",
        example=Example(grader=job(_READS_JSON, reinforcement=_format(_CLOSED))),
    ),
    Rule(
        code="G711", name="base-model", severity="warning", check=_base_model,
        what="`model` is not known to take reinforcement fine-tuning.",
        why="The service refuses the job.",
        fix="Use o4-mini-2025-04-16; on Azure also gpt-5.",
        example=Example(grader=job(model="gpt-4o-2024-08-06")),
    ),
    Rule(
        code="G712", name="base-model-retired", severity="warning", check=_base_retired,
        elsewhere={"local": None, "azure": None},
        what="The job's base model has a day on which the service switches it off.",
        why="The job cannot be created any more.",
        fix="Train on Azure, or with a trainer of your own; this engine gives the same rewards.",
        example=Example(grader=job(), target="openai"),
    ),
)  # fmt: skip
