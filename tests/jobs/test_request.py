"""Bodies of `fine_tuning.jobs.create`."""

from __future__ import annotations

from typing import Any

import pytest

from graders.jobs import ApiError, JobRequest

CHECK = {
    "type": "string_check", "name": "check", "operation": "eq",
    "input": "{{ sample.output_text }}", "reference": "{{ item.answer }}",
}  # fmt: skip


def body(reinforcement: Any = None, **more: Any) -> dict[str, Any]:
    inner = {"grader": CHECK, **(reinforcement or {})}
    return {
        "model": "o4-mini",
        "training_file": "file-a",
        "validation_file": "file-b",
        "method": {"type": "reinforcement", "reinforcement": inner},
        **more,
    }


def refusal(given: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        JobRequest.parse(given)
    assert caught.value.status == 400
    assert caught.value.type == "invalid_request_error"
    return caught.value


def test_what_was_left_out_is_filled_in() -> None:
    request = JobRequest.parse(body())
    inner = request.method["reinforcement"]
    assert inner["hyperparameters"]["n_epochs"] == "auto"
    assert inner["hyperparameters"]["reasoning_effort"] == "default"
    assert request.kind == "reinforcement"
    assert 0 <= request.seed < 2**31


def test_a_body_without_a_method_is_supervised() -> None:
    request = JobRequest.parse({"model": "gpt-4o-mini", "training_file": "file-a"})
    assert request.kind == "supervised"
    assert request.method["supervised"]["hyperparameters"] == {
        "batch_size": "auto", "learning_rate_multiplier": "auto", "n_epochs": "auto",
    }  # fmt: skip


def test_the_older_hyperparameters_at_the_top_are_taken() -> None:
    given = {"model": "m", "training_file": "f", "hyperparameters": {"n_epochs": 3}}
    assert JobRequest.parse(given).method["supervised"]["hyperparameters"]["n_epochs"] == 3


def test_azure_takes_a_flat_response_format() -> None:
    flat = {"type": "json_schema", "name": "x", "strict": False, "schema": {"type": "object"}}
    assert JobRequest.parse(body({"response_format": flat})).kind == "reinforcement"


CASES: list[tuple[Any, str | None, str]] = [
    ([], None, "the body is a JSON object, got a list of 0"),
    (None, None, "the body is a JSON object, got null"),
    (body(model=""), "model", "model is required"),
    (body(model="a\0b"), "model", "no model is called"),
    (body(model="x" * 300), "model", "no model is called"),
    (body(training_file=None), "training_file", "training_file is required"),
    (body(validation_file=5), "validation_file", "validation_file is the id of a file"),
    (body(trainingfile="x"), "trainingfile", "did you mean training_file?"),
    (body(zzz="x"), "zzz", "known: model, training_file"),
    (body(type="x"), "type", "unknown field"),
    (body(hyperparameters={}), "hyperparameters", "stands at the top"),
    (body(grader={}), "grader", "stands at the top"),
    (body(suffix="x" * 65), "suffix", "1 to 64 characters"),
    (body(suffix=""), "suffix", "1 to 64 characters"),
    (body(seed=1.5), "seed", "whole number"),
    (body(seed=True), "seed", "whole number"),
    (body(seed=2**70), "seed", "64 bits"),
    (body(metadata=[]), "metadata", "an object of texts"),
    (body(metadata={"a": 1}), "metadata.a", "at most 512 characters, got 1"),
    (body(metadata={"a": "x" * 513}), "metadata.a", "got 513 characters"),
    (body(metadata={"x" * 65: "a"}), "metadata", "at most 64 characters, got 65"),
    (body(metadata={str(n): "a" for n in range(17)}), "metadata", "17 pairs"),
    (body(integrations={}), "integrations", "a list"),
    (body(integrations=[{"type": "mlflow"}]), "integrations[0].type", "wandb"),
    (body(integrations=[{"type": "wandb"}]), "integrations[0].wandb.project", "project"),
    (body(method=[]), "method", "an object with a type"),
    (body(method={"type": "reinforce"}), "method.type", "did you mean reinforcement?"),
    (body(method={}), "method.type", "one of supervised, dpo, reinforcement"),
    (body(method={"type": "dpo", "ppo": {}}), "method.ppo", "did you mean dpo?"),
    (body(method={"type": "dpo", "dpo": 1}), "method.dpo", "an object"),
    (
        body(method={"type": "dpo", "dpo": {"hyperparameters": {"beta": 0}}}),
        "method.dpo.hyperparameters.beta",
        "above 0, got 0",
    ),
    (
        body(method={"type": "supervised", "supervised": {"hyperparameters": {"epochs": 1}}}),
        "method.supervised.hyperparameters.epochs",
        "did you mean n_epochs?",
    ),
    (body(method={"type": "reinforcement"}), "method", "holds its grader in"),
    (
        body({"hyperparameters": {"n_epochs": 51}}),
        "method.reinforcement.hyperparameters.n_epochs",
        "from 1 to 50, got 51",
    ),
    (
        body({"hyperparameters": {"eval_interval": 2.5}}),
        "method.reinforcement.hyperparameters.eval_interval",
        "whole number",
    ),
    (
        body({"hyperparameters": {"reasoning_effort": "max"}}),
        "method.reinforcement.hyperparameters.reasoning_effort",
        "default, low, medium, high",
    ),
    (
        body({"hyper_parameters": {}}),
        "method.reinforcement.hyper_parameters",
        "did you mean hyperparameters?",
    ),
    (
        body({"response_format": {"type": "json_object"}}),
        "method.reinforcement.response_format",
        "json_schema",
    ),
    (
        body({"grader": {**CHECK, "inputt": "x"}}),
        "method.reinforcement.grader.inputt",
        "did you mean",
    ),
    (
        body(
            {
                "grader": {
                    "type": "multi",
                    "name": "m",
                    "graders": {"a": {**CHECK, "input": "{{ sample.output_tex }"}},
                    "calculate_output": "a",
                }
            }
        ),
        "method.reinforcement.grader.graders.a.input",
        "",
    ),
]


@pytest.mark.parametrize(("given", "param", "says"), CASES)
def test_a_fault_is_named_with_its_place(given: Any, param: str | None, says: str) -> None:
    error = refusal(given)
    assert error.param == param
    assert says in error.message
    assert error.code is not None or param is None


def test_every_fault_is_listed() -> None:
    grader = {**CHECK, "operation": "equals", "inputt": "x"}
    error = refusal(body({"grader": grader}, seed="x", zzz=1))
    paths = [one["path"] for one in error.body()["error"]["faults"]]
    assert {"zzz", "seed", "method.reinforcement.grader.operation"} <= set(paths)
    assert "more faults" in error.message


def test_a_body_that_nests_without_end_is_refused() -> None:
    deep: Any = "x"
    for _ in range(2000):
        deep = [deep]
    assert "deeper" in refusal(body({"grader": {**CHECK, "x": deep}})).message
