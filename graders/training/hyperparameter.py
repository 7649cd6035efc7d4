"""What "auto" becomes where a job trains. The hosted rules are not documented; these are ours."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from graders.training.option import TrainingOptions

__all__ = ["Schedule", "largest_divisor", "order_of", "schedule"]

_EPOCHS: Final = {"supervised": 3, "dpo": 1, "reinforcement": 1}
_LARGEST_BATCH: Final = {"supervised": 16, "dpo": 8, "reinforcement": 8}
# An adapter learns at about ten times the rate of all weights.
_RATES: Final = {"supervised": 2e-5, "dpo": 1e-6, "reinforcement": 1e-6}
_ADAPTER: Final = 10.0
_AT_ONCE: Final = 4
_PARTS: Final = 10
_MOST_ANSWERS: Final = 64
_LAST_EPOCHS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The numbers a job is trained with.

    Attributes:
        batch_size: rows (in reinforcement: prompts) a step.
        n_epochs: how often each row is trained on.
        learning_rate: the highest; it falls to 0 in a line.
        beta: of dpo, how near the model stays to what it was.
        answers: of a prompt, in a step of reinforcement.
        eval_answers: of a validation prompt.
        rows_at_once: rows, or answers, on the device at once; divides what a step has.
        total_steps: how many steps there are.
        evaluated: the steps after which the validation file is evaluated.
        kept: the steps after which there is a checkpoint that can be used.
        saved: the steps from which an interrupted job can go on, besides.
        shown: the hyperparameters as the job object shows them.
    """

    batch_size: int
    n_epochs: int
    learning_rate: float
    beta: float
    answers: int
    eval_answers: int
    rows_at_once: int
    total_steps: int
    evaluated: list[int]
    kept: list[int]
    saved: list[int]
    shown: dict[str, Any]


def schedule(kind: str, given: Mapping[str, Any], rows: int, options: TrainingOptions) -> Schedule:
    """Return the numbers for hyperparameters.

    batch_size auto gives about 20 steps an epoch, of 1 to 16 rows (dpo 1 to 8, reinforcement 1 to 8
    prompts). n_epochs auto is 3, of dpo and reinforcement 1. learning_rate_multiplier auto is 1, of
    2e-4 (supervised) or 1e-5 (dpo, reinforcement); a tenth of that where every weight is trained.
    beta auto is 0.1. eval_interval auto gives about 10 evaluations, eval_samples auto is 1.

    Args:
        kind: the method.
        given: numbers, or "auto", by name.
        rows: how many training rows there are.
        options: how jobs are trained.
    """

    def number(name: str, otherwise: float) -> Any:
        value = given.get(name, "auto")
        return otherwise if value in ("auto", None) else value

    largest = _LARGEST_BATCH[kind]
    batch = min(number("batch_size", min(largest, max(1, round(rows / 20)))), rows)
    epochs = number("n_epochs", _EPOCHS[kind])
    total = -(-rows * epochs // batch)
    multiplier = number("learning_rate_multiplier", 1)
    rate = options.learning_rate or _RATES[kind] * (1.0 if options.full else _ADAPTER)
    reinforced = kind == "reinforcement"
    scale = number("compute_multiplier", 1)
    answers = min(_MOST_ANSWERS, max(2, round(options.answers * scale))) if reinforced else 1
    interval = number("eval_interval", max(1, round(total / _PARTS)))
    evaluated = sorted({*range(interval, total + 1, interval), total})
    ends = [-(-rows * epoch // batch) for epoch in range(1, epochs + 1)]
    kept = evaluated if reinforced else sorted(set(ends[-_LAST_EPOCHS:]))
    every = max(1, round(total / _PARTS))
    shown = {
        **given, "batch_size": batch, "n_epochs": epochs, "learning_rate_multiplier": multiplier,
        **({"beta": number("beta", 0.1)} if kind == "dpo" else {}),
    }  # fmt: skip
    if reinforced:
        shown |= {
            "eval_interval": interval, "eval_samples": number("eval_samples", 1),
            "compute_multiplier": scale,
        }  # fmt: skip
    return Schedule(
        batch_size=batch, n_epochs=epochs, learning_rate=rate * multiplier,
        beta=number("beta", 0.1), answers=answers, eval_answers=number("eval_samples", 1),
        rows_at_once=largest_divisor(batch * answers, options.rows_at_once or max(_AT_ONCE, answers)),
        total_steps=total, evaluated=sorted({*evaluated, *kept}), kept=kept,
        saved=list(range(every, total, every)), shown=shown,
    )  # fmt: skip


def largest_divisor(whole: int, most: int) -> int:
    """Return the largest divisor of a number that is not above another."""
    return next(one for one in range(min(whole, most), 0, -1) if whole % one == 0)


def order_of(rows: int, epochs: int, seed: int, count: int) -> list[int]:
    """Return which row is trained on when: each epoch in an order of its own, the same for a seed.

    Args:
        rows: how many there are.
        epochs: how often each is trained on.
        seed: the job's.
        count: how many are wanted; beyond the epochs another one begins.
    """
    found: list[int] = []
    epoch = 0
    while epoch < epochs or len(found) < count:
        drawn = list(range(rows))
        random.Random(f"{seed}/{epoch}").shuffle(drawn)  # noqa: S311  (an order, no secret)
        found += drawn
        epoch += 1
    return found[:count]
