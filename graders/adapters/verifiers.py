"""A grader as a reward of verifiers: a method of a task, or a function that a config names.

    class MyTask(vf.Task):
        correct = verifiers.reward("grader.json", weight=1.0)

Source: verifiers 0.4.0, `v1`: `async fn(task, trace) -> float`; a reward that raises is None in `trace.rewards`, while
`trace.reward` is the sum of what is left. verifiers is imported where it is installed, for its mark.
"""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Mapping
from typing import Any, Unpack

from graders.api import Grader
from graders.config import Source
from graders.errors import FailedError
from graders.keyword import LoadKeywords
from graders.plain import plain
from graders.reward import Failed, Reward, said_of

__all__ = ["VerifiersReward", "reward"]


def reward(
    source: Source | Grader,
    weight: float = 1.0,
    *,
    item: str = ".",
    failed: Failed = "raise",
    within: float | None = None,
    **options: Unpack[LoadKeywords],
) -> VerifiersReward:
    """Return a grader as a reward.

    Args:
        source: the grader, as for `graders.load`.
        weight: what verifiers multiplies it by.
        item: where in the task's data the item stands; `.` for all of it.
        failed: what a row without a reward gets: `raise`, for verifiers keeps no reward then, or a number.
        within: seconds after which a row without a grade fails.
        options: the options of `graders.load`.

    Raises:
        ConfigError, OptionError, UnavailableError: as `graders.Reward`.
    """
    return VerifiersReward(
        Reward(source, item=item, failed=failed, within=within, **options), weight
    )


class VerifiersReward:
    """`await reward(task, trace)`; copies, pickles, and stands as a method in a class of tasks.

    Attributes:
        reward_of: what grades.
        weight: what verifiers multiplies a reward by.
    """

    def __init__(self, reward: Reward, weight: float) -> None:
        self.reward_of = reward
        self.weight = weight
        self.__name__ = reward.__name__
        # The mark by which verifiers finds rewards among a task's methods.
        self.reward = True
        self.reward_priority = 0
        self._vf_weight = weight
        # verifiers asks what to hand in, and Python cannot tell of an object that is a method too.
        self.__signature__ = inspect.signature(self.__call__)

    def __set_name__(self, owner: type, name: str) -> None:
        self.__name__ = name

    def __get__(self, task: Any, owner: type | None = None) -> Any:
        return self if task is None else _Bound(self, task)

    async def __call__(self, task: Any, trace: Any) -> float:
        """Return a trace's reward; failure and parts are among the trace's metrics.

        Raises:
            FailedError: there is none, and `failed` is `raise`.
        """
        item, answer = self.reward_of.item_of(_data(task)), _answer(trace)
        began = time.perf_counter()
        grade = await self.reward_of.agrade(item, answer)
        record = getattr(trace, "record_metric", None)
        if record is not None:
            for name, value in self.reward_of.beside(grade, time.perf_counter() - began).items():
                if not math.isnan(
                    value
                ):  # verifiers has means of metrics, and none of what is no number.
                    record(f"{self.__name__}_{name}", value)
        settled = self.reward_of.settled(grade)
        if settled is None:
            raise FailedError(said_of(grade), grade=grade)
        return settled


class _Bound:
    """A reward as a method of one task."""

    def __init__(self, reward: VerifiersReward, task: Any) -> None:
        self._reward, self._task = reward, task
        self.__name__ = reward.__name__
        self.reward, self.reward_priority, self._vf_weight = True, 0, reward.weight

    async def __call__(self, trace: Any) -> float:
        return await self._reward(self._task, trace)


def _data(task: Any) -> dict[str, Any]:
    """Return what a task knows, as JSON."""
    data = getattr(task, "data", task)
    dump = getattr(data, "model_dump", None)
    found = dump(mode="json") if dump is not None else data
    return plain(dict(found)) if isinstance(found, Mapping) else {"data": plain(found)}


def _answer(trace: Any) -> Any:
    """Return a trace's messages, for their tools count too; its last reply where it has none."""
    messages = getattr(trace, "messages", None)
    if messages:
        return [_message(one) for one in messages]
    return getattr(trace, "last_reply", None)


def _message(message: Any) -> Any:
    """Return a message as the chat format has it: verifiers keeps a call's name and arguments flat."""
    dump = getattr(message, "model_dump", None)
    found = plain(message) if dump is None else dump(mode="json", exclude_none=True)
    if not isinstance(found, dict) or not isinstance(found.get("tool_calls"), list):
        return found
    calls = [
        {"id": one.get("id"), "type": "function",
         "function": {"name": one["name"], "arguments": one.get("arguments")}}
        if isinstance(one, dict) and "name" in one and "function" not in one
        else one
        for one in found["tool_calls"]
    ]  # fmt: skip
    return {**found, "tool_calls": calls}
