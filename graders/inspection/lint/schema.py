"""G729 and on: schemas that stand beside a grader, and what the grader takes them to say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from graders.errors import nearest, quoted
from graders.inspection.lint.example import check, job
from graders.inspection.lint.finding import Example, Hit, Place
from graders.inspection.lint.job import schema_of
from graders.inspection.lint.rule import Rule
from graders.inspection.lint.subject import Subject
from graders.kinds import StringCheck
from graders.plan import Leaf
from graders.template import Path, Template, compile_template, to_text

__all__ = ["RULES"]


def _outside_enum(subject: Subject) -> Iterator[Hit]:
    schema, _, _ = schema_of(subject)
    if subject.dialect != "hosted":
        return
    for leaf, config in subject.of_kind(StringCheck):
        if config.operation == "eq":
            sides = {"input": _only(config.input), "reference": _only(config.reference)}
            for name, side in sides.items():
                other = "reference" if name == "input" else "input"
                allowed = _allowed(schema, side)
                if allowed:
                    yield from _outside(subject, leaf, (other, sides[other]), allowed)


def _only(text: str) -> Path | str | None:
    """Return the path that a text is, or the text where it has no template; None for a mixture."""
    template = compile_template(text) if "{{" in text else text
    if isinstance(template, Template):
        parts = template.parts
        return parts[0] if len(parts) == 1 and isinstance(parts[0], Path) else None
    return text


def _allowed(schema: Any, side: Path | str | None) -> list[str]:
    """Return the texts that a schema allows where a path of output_json leads; [] for any."""
    if not isinstance(side, Path) or (side.namespace, side.steps[:1]) != (
        "sample",
        ("output_json",),
    ):
        return []
    for step in side.steps[1:]:
        inner = (
            schema.get("items" if isinstance(step, int) else "properties")
            if isinstance(schema, dict)
            else None
        )
        schema = (
            inner if isinstance(step, int) else inner.get(step) if isinstance(inner, dict) else None
        )
    if not isinstance(schema, dict):
        return []
    values = schema.get("enum", [schema["const"]] if "const" in schema else [])
    return [to_text(one) for one in values] if isinstance(values, list) else []


def _outside(
    subject: Subject, leaf: Leaf, other: tuple[str, Path | str | None], allowed: list[str]
) -> Iterator[Hit]:
    field, side = other
    listed = ", ".join(map(quoted, allowed[:12]))
    place = subject.place(leaf, field)
    if isinstance(side, str) and side not in allowed:
        yield Hit(
            place=place,
            message=f"{quoted(side, 60)} is none of what response_format allows there: {listed}",
        )
    if not isinstance(side, Path) or side.namespace != "item":
        return
    for file in subject.files:
        odd = {
            text: line
            for text, line in file.values.get(str(side), {}).items()
            if text not in allowed
        }
        if odd:
            text, line = next(iter(odd.items()))
            yield Hit(
                place=place, file=file.path, line=line,
                message=f"{side} is {quoted(text, 60)}, none of what response_format allows there: {listed}",
            )  # fmt: skip


def _custom(subject: Subject) -> Mapping[str, Any]:
    """Return what an Evals body says of its rows, {} where it says nothing of its own."""
    body = subject.loaded.body
    given = body.get("data_source_config") if isinstance(body, dict) else None
    return given if isinstance(given, dict) and given.get("type") == "custom" else {}


def _not_in_item_schema(subject: Subject) -> Iterator[Hit]:
    schema = _custom(subject).get("item_schema")
    for leaf, one, path in subject.named_paths():
        if path.namespace == "item" and (found := _lacking(schema, path.steps)) is not None:
            name, known = found
            near = nearest(name, known)
            hint = f"; did you mean {near}?" if near else ""
            says = f"{path}: item_schema has no property {quoted(name)}{hint}"
            yield subject.path_hit(leaf, one, path, says)


def _lacking(schema: Any, steps: tuple[str | int, ...]) -> tuple[str, list[str]] | None:
    """Return the first key that a schema does not name, and those it does; None where all may be."""
    for step in steps:
        if not isinstance(schema, dict):
            return None
        if isinstance(step, int):
            schema = schema.get("items")
            continue
        properties = schema.get("properties")
        others = {"$ref", "anyOf", "oneOf", "allOf", "patternProperties"} & schema.keys()
        if not isinstance(properties, dict) or not properties or others:
            return None
        if step not in properties:
            # A schema that speaks of further properties means them.
            return None if schema.get("additionalProperties") else (step, [*properties])
        schema = properties[step]
    return None


def _sample_left_out(subject: Subject) -> Iterator[Hit]:
    given = _custom(subject)
    if not given or given.get("include_sample_schema") is True:
        return
    for leaf in subject.leaves:
        if subject.reads_sample(leaf):
            place: Place = ("data_source_config", "include_sample_schema")
            yield Hit(
                place=place,
                message=f"{subject.called(leaf)} reads the sample, and include_sample_schema is not true: "
                "rows of this eval have none",
            )
            return


def _eval(grader: Any, **config: Any) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {"answer": {"type": "string"}},
        "required": ["answer"],
    }
    given = {"type": "custom", "item_schema": schema, "include_sample_schema": True, **config}
    return {"name": "e", "data_source_config": given, "testing_criteria": [grader]}


_FORMAT: Final = {
    "response_format": {"type": "json_schema", "json_schema": {"name": "a", "strict": True, "schema": {
        "type": "object", "properties": {"x": {"enum": ["yes", "no"]}}, "required": ["x"],
        "additionalProperties": False,
    }}},
}  # fmt: skip

RULES: Final = (
    Rule(
        code="G729", name="reference-outside-enum", severity="error", check=_outside_enum,
        what="A reference, or a value of it in a training file, that the `enum` of response_format does not allow.",
        why="No answer of the model can equal it: such a row always gets 0.",
        fix="Correct the enum or the reference.",
        example=Example(grader=job(check(input="{{ sample.output_json.x }}", reference="maybe"), reinforcement=_FORMAT)),
    ),
    Rule(
        code="G731", name="not-in-item-schema", severity="warning", check=_not_in_item_schema,
        what="A template names a field of `item` that the body's own item_schema does not have.",
        why="The service checks rows against the schema; such a criterion fails in every row.",
        fix="Correct the path, or add the field to item_schema.",
        example=Example(grader=_eval(check(reference="{{ item.question }}"))),
    ),
    Rule(
        code="G732", name="sample-left-out", severity="warning", check=_sample_left_out,
        what="A criterion reads the sample, and the body's include_sample_schema is not true.",
        why="Rows of such an eval have no sample: every row fails.",
        fix="Set include_sample_schema to true, or read the answer from item.",
        example=Example(grader=_eval(check(), include_sample_schema=False)),
    ),
)  # fmt: skip
