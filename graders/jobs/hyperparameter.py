"""What "auto" becomes in a dry run. The hosted rules are not documented; these are ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from graders.models import RolloutOptions

__all__ = ["SAMPLES", "Resolved", "resolve"]

SAMPLES: Final = RolloutOptions().samples
"""Samples of a training prompt at a compute_multiplier of 1, where nobody says otherwise."""

_STEPS: Final = 10
_LARGEST_BATCH: Final = 64
_EVALUATIONS: Final = 10
_MOST_SAMPLES: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """The numbers a job is run with.

    Attributes:
        batch_size: rows a step.
        n_epochs: how often each row is trained on.
        eval_interval: steps between evaluations; the last step is always followed by one.
        eval_samples: samples of each validation row; None for all that are recorded.
        samples: samples of each training row that a model is asked for.
        steps: steps of an epoch.
        shown: the hyperparameters as the job object shows them.
    """

    batch_size: int
    n_epochs: int
    eval_interval: int
    eval_samples: int | None
    samples: int
    steps: int
    shown: dict[str, Any]

    @property
    def total_steps(self) -> int:
        """The steps of all epochs."""
        return self.steps * self.n_epochs

    @property
    def asked_of_a_validation_row(self) -> int:
        """How many samples of a validation row a model is asked for."""
        return self.eval_samples or 1

    def evaluates(self, step: int) -> bool:
        """Whether an evaluation follows a step."""
        return step % self.eval_interval == 0 or step == self.total_steps

    @property
    def evaluations(self) -> int:
        """How many evaluations there are."""
        return -(-self.total_steps // self.eval_interval)


def resolve(given: Mapping[str, Any], rows: int, samples: int, recorded: int = 0) -> Resolved:
    """Return the numbers for hyperparameters.

    batch_size auto gives about 10 steps an epoch, of 1 to 64 rows. n_epochs auto is 1: weights stay
    as they are, so another epoch would show the same. eval_interval auto gives about 10
    evaluations. eval_samples auto is all that a row records, or one of a model. compute_multiplier
    scales how many samples of a prompt a model is asked for. What has no meaning without training
    (learning_rate_multiplier auto) is shown as 1.

    Args:
        given: numbers, or "auto", by name.
        rows: how many training rows there are.
        samples: how many samples of a prompt a model is asked for at a compute_multiplier of 1.
        recorded: the most samples that a validation row records.
    """

    def number(name: str, otherwise: float) -> Any:
        value = given.get(name, "auto")
        return otherwise if value in ("auto", None) else value

    batch = min(number("batch_size", min(_LARGEST_BATCH, max(1, round(rows / _STEPS)))), rows)
    epochs = number("n_epochs", 1)
    steps = -(-rows // batch)
    interval = number("eval_interval", max(1, round(steps * epochs / _EVALUATIONS)))
    multiplier = number("compute_multiplier", 1)
    evaluated = given.get("eval_samples", "auto")
    evaluated = None if evaluated in ("auto", None) else evaluated
    shown = {
        **given,
        "batch_size": batch,
        "n_epochs": epochs,
        "eval_interval": interval,
        "eval_samples": evaluated or recorded or 1,
        "compute_multiplier": multiplier,
        "learning_rate_multiplier": number("learning_rate_multiplier", 1),
    }
    return Resolved(
        batch_size=batch, n_epochs=epochs, eval_interval=interval, eval_samples=evaluated,
        samples=min(_MOST_SAMPLES, max(1, round(samples * multiplier))), steps=steps, shown=shown,
    )  # fmt: skip
