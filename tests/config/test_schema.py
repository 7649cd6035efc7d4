"""The JSON Schema: it takes what `load` takes and refuses what `load` refuses."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator

from graders.config import dump, load, schema
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


def test_the_schema_is_json_and_says_nothing_of_how_it_is_made():
    text = json.dumps(schema())
    assert json.loads(text) == schema()
    assert "u0000" not in text
    assert "pydantic" not in text


def test_every_field_of_the_schema_is_described():
    for name, model in schema()["$defs"].items():
        for field, about in model.get("properties", {}).items():
            assert about.get("description") or field in ("type", "role"), f"{name}.{field}"
