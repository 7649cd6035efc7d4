"""What auto becomes where a job trains, and the order of rows."""

from __future__ import annotations

from typing import Any

import pytest

from graders.training.hyperparameter import order_of, schedule
from graders.training.option import TrainingOptions

AUTO: dict[str, Any] = {"n_epochs": "auto", "batch_size": "auto"}


def test_auto_follows_the_documented_rules() -> None:
    found = schedule("supervised", AUTO, 100, TrainingOptions())
    assert (found.batch_size, found.n_epochs, found.total_steps) == (5, 3, 60)
    assert found.learning_rate == pytest.approx(2e-4)
    assert found.kept == [20, 40, 60]
    assert found.shown == {"n_epochs": 3, "batch_size": 5, "learning_rate_multiplier": 1}
    full = schedule("supervised", {"learning_rate_multiplier": 2}, 100, TrainingOptions(full=True))
    assert full.learning_rate == pytest.approx(4e-5)
    preferred = schedule("dpo", {"beta": "auto"}, 1000, TrainingOptions())
    assert (preferred.batch_size, preferred.n_epochs, preferred.beta) == (8, 1, 0.1)


@pytest.mark.parametrize("rows", [1, 2, 3, 17, 20, 1000])
@pytest.mark.parametrize("kind", ["supervised", "dpo", "reinforcement"])
@pytest.mark.parametrize("given", [{}, {"batch_size": 256}, {"batch_size": 7, "n_epochs": 5}])
def test_every_schedule_can_be_run(kind: str, rows: int, given: dict[str, Any]) -> None:
    found = schedule(kind, given, rows, TrainingOptions())
    assert 1 <= found.batch_size <= rows
    assert found.total_steps == -(-rows * found.n_epochs // found.batch_size)
    assert found.batch_size * found.answers % found.rows_at_once == 0
    assert found.kept[-1] == found.evaluated[-1] == found.total_steps
    assert all(0 < one < found.total_steps for one in found.saved)
    assert set(found.kept) <= set(found.evaluated)


def test_reinforcement_keeps_what_it_evaluates_and_scales_its_answers() -> None:
    given = {"eval_interval": 4, "compute_multiplier": 2, "eval_samples": 3, "batch_size": 4}
    found = schedule("reinforcement", given, 40, TrainingOptions())
    assert found.kept == found.evaluated == [4, 8, 10]
    assert (found.answers, found.eval_answers) == (16, 3)
    assert found.shown["eval_interval"] == 4


def test_rows_at_once_divide_a_step() -> None:
    options = TrainingOptions(rows_at_once=4)
    assert schedule("supervised", {"batch_size": 10}, 100, options).rows_at_once == 2
    assert schedule("supervised", {"batch_size": 7}, 100, options).rows_at_once == 1
    assert schedule("supervised", {"batch_size": 12}, 100, options).rows_at_once == 4


def test_each_epoch_has_every_row_once_and_an_order_of_its_own() -> None:
    found = order_of(10, 3, 7, 30)
    epochs = [found[at : at + 10] for at in range(0, 30, 10)]
    assert all(sorted(one) == list(range(10)) for one in epochs)
    assert len({tuple(one) for one in epochs}) == 3
    assert order_of(10, 3, 7, 30) == found
    assert order_of(10, 3, 8, 30) != found
    # A step that is not full is filled with another epoch's first rows.
    assert len(order_of(10, 1, 7, 12)) == 12
