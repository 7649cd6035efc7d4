"""The JSON Schema of suites, and their reference page, agree with the reader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from graders.suite import ENDINGS, schema
from graders.suite.change import CHANGES
from graders.suite.expectation import BOUNDS
from graders.suite.load import KEYS
from graders.suite.option import OPTIONS

ROOT = Path(__file__).parents[2]
SUITES = sorted([*ROOT.glob("samples/**/*.graders.*"), *ROOT.glob("graders/recipes/*/*.graders.*")])


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.name)
def test_the_samples_fit_the_schema(path: Path) -> None:
    jsonschema.validate(yaml.safe_load(path.read_text()), schema())


def test_the_schema_has_the_readers_keys() -> None:
    body = schema()
    jsonschema.Draft202012Validator.check_schema(body)
    assert tuple(body["properties"]) == KEYS["suite"]
    assert tuple(body["properties"]["options"]["properties"]) == tuple(OPTIONS)
    assert tuple(body["properties"]["defaults"]["properties"]) == KEYS["defaults"]
    for name in ("case", "ordering", "invariance"):
        assert set(body["$defs"][name]["properties"]) == set(KEYS[name])
    assert tuple(body["$defs"]["row"]["anyOf"][1]["properties"]) == KEYS["row"]


@pytest.mark.parametrize(
    "suite",
    [
        {"cases": []},
        {"grader": 5},
        {"grader": "g", "case": []},
        {"grader": "g", "cases": [{"reward": 1}]},
        {"grader": "g", "cases": [{"name": "a", "reward": {"about": 1}}]},
        {"grader": "g", "cases": [{"name": "a", "reward": "half"}]},
        {"grader": "g", "cases": [{"name": "a", "failure": "nope"}]},
        {"grader": "g", "orderings": [{"order": ["a"]}]},
        {"grader": "g", "invariances": [{"of": "a", "changes": "nope"}]},
        {"grader": "g", "options": {"dialect": "nope"}},
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(suite: Any) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(suite, schema())


def test_the_reference_names_every_key_option_change_and_ending() -> None:
    page = (ROOT / "docs/reference/suite.md").read_text()
    keys = {key for known in KEYS.values() for key in known}
    wanted = {*keys, *OPTIONS, *CHANGES, *ENDINGS}
    assert [word for word in sorted(wanted) if f"`{word}`" not in page] == []
    assert [word for word in BOUNDS if word not in page] == []
