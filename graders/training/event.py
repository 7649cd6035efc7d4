"""What a step of training says, under the hosted names. Pure."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

__all__ = ["REWARDED", "checkpoint_metrics", "step_data", "step_says", "table"]

_LOSSES: Final = ("loss", "mean_token_accuracy")
_OWN: Final = ("loss", "mean_token_accuracy", "epoch", "step", "hosted", "num_tokens")
REWARDED: Final = "train_mean_reward"
_COLUMNS: Final = (
    "train_loss", "train_accuracy", "valid_loss", "valid_mean_token_accuracy", "full_valid_loss",
    "full_valid_mean_token_accuracy",
)  # fmt: skip
_REWARDS: Final = ("train_mean_reward", "full_valid_mean_reward", "train_loss")


def step_data(
    step: int, total: int, logs: Mapping[str, Any], evaluated: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return the data of a step's event.

    Every evaluation here is of the whole validation file: `valid_` and `full_valid_` are the same.

    Args:
        step: the step, from 1.
        total: how many there are.
        logs: what the trainer logged of it; under `hosted` what graders gave.
        evaluated: what it logged of the evaluation that followed, under the same names; None for none.
    """
    found: dict[str, Any] = {"step": step, "total_steps": total}
    for name in _LOSSES:
        found[f"train_{name}"] = _number(logs.get(name))
    for prefix in ("valid", "full_valid"):
        for name in _LOSSES:
            found[f"{prefix}_{name}"] = _number((evaluated or {}).get(name))
    found |= logs.get("hosted") or {}
    found["trainer"] = {
        name: number
        for name, value in sorted(logs.items())
        if name not in _OWN and (number := _number(value)) is not None
    }
    if evaluated is not None:
        found["trainer"] |= {
            f"eval_{name}": number
            for name, value in sorted(evaluated.items())
            if name not in _OWN and (number := _number(value)) is not None
        }
    return found


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value


def step_says(data: Mapping[str, Any]) -> str:
    """Return the message of a step's event, in the hosted words."""
    says = f"Step {data['step']}/{data['total_steps']}"
    if REWARDED in data:
        says += f" , train mean reward={_shown(data[REWARDED])}"
        if data.get("full_valid_mean_reward") is not None:
            says += f", full validation mean reward={_shown(data['full_valid_mean_reward'])}"
            errors = _shown(data.get("full_valid_mean_parse_error"))
            says += f", full validation mean parse error={errors}"
        return says
    says += f": training loss={_shown(data['train_loss'])}"
    if data["valid_loss"] is not None:
        says += f", validation loss={_shown(data['valid_loss'])}"
        says += f", full validation loss={_shown(data['full_valid_loss'])}"
    return says


def _shown(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f}"


def checkpoint_metrics(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metrics of a checkpoint after a step, from the step's data."""
    names = ["step"]
    names += [f"{side}_{name}" for side in ("train", "valid", "full_valid") for name in _LOSSES]
    names += [one for one in (REWARDED, "full_valid_mean_reward", "full_valid_mean_parse_error")
              if one in data]  # fmt: skip
    return {name: data.get(name) for name in names}


def table(steps: Iterable[Mapping[str, Any]]) -> bytes:
    """Return the result file: a line of CSV a step, with the hosted service's columns."""
    rows = list(steps)
    rewarded = any(REWARDED in one for one in rows)
    columns = _REWARDS if rewarded else _COLUMNS
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["step", *columns])
    for one in rows:
        accuracy = one.get("train_mean_token_accuracy")
        named = {**one, "train_accuracy": accuracy}
        values = [named.get(name) for name in columns]
        writer.writerow([one["step"], *("" if value is None else value for value in values)])
    return text.getvalue().encode()
