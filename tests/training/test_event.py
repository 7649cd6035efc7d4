"""What a step says, under the hosted names."""

from __future__ import annotations

from graders.training.event import checkpoint_metrics, step_data, step_says, table

LOGS = {"loss": 1.5, "mean_token_accuracy": 0.25, "grad_norm": 2.0, "epoch": 0.1, "num_tokens": 9}


def test_a_step_of_a_supervised_job() -> None:
    data = step_data(3, 9, LOGS, {"loss": 1.25, "mean_token_accuracy": 0.5, "runtime": 0.1})
    assert step_says(data) == (
        "Step 3/9: training loss=1.50, validation loss=1.25, full validation loss=1.25"
    )
    assert data["trainer"] == {"grad_norm": 2.0, "eval_runtime": 0.1}
    assert checkpoint_metrics(data) == {
        "step": 3, "train_loss": 1.5, "train_mean_token_accuracy": 0.25, "valid_loss": 1.25,
        "valid_mean_token_accuracy": 0.5, "full_valid_loss": 1.25,
        "full_valid_mean_token_accuracy": 0.5,
    }  # fmt: skip


def test_a_step_that_is_not_evaluated_has_no_numbers_of_it() -> None:
    data = step_data(1, 9, LOGS, None)
    assert step_says(data) == "Step 1/9: training loss=1.50"
    assert data["valid_loss"] is None


def test_a_step_of_a_reinforcement_job_in_the_hosted_words() -> None:
    hosted = {
        "train_mean_reward": 0.421, "full_valid_mean_reward": 0.68,
        "full_valid_mean_parse_error": 0.0,
    }  # fmt: skip
    data = step_data(10, 20, {**LOGS, "hosted": hosted}, {"loss": 0.0})
    assert step_says(data) == (
        "Step 10/20 , train mean reward=0.42, full validation mean reward=0.68, full validation mean "
        "parse error=0.00"
    )
    assert "hosted" not in data["trainer"]


def test_what_is_no_number_is_null() -> None:
    data = step_data(1, 1, {"loss": float("nan"), "grad_norm": float("inf"), "odd": "x"}, None)
    assert data["train_loss"] is None
    assert data["trainer"] == {}
    none = {"train_mean_reward": None}
    assert "reward=none" in step_says(step_data(1, 1, {"hosted": none}, None))


def test_the_table_has_a_line_a_step() -> None:
    steps = [step_data(1, 2, LOGS, None), step_data(2, 2, LOGS, {"loss": 1.0})]
    assert table(steps).decode() == (
        "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy,full_valid_loss,"
        "full_valid_mean_token_accuracy\n1,1.5,0.25,,,,\n2,1.5,0.25,1.0,,1.0,\n"
    )
    assert table([{"step": 1, "train_mean_reward": 0.5, "train_loss": 0.0}]).decode() == (
        "step,train_mean_reward,full_valid_mean_reward,train_loss\n1,0.5,,0.0\n"
    )
