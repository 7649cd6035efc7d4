"""What stands for trainers: each calls as the trainer's own source does, which test_callers.py looks up."""

from __future__ import annotations

import asyncio
import inspect
import math
from collections import defaultdict
from typing import Any


class Trainer:
    """Calls as `GRPOTrainer._calculate_rewards` of TRL 1.16.0 does."""

    def __init__(self, functions: list[Any], weights: list[float] | None = None) -> None:
        self.functions = functions
        self.weights = weights or [1.0] * len(functions)
        self.metrics: dict[str, list[float]] = defaultdict(list)
        self.extra: dict[str, list[Any]] = defaultdict(list)

    def rewards(self, inputs: list[dict[str, Any]], completions: list[Any]) -> list[list[float]]:
        keys = [key for key in inputs[0] if key not in ("prompt", "completion", "completion_ids")]
        kwargs: dict[str, Any] = {key: [one[key] for one in inputs] for key in keys}
        kwargs["trainer_state"] = object()
        kwargs["log_extra"] = lambda column, values: self.extra[column].extend(values)
        kwargs["log_metric"] = lambda name, value: self.metrics[name].append(value)
        found = []
        for function in self.functions:
            assert function.__name__
            given = function(
                prompts=[one["prompt"] for one in inputs], completions=completions,
                completion_ids=[[1, 2]] * len(completions), **kwargs,
            )  # fmt: skip
            assert len(given) == len(completions)
            found.append([math.nan if one is None else one for one in given])
        return [list(row) for row in zip(*found, strict=True)]


class Trace:
    def __init__(self, *said: str) -> None:
        self.messages: list[dict[str, Any]] = [{"role": "user", "content": "q"}]
        self.messages += [{"role": "assistant", "content": one} for one in said]
        self.metrics: dict[str, float] = {}

    def record_metric(self, name: str, value: float) -> None:
        self.metrics[name] = value


def score(task: Any, trace: Trace) -> dict[str, float]:
    """Find and call rewards as verifiers 0.4.0 does."""
    found = {}
    for name in dir(type(task)):
        function = getattr(type(task), name)
        if callable(function) and getattr(function, "reward", False) is True:
            method = getattr(task, name)
            given = {one: trace for one in inspect.signature(method).parameters if one == "trace"}
            found[method.__name__] = asyncio.run(method(**given)) * method._vf_weight
    return found
