"""The JSON Schema: it takes what `load` takes and refuses what `load` refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

import graders.recipes
from graders.config import PUBLISHED, dump, load, read_document, schema
from graders.errors import ConfigError

MESSAGE = {"role": "user", "content": "Rate {{sample.output_text}}"}
CHECK = {"type": "string_check", "name": "a", "input": "x", "reference": "y", "operation": "eq"}
SIMILARITY = {
    "type": "text_similarity",
    "name": "b",
    "input": "x",
    "reference": "y",
    "evaluation_metric": "rouge_l",
    "pass_threshold": 0.5,
}
SCORE = {
    "type": "score_model",
    "name": "c",
    "model": "judge-model",
    "input": [MESSAGE, {"role": "system", "content": [{"type": "input_text", "text": "x"}, "y"]}],
    "range": [0, 10],
    "sampling_params": {"temperature": 0, "max_completions_tokens": 64},
}
LABEL = {
    "type": "label_model",
    "name": "d",
    "model": "judge-model",
    "input": [MESSAGE],
    "labels": ["good", "bad"],
    "passing_labels": ["good"],
}
PYTHON = {
    "type": "python",
    "source": "def grade(sample, item): return 1",
    "image_tag": "2025-05-08",
}
MULTI = {
    "type": "multi",
    "graders": {"a": CHECK, "b": SIMILARITY, "c": SCORE, "d": LABEL, "odd key": PYTHON},
    "calculate_output": "a + b",
    "invalid_grade": 0,
}
GOOD = [CHECK, SIMILARITY, SCORE, LABEL, PYTHON, MULTI]
BAD = [
    5,
    [],
    {},
    {"type": "endpoint", "url": "u"},
    {**CHECK, "operation": "neq"},
    {**CHECK, "pass_threshold": 1},
    {**CHECK, "extra": 1},
    {**CHECK, "input": 5},
    {key: value for key, value in CHECK.items() if key != "reference"},
    {**SIMILARITY, "evaluation_metric": "rouge_6"},
    {**SIMILARITY, "pass_threshold": "0.5"},
    {**SCORE, "input": []},
    {**SCORE, "input": [{"role": "tool", "content": "x"}]},
    {**SCORE, "input": [{"role": "user", "content": {"type": "text", "text": "x"}}]},
    {**SCORE, "range": [0]},
    {**SCORE, "range": [0, 1, 2]},
    {**SCORE, "model": ""},
    {**SCORE, "sampling_params": {"max_tokens": 1}},
    {**SCORE, "sampling_params": {"temperature": 3}},
    {**SCORE, "sampling_params": {"max_completions_tokens": 0}},
    {**LABEL, "labels": []},
    {**LABEL, "sampling_params": {}},
    {**MULTI, "graders": [CHECK]},
    {**MULTI, "graders": {}},
    {**MULTI, "graders": {"a": MULTI}},
    {**MULTI, "invalid_grade": "0"},
]


@pytest.fixture(scope="module")
def validator():
    Draft202012Validator.check_schema(schema())
    return Draft202012Validator(schema())


@pytest.mark.parametrize("config", GOOD, ids=lambda config: config["type"])
def test_good_configs_are_valid_before_and_after_loading(validator, config):
    validator.validate(config)
    validator.validate(dump(load(config)))


@pytest.mark.parametrize("config", BAD, ids=lambda config: json.dumps(config)[:60])
def test_bad_configs_are_invalid_in_both(validator, config):
    assert not validator.is_valid(config)
    with pytest.raises(ConfigError):
        load(json.dumps(config))


def is_config(path: Path) -> bool:
    """Whether a file holds a config; others are requests, objects and rows."""
    try:
        load(path)
    except ConfigError:
        return False
    return True


SAMPLES = Path(__file__).parents[2] / "samples"
RECIPES = Path(graders.recipes.__file__).parent
FILES = sorted({*SAMPLES.rglob("*.json"), *SAMPLES.rglob("*.yaml"), *RECIPES.rglob("*.json")})
DOCUMENTS = [path for path in FILES if ".graders." not in path.name and is_config(path)]


def test_every_sample_is_valid_and_so_is_the_file_that_is_published(validator):
    published = Draft202012Validator(json.loads(PUBLISHED.read_text()))
    assert len(DOCUMENTS) > 15
    for path in DOCUMENTS:
        value = yaml.safe_load(path.read_text())
        validator.validate(value)
        published.validate(value)
    assert validator.schema == published.schema


BODY = {"model": "m", "training_file": "f"}


@pytest.mark.parametrize(
    "wrap",
    [
        lambda one: one,
        lambda one: [one],
        lambda one: {"name": "e", "testing_criteria": [one]},
        lambda one: {"grader": one, "item": {}, "model_sample": "x"},
        lambda one: {**BODY, "method": {"type": "reinforcement", "reinforcement": {"grader": one}}},
    ],
    ids=["bare", "list", "eval", "run", "job"],
)
def test_a_grader_is_looked_at_wherever_it_stands_and_schema_may_stand_beside_it(validator, wrap):
    named = {"$schema": "grader.schema.json"}
    good = wrap({**named, **CHECK})
    bad = wrap({**CHECK, "operation": "neq"})
    validator.validate(good)
    assert dump(load(good)) == CHECK
    assert not validator.is_valid(bad)
    with pytest.raises(ConfigError):
        load(bad)
    if isinstance(good, dict):
        validator.validate({**named, **good})
        assert dump(load({**named, **good})) == CHECK
    text = yaml.safe_dump(good)
    assert dump(load(f"# an editor reads this\n{text}")) == CHECK


def test_schema_is_a_text_and_never_goes_on(tmp_path):
    sub = {"$schema": "s", **CHECK}
    multi = {**MULTI, "graders": {"a": sub}, "calculate_output": "a", "$schema": "s"}
    assert "$schema" not in json.dumps(dump(load(multi)))
    with pytest.raises(ConfigError, match="expected a string, a JSON Schema's name, got 5"):
        load({**CHECK, "$schema": 5})
    (tmp_path / "body.json").write_text(json.dumps({"$schema": "s", "other": {"$schema": "kept"}}))
    assert read_document(tmp_path / "body.json") == {"other": {"$schema": "kept"}}


def test_the_schema_is_json_and_says_nothing_of_how_it_is_made():
    text = json.dumps(schema())
    assert json.loads(text) == schema()
    assert "u0000" not in text
    assert "pydantic" not in text


def test_every_field_of_the_schema_is_described():
    for name, model in schema()["$defs"].items():
        for field, about in model.get("properties", {}).items():
            assert about.get("description") or field in ("type", "role"), f"{name}.{field}"
