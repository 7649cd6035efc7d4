"""The JSON Schema of configs, for editors: of a grader, and of each document that holds one."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Final

__all__ = ["PUBLISHED", "document_schema"]

PUBLISHED: Final = files("graders.config") / "grader.schema.json"
"""The schema as a file that is installed with graders, for editors to read: of our own kinds alone."""

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_GRADER: Final = {"$ref": "#/$defs/grader"}
_NAMED: Final = {"type": "string", "description": "For editors alone."}


def document_schema(grader: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a config.

    What a document holds decides how it is read, and so what an editor says of it: a list holds
    criteria; an object without a type may be the body of a job, of graders.run or of an eval.

    Args:
        grader: the JSON Schema of a grader with its `$defs`.
    """
    known = dict(grader)
    definitions = known.pop("$defs")
    for one in definitions.values():
        if "type" in one.get("required", ()) and "name" in one["properties"]:
            one["properties"]["$schema"] = _NAMED
    inner: dict[str, Any] = _GRADER
    for key, held in (
        ("grader", _GRADER),
        ("method", _object(reinforcement=_object(grader=_GRADER))),
        ("testing_criteria", _criteria(_GRADER)),
    ):
        inner = {
            "if": {"type": "object", "required": [key], "not": {"required": ["type"]}},
            "then": _object(**{"$schema": _NAMED, key: held}),
            "else": inner,
        }
    return {
        "$schema": _DIALECT,
        "title": "grader",
        "description": "A grader, or a document that holds one: the body of a job, of graders.run or of an eval.",
        "$defs": {**definitions, "grader": known},
        "if": {"type": "array"},
        "then": _criteria(_GRADER),
        "else": inner,
    }


def _object(**properties: Any) -> dict[str, Any]:
    needed = [name for name in properties if name != "$schema"]
    return {"type": "object", "required": needed, "properties": properties}


def _criteria(grader: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of a list of criteria: they have what the API gave them, too."""
    given = {"anyOf": [{"required": ["id"]}, {"properties": {"type": {"const": "azure_ai_evaluator"}}, "required": ["type"]}]}  # fmt: skip
    return {"type": "array", "minItems": 1, "items": {"if": given, "then": {"type": "object"}, "else": grader}}  # fmt: skip
