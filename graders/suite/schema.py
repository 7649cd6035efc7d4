"""The JSON Schema of suite files, so that editors complete and check them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Final

from graders.hosted import CODES
from graders.option import Option
from graders.suite.change import CHANGES
from graders.suite.expectation import BOUNDS
from graders.suite.option import OPTIONS

__all__ = ["PUBLISHED", "schema"]

PUBLISHED: Final = files("graders.suite") / "suite.schema.json"
"""The schema as a file that is installed with graders, for editors to read."""

_TEXT = {"type": "string"}
_NUMBER = {"type": "number"}


def schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a suite."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "grader test suite",
        "description": "Unit tests of a reward, run by `graders test` and by pytest.",
        **_object(
            {
                "$schema": _TEXT,
                "grader": _said(
                    {"type": ["string", "object", "array"]},
                    "The grader: its path, relative to this file, or the grader itself.",
                ),
                "options": _object({name: _option(one) for name, one in OPTIONS.items()}),
                "defaults": _object(
                    {
                        "item": _said(
                            {}, "Of every row; the keys of a row's own item come on top."
                        ),
                        "sample": _ref("sample"),
                        "within": _said(_NUMBER, "How far a reward may be from a plain number."),
                    }
                ),
                "cases": _list(_ref("case"), "Rows and their grades."),
                "orderings": _list(_ref("ordering"), "Rows of which each beats the next."),
                "invariances": _list(_ref("invariance"), "Changes that leave a reward as it is."),
            },
            required=["grader"],
        ),
        "$defs": _definitions(),
    }


def _definitions() -> dict[str, Any]:
    name = _said(_TEXT, "Unique in the file.")
    margin = {"type": "number", "minimum": 0}
    return {
        "sample": _said(
            {"type": ["string", "object", "null"]},
            "The model's output: a text, or an object with output_text, output_json, output_tools, "
            "choices or output_audio.",
        ),
        "expected": _said(
            {
                "anyOf": [
                    _NUMBER,
                    {"type": "null"},
                    {"type": "string", "pattern": r"^\s*(>=|<=|==|>|<)?\s*[-+]?[0-9.]"},
                    _object({"about": _NUMBER, "within": margin}, required=["about", "within"]),
                    {**_object(dict.fromkeys(BOUNDS, _NUMBER)), "minProperties": 1},
                ]
            },
            "A number, {about, within}, a bound, or null for none.",
        ),
        "failure": {
            "anyOf": [
                {"enum": list(CODES)},
                _object(
                    {"code": {"enum": list(CODES)}, "where": _TEXT, "message": _TEXT},
                    required=["code"],
                ),
            ]
        },
        **_tests(name, margin),
    }


def _tests(name: dict[str, Any], margin: dict[str, Any]) -> dict[str, Any]:
    """Return the schemas of cases, orderings and invariances."""
    return {
        "case": _object(
            {
                "name": name,
                "item": {},
                "sample": _ref("sample"),
                "reward": _ref("expected"),
                "sub_rewards": {"type": "object", "additionalProperties": _ref("expected")},
                "failure": _ref("failure"),
            },
            required=["name"],
        ),
        "row": {
            "anyOf": [
                _said(_TEXT, "The name of a case."),
                _object({"name": name, "item": {}, "sample": _ref("sample")}),
            ]
        },
        "ordering": _object(
            {
                "name": name,
                "item": {},
                "order": {**_list(_ref("row"), "Best first."), "minItems": 2},
                "margin": margin,
            },
            required=["order"],
        ),
        "invariance": _object(
            {
                "name": name,
                "of": {"anyOf": [_ref("row"), _list(_ref("row"), "The names of cases.")]},
                "item": {},
                "sample": _ref("sample"),
                "changes": {"anyOf": [{"enum": list(CHANGES)}, _list({"enum": list(CHANGES)}, "")]},
                "paraphrases": {"anyOf": [_TEXT, _list(_TEXT, "Other texts of the same worth.")]},
                "within": margin,
            }
        ),
    }


_TYPES: Final = {bool: "boolean", int: "number", float: "number", Mapping: "object"}


def _option(one: Option) -> dict[str, Any]:
    """Return the schema of an option's value."""
    if one.allowed:
        return {"enum": list(one.allowed)}
    return {"type": _TYPES.get(one.sort, "string")}


def _object(properties: dict[str, Any], required: list[str] | None = None) -> dict[str, Any]:
    body = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**body, "required": required} if required else body


def _list(items: dict[str, Any], description: str) -> dict[str, Any]:
    return _said({"type": "array", "items": items}, description)


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}


def _said(body: dict[str, Any], description: str) -> dict[str, Any]:
    return {**body, "description": description} if description else body
