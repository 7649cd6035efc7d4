"""Findings as SARIF 2.1.0, which code scanning services and editors read.

Source: OASIS, Static Analysis Results Interchange Format 2.1.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import PurePath
from typing import Any, Final
from urllib.parse import quote

from graders.inspection.lint.finding import Finding
from graders.inspection.lint.rule import Rule
from graders.version import __version__

__all__ = ["sarif"]

_LEVELS: Final = {"error": "error", "warning": "warning", "info": "note"}
_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(findings: Sequence[Finding], rules: Sequence[Rule]) -> dict[str, Any]:
    """Return a SARIF log of one run; every rule is described, fired or not."""
    places = {rule.code: index for index, rule in enumerate(rules)}
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "graders",
                        "version": __version__,
                        "rules": [_rule(rule) for rule in rules],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [_result(one, places[one.code]) for one in findings],
            }
        ],
    }


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.code,
        "name": "".join(word.capitalize() for word in rule.name.split("-")),
        "shortDescription": {"text": rule.what},
        "fullDescription": {"text": rule.why},
        "help": {"text": rule.fix},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
    }


def _result(one: Finding, index: int) -> dict[str, Any]:
    place: dict[str, Any] = {
        "logicalLocations": [{"fullyQualifiedName": one.path, "kind": "element"}]
    }
    region = {"startLine": one.line, "startColumn": one.column}
    place["physicalLocation"] = {
        "artifactLocation": {"uri": quote(PurePath(one.file).as_posix(), errors="replace")},
        **({"region": {k: v for k, v in region.items() if v is not None}} if one.line else {}),
    }
    # The same finding keeps its identity when lines above it move.
    mark = sha256(f"{one.code}\0{one.file}\0{one.path}".encode("utf-8", "replace")).hexdigest()
    return {
        "ruleId": one.code,
        "ruleIndex": index,
        "level": _LEVELS[one.severity],
        "message": {"text": f"{one.message}. {one.fix}"},
        "locations": [place],
        "partialFingerprints": {"gradersFinding/v1": mark[:32]},
    }
