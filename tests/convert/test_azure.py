"""Azure and Foundry: their own evaluators read, criteria written, and kinds that a service lacks."""

from __future__ import annotations

from typing import Any

import pytest

from graders.convert import convert
from graders.errors import ConfigError

CHECK = {
    "type": "string_check", "name": "check", "operation": "eq",
    "input": "{{ sample.output_text }}", "reference": "{{ item.a }}",
}  # fmt: skip
CODE = {"type": "python", "name": "code", "source": "def grade(sample, item):\n    return 1.0\n"}
ENDPOINT = {"type": "endpoint", "name": "far", "url": "https://example.com/grade"}
MULTI = {
    "type": "multi", "name": "both", "graders": {"check": CHECK, "far": ENDPOINT},
    "calculate_output": "check * far",
}  # fmt: skip


def evaluator(name: str, **parameters: Any) -> dict[str, Any]:
    """Return one of Azure's own evaluators as a criterion."""
    return {
        "type": "azure_ai_evaluator", "name": name, "evaluator_name": f"builtin.{name}",
        "data_mapping": {"response": "{{sample.output_text}}", "ground_truth": "{{item.a[0].b}}"},
        "initialization_parameters": parameters,
    }  # fmt: skip


EVALUATORS = [
    evaluator("f1_score", threshold=0.5), evaluator("bleu_score", threshold=0.25),
    evaluator("gleu_score", threshold=0.5),
    evaluator("meteor_score", threshold=0.5, alpha=0.5, beta=3.0, gamma=0.25),
]  # fmt: skip


@pytest.mark.parametrize("one", EVALUATORS, ids=lambda one: str(one["name"]))
def test_azures_own_evaluators_come_back_the_same(one: dict[str, Any]) -> None:
    body = {"testing_criteria": [one, CHECK]}
    ours = convert(body, "graders")
    assert [each["type"] for each in ours.document["testing_criteria"]] == [
        "python",
        "string_check",
    ]
    back = convert(ours.document, "foundry")
    assert not [*ours.losses, *back.losses]
    assert back.document == body


def test_an_evaluator_that_runs_in_azure_alone_is_named() -> None:
    body = {"testing_criteria": [evaluator("coherence"), CHECK]}
    [loss] = convert(body, "graders").losses
    assert loss.path == "$.testing_criteria[0]"
    assert "builtin.coherence" in loss.why


def test_a_formula_and_missing_marks_are_named_in_criteria() -> None:
    both = {**MULTI, "graders": {"check": CHECK, "code": CODE}, "calculate_output": "check * code"}
    made = convert(both, "foundry")
    assert [one.path for one in made.losses] == [
        "$.calculate_output",
        "$.graders.code.pass_threshold",
    ]
    assert made.document["testing_criteria"] == [CHECK, {**CODE, "pass_threshold": 0.5}]
    assert "evals have none" in str(convert(MULTI, "foundry").losses[1])
    assert not convert(CHECK, "foundry").losses


def test_an_endpoint_is_azures_and_not_the_other_services() -> None:
    assert not convert(MULTI, "azure").losses
    [loss] = convert(MULTI, "openai").losses
    assert (loss.path, loss.what) == ("$.graders.far", "endpoint")
    assert convert(MULTI, "azure").document == convert(MULTI, "graders").document


def test_what_is_set_on_an_evaluator_and_not_read_is_named() -> None:
    rouge = evaluator("rouge_score", rouge_type="rouge2", precision_threshold=0.1)
    coherence = evaluator("coherence", deployment_name="x")
    body = {"testing_criteria": [rouge, {**EVALUATORS[0], "evaluator_version": "3"}, coherence]}
    assert {one.path for one in convert(body, "graders").losses} == {
        "$.testing_criteria[0].initialization_parameters.precision_threshold",
        "$.testing_criteria[1].evaluator_version",
        "$.testing_criteria[2]",
    }


def test_a_kind_that_evals_do_not_have_is_no_empty_list_of_criteria() -> None:
    with pytest.raises(ConfigError, match="nothing of it can be written for foundry"):
        convert(ENDPOINT, "foundry")


@pytest.mark.parametrize("to", ["foundry", "gemini", "promptfoo"])
def test_an_invalid_grade_is_kept_or_named(to: str) -> None:
    formula = "(1 * check + 1 * again) / (1 + 1)"
    two = {"check": CHECK, "again": {**CHECK, "name": "again"}}
    multi = {"type": "multi", "name": "m", "graders": two, "calculate_output": formula}
    made = convert({**multi, "invalid_grade": -1.0}, to)
    named = "$.invalid_grade" in {one.path for one in made.losses}
    assert named is ("grader.json" not in made.files)


def test_scripts_with_an_endpoint_say_what_it_needs() -> None:
    assert any("allow_endpoint" in one for one in convert(MULTI, "trl").notes)
    assert not convert(CHECK, "trl").notes
