"""Azure's built-in evaluators: those that need no service run, the others are named."""

from __future__ import annotations

from typing import Any

import pytest

import graders
from graders.config import load_source
from graders.errors import ConfigError
from tests.sandbox.conftest import needs_standard

CHECK = {
    "type": "string_check", "name": "eq", "input": "{{ item.said }}", "reference": "{{ item.truth }}",
    "operation": "eq",
}  # fmt: skip
MAPPING = {"response": "{{item.said}}", "ground_truth": "{{ item.truth }}"}


def builtin(name: str, **parameters: Any) -> dict[str, Any]:
    return {
        "type": "azure_ai_evaluator", "name": name, "evaluator_name": f"builtin.{name}",
        "initialization_parameters": parameters, "data_mapping": MAPPING,
    }  # fmt: skip


def evals(*criteria: dict[str, Any]) -> dict[str, Any]:
    return {"name": "e", "testing_criteria": list(criteria)}


# What azure-ai-evaluation 1.18 itself gives.
GIVEN = [
    ("a b c", "a b d", 0.5, 0.21177974141341938, 0.5, 0.6666666666666666),
    ("The cat sat on the mat.", "A cat is on a mat!", 0.75, 0.042587297623443834, 0.13636363636363635, 0.5),
    ("Dr. Smith left.\nHe's gone", "Dr. Smith has left.\nHe is gone.", 0.6666666666666666, 0.1909610802920446,
     0.3333333333333333, 0.7692307692307692),
    ("x", "y", 0.0, 0.0, 0.0, 0.0),
    ("It is 5 p.m. Go, now; (or never)", "It is 5 p.m. go now", 0.8571428571428571, 0.22416933501922293,
     0.2619047619047619, 0.8750000000000001),
    ("don't stop", "do not stop", 0.4, 0.08621454270909737, 0.3333333333333333, 0.3333333333333333),
]  # fmt: skip


@needs_standard
@pytest.mark.more
def test_scores_are_azures_to_the_last_bit() -> None:
    body = evals(
        builtin("f1_score"), builtin("bleu_score"), builtin("gleu_score"),
        builtin("rouge_score", rouge_type="rougeL"),
    )  # fmt: skip
    with graders.load(body) as grader:
        for said, truth, *scores in GIVEN:
            grade = grader.grade({"said": said, "truth": truth})
            assert list(grade.sub_rewards.values()) == scores, said


@pytest.mark.more
@needs_standard
def test_without_nltks_data_a_row_fails_by_its_name(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NLTK_DATA", str(tmp_path))
    with graders.load(evals(builtin("bleu_score"))) as grader:
        assert grader.grade({"said": "a b", "truth": "a b"}).reward is not None
        (failure,) = grader.grade({"said": "naïve", "truth": "naïve"}).failures
    assert "NLTK's data perluniprops is not on this machine" in failure.message


@pytest.mark.parametrize(
    ("criterion", "why"),
    [
        (builtin("fluency"), 'the evaluator "builtin.fluency" runs in Azure Foundry only'),
        ({"type": "azure_ai_evaluator", "name": "x"}, "the evaluator null runs in Azure Foundry only"),
        (builtin("rouge_score", rouge_type="rouge9"), "rouge_type is one of rouge1, "),
        ({**builtin("f1_score"), "data_mapping": {"response": "x"}}, "builtin.f1_score needs response and ground_truth"),
        ({**builtin("gleu_score"), "data_mapping": {**MAPPING, "response": "so: {{item.a}}"}}, "builtin.gleu_score is run where each side"),
        (builtin("meteor_score", alpha="1"), "builtin.meteor_score is run where"),
    ],
)  # fmt: skip
def test_what_is_not_run_is_named_and_the_rest_runs(criterion: dict[str, Any], why: str) -> None:
    loaded = load_source(evals(criterion, CHECK))
    ((place, said),) = loaded.left_out
    assert place == ("testing_criteria", 0)
    assert said.startswith(why)
    grader = graders.Grader(loaded)
    assert grader({"said": "x", "truth": "x"}) == 1.0
    assert [note.partition(": ")[0] for note in grader.notes()] == [
        "$.testing_criteria[0] is not run"
    ]
    with pytest.raises(ConfigError, match="testing_criteria"):
        load_source(evals(criterion))


def test_places_stay_those_of_the_list() -> None:
    fault = {**CHECK, "operation": "neq"}
    with pytest.raises(ConfigError) as caught:
        load_source(evals(builtin("fluency"), CHECK, fault))
    assert caught.value.faults[0].path == "$.testing_criteria[2].operation"
    loaded = load_source(
        evals(builtin("fluency"), CHECK, builtin("coherence"), {**CHECK, "name": "b"})
    )
    assert loaded.config.places == (1, 3)
    assert load_source(evals(builtin("fluency"), CHECK)).place == ("testing_criteria", 1)


def test_the_threshold_is_azures() -> None:
    loaded = load_source(
        evals(
            builtin("rouge_score", rouge_type="rouge2", f1_score_threshold=0.7), builtin("f1_score")
        )
    )
    rouge, f1 = loaded.config.graders.values()
    assert (rouge.evaluation_metric, rouge.pass_threshold, f1.pass_threshold) == (
        "rouge_2",
        0.7,
        0.5,
    )


def test_it_is_no_grader_by_itself() -> None:
    with pytest.raises(ConfigError, match="Azure-only"):
        load_source(builtin("f1_score"))
