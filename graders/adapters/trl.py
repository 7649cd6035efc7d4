"""A grader as a reward function of TRL: `GRPOTrainer(reward_funcs=trl.reward("grader.json"), ...)`.

Source: TRL 1.16.0, `GRPOTrainer._calculate_rewards`: keywords `prompts`, `completions`, `completion_ids`,
each column of the dataset, `trainer_state`, `log_extra`, `log_metric` and `environments`; a list of floats
or None as answer, where None is an unscored row. Nothing of TRL is imported.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, Unpack

from graders.api import Grader
from graders.config import Source
from graders.errors import OptionError, nearest
from graders.grade import Grade
from graders.keyword import LoadKeywords
from graders.reward import Failed, Reward, said_of
from graders.shaping import groups_of

__all__ = ["AsyncTrlReward", "PartReward", "TrlReward", "areward", "parts", "reward"]

_OURS: Final = frozenset({"completion_ids", "trainer_state", "environments"})
_COMPLETION: Final = "completion"

LogExtra = Callable[[str, list[Any]], None]
LogMetric = Callable[[str, float], None]


def reward(
    source: Source | Grader,
    *,
    item: str = ".",
    failed: Failed = None,
    within: float | None = None,
    shaping: Sequence[Mapping[str, Any]] = (),
    num_generations: int | None = None,
    **options: Unpack[LoadKeywords],
) -> TrlReward:
    """Return a grader as a reward function.

    Args:
        source: the grader, as for `graders.load`.
        item: where in a row of the dataset the item stands; `.` for all of its columns, with `prompt`.
        failed: what a row without a reward gets; None, which TRL leaves out, a number, or `raise`.
        within: seconds after which a row without a grade fails.
        shaping: what is done with the rewards of each prompt's answers, such as `{"type": "rank"}`.
        num_generations: how many answers each prompt has, as in GRPOConfig; None where neighbours of an
            equal prompt are its answers.
        options: the options of `graders.load`.

    Raises:
        ConfigError, OptionError, UnavailableError: as `graders.Reward`.
    """
    made = Reward(
        source,
        item=item,
        sample=_COMPLETION,
        failed=failed,
        within=within,
        shaping=shaping,
        **options,
    )
    if num_generations is not None:
        groups_of([], num_generations)  # It says what is wrong with it, before anything is trained.
    return TrlReward(made, num_generations)


def areward(
    source: Source | Grader,
    *,
    item: str = ".",
    failed: Failed = None,
    within: float | None = None,
    shaping: Sequence[Mapping[str, Any]] = (),
    num_generations: int | None = None,
    **options: Unpack[LoadKeywords],
) -> AsyncTrlReward:
    """Return a grader as a reward function that TRL awaits, beside the others that it awaits.

    For judges and endpoints, where there are several such functions; arguments and errors as for `reward`.
    """
    made = reward(
        source,
        item=item,
        failed=failed,
        within=within,
        shaping=shaping,
        num_generations=num_generations,
        **options,
    )
    return AsyncTrlReward(made.reward, num_generations)


def parts(
    source: Source | Grader,
    *,
    weights: Mapping[str, float] | None = None,
    item: str = ".",
    failed: Failed = None,
    within: float | None = None,
    **options: Unpack[LoadKeywords],
) -> tuple[list[PartReward], list[float]]:
    """Return one reward function for each sub-grader, and their weights, for TRL to add up and log.

    Each batch is graded once for all of them.

    Args:
        source: the grader, as for `graders.load`.
        weights: by a sub-grader's key; 1.0 for those that are not named.
        item: where in a row of the dataset the item stands; `.` for all of its columns, with `prompt`.
        failed: what a row without a reward gets; None, which TRL leaves out, a number, or `raise`.
        within: seconds after which a row without a grade fails.
        options: the options of `graders.load`.

    Returns:
        What `GRPOTrainer(reward_funcs=...)` and `GRPOConfig(reward_weights=...)` take.

    Raises:
        OptionError: the grader has no sub-graders, a weight is of none of them, or shaping is asked for.
    """
    whole = reward(source, item=item, failed=failed, within=within, **options).reward
    if whole.shaping:
        raise OptionError("shaping is of whole rewards, which the trainer adds up; use trl.reward")
    keys = whole.parts
    if not keys:
        raise OptionError(f"{whole.grader.name} has no sub-graders; use trl.reward")
    for name in weights or {}:
        if name not in keys:
            near = nearest(name, keys)
            hint = f"did you mean {near}?" if near else f"there are {', '.join(keys)}"
            raise OptionError(f"weights: there is no sub-grader {name}; {hint}")
    shared = _Shared(whole)
    return (
        [PartReward(shared, key) for key in keys],
        [float((weights or {}).get(key, 1.0)) for key in keys],
    )


class _Telling:
    """What rows get for their grades, and what the trainer's logs are told of them."""

    def __init__(self, reward: Reward, num_generations: int | None = None) -> None:
        self.reward = reward
        self.num_generations = num_generations
        self.__name__ = reward.__name__
        self._log = _Log(reward)

    def _told(
        self,
        rows: Sequence[Mapping[str, Any]],
        grades: Sequence[Grade],
        began: float,
        *,
        prompts: Sequence[Any] | None,
        columns: Mapping[str, Any],
        logs: tuple[LogExtra | None, LogMetric | None],
    ) -> list[float | None]:
        self._log.write(grades, time.perf_counter() - began, *logs)
        if not self.reward.shaping:
            return [self.reward.settled(one) for one in grades]
        groups = None if prompts is None else groups_of(prompts, self.num_generations)
        ids = columns.get("completion_ids")
        tokens = None if ids is None else [len(one) for one in ids]
        shaped = self.reward.shaped(grades, rows, groups, tokens)
        self._log.write_shaped(grades, shaped, *logs)
        return shaped


class TrlReward(_Telling):
    """A reward function. Failures, sub-rewards, tokens and time go to the trainer's own logs.

    Attributes:
        reward: what grades.
        num_generations: how many answers each prompt has; None where neighbours of an equal prompt are.
    """

    def __call__(
        self,
        prompts: Sequence[Any] | None = None,
        completions: Sequence[Any] = (),
        *,
        log_extra: LogExtra | None = None,
        log_metric: LogMetric | None = None,
        **columns: Any,
    ) -> list[float | None]:
        """Return a reward for each completion, in order.

        Raises:
            FailedError: a row has none, and `failed` is `raise`.
            OptionError: shaping needs what is not given, or the rows are no whole groups.
        """
        began = time.perf_counter()
        rows = rows_of(prompts, completions, columns)
        grades = self.reward.grades(rows)
        logs = (log_extra, log_metric)
        return self._told(rows, grades, began, prompts=prompts, columns=columns, logs=logs)


class AsyncTrlReward(_Telling):
    """The same, awaited. Failures, sub-rewards, tokens and time go to the trainer's own logs.

    Attributes:
        reward: what grades.
        num_generations: how many answers each prompt has; None where neighbours of an equal prompt are.
    """

    async def __call__(
        self,
        prompts: Sequence[Any] | None = None,
        completions: Sequence[Any] = (),
        *,
        log_extra: LogExtra | None = None,
        log_metric: LogMetric | None = None,
        **columns: Any,
    ) -> list[float | None]:
        """Return a reward for each completion, in order.

        Raises:
            FailedError: a row has none, and `failed` is `raise`.
            OptionError: shaping needs what is not given, or the rows are no whole groups.
        """
        began = time.perf_counter()
        rows = rows_of(prompts, completions, columns)
        grades = await self.reward.agrades(rows)
        logs = (log_extra, log_metric)
        return self._told(rows, grades, began, prompts=prompts, columns=columns, logs=logs)


class PartReward:
    """The reward of one sub-grader; those of one grader grade a batch together.

    Attributes:
        key: the sub-grader's key.
    """

    def __init__(self, shared: _Shared, key: str) -> None:
        self._shared = shared
        self.key = key
        self.__name__ = f"{shared.reward.__name__}_{key}"

    def __call__(
        self,
        prompts: Sequence[Any] | None = None,
        completions: Sequence[Any] = (),
        *,
        log_extra: LogExtra | None = None,
        log_metric: LogMetric | None = None,
        **columns: Any,
    ) -> list[float | None]:
        """Return the sub-grader's reward for each completion, None where any of the grader's parts failed."""
        rows = partial(rows_of, prompts, completions, columns)
        grades = self._shared.grades(self.key, completions, rows, (log_extra, log_metric))
        return [self._settled(one) for one in grades]

    def _settled(self, grade: Grade) -> float | None:
        score = grade.sub_rewards.get(self.key)
        if all(grade.sub_rewards.get(key) is not None for key in self._shared.keys):
            return score
        # TRL adds up what there is: a part without a reward would be a 0 of that sum, in silence.
        instead = self._shared.reward.instead(grade)
        return instead if score is None or instead is None else score


class _Shared:
    """The grades of the last batch, for the parts that are asked for it one after the other."""

    def __init__(self, reward: Reward) -> None:
        self.reward = reward
        self.keys = reward.parts
        self._log = _Log(reward)
        self._completions: Sequence[Any] | None = None
        self._grades: list[Grade] = []
        self._asked: set[str] = set()

    def grades(
        self,
        key: str,
        completions: Sequence[Any],
        rows: Callable[[], list[dict[str, Any]]],
        logs: tuple[LogExtra | None, LogMetric | None],
    ) -> list[Grade]:
        """Return a batch's grades; graded, and logged, once for all parts that ask.

        A batch is known by being the very list that was handed to the part before: what stands in its
        rows may be tensors, which cannot be compared. A part that asks twice asks for another batch.
        """
        if completions is not self._completions or key in self._asked:
            began = time.perf_counter()
            self._grades = self.reward.grades(rows())
            self._completions, self._asked = completions, set()
            self._log.write(self._grades, time.perf_counter() - began, *logs)
        self._asked.add(key)
        return self._grades

    def __reduce__(self) -> tuple[Any, ...]:
        return _Shared, (self.reward,)  # Another process has other batches.


def rows_of(
    prompts: Sequence[Any] | None, completions: Sequence[Any], columns: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return the rows of a batch: prompt, completion, and what each column has for them."""
    named = {
        name: list(column)
        for name, column in columns.items()
        if name not in _OURS and _is_column(column) and len(column) == len(completions)
    }
    return [
        {
            **({} if prompts is None else {"prompt": prompts[at]}),
            **{name: column[at] for name, column in named.items()},
            _COMPLETION: completion,
        }
        for at, completion in enumerate(completions)
    ]


def _is_column(value: Any) -> bool:
    """Return whether something holds a value a row: a list, or an array, tensor or Series."""
    if isinstance(value, str | bytes):
        return False
    return isinstance(value, Sequence) or bool(getattr(value, "shape", ()))


class _Log:
    """Writes down beside a batch's rewards what they do not say."""

    def __init__(self, reward: Reward) -> None:
        self._reward = reward
        self._codes: set[str] = set()

    def write(
        self,
        grades: Sequence[Grade],
        seconds: float,
        log_extra: LogExtra | None,
        log_metric: LogMetric | None,
    ) -> None:
        """Log the metrics of a batch, and a column for each part and for what failed."""
        name, parts = self._reward.__name__, self._reward.parts
        if log_metric is not None and grades:
            found = metrics_of(grades, parts)
            # TRL means what was logged: a code that comes and goes has its zeros too.
            self._codes |= {key for key in found if key.startswith(("failed/", "invalid/"))}
            found |= dict.fromkeys(self._codes - found.keys(), 0.0)
            if self._reward.grader.plan.invalid_grade is not None:
                found.setdefault("invalid", 0.0)
            if self._reward.grader.plan.asks_servers:
                found.setdefault("judge_tokens", 0.0)
            for key, value in found.items():
                log_metric(f"graders/{name}/{key}", value)
            log_metric(f"graders/{name}/seconds_per_row", seconds / len(grades))
        if log_extra is not None:
            for part in parts:
                log_extra(f"{name}_{part}", [one.sub_rewards.get(part) for one in grades])
            # For each batch: TRL's table shows the last that was logged of a column, whose ever it was.
            log_extra(f"{name}_failure", [said_of(one) or None for one in grades])

    def write_shaped(
        self,
        grades: Sequence[Grade],
        shaped: Sequence[float | None],
        log_extra: LogExtra | None,
        log_metric: LogMetric | None,
    ) -> None:
        """Log the grader's rewards and what became of them, each by itself; failed rows in neither."""
        name = self._reward.__name__
        raw = [one.reward for one in grades]
        after = [None if one is None else two for one, two in zip(raw, shaped, strict=True)]
        for key, column in (("reward", raw), ("shaped", after)):
            scored = [one for one in column if one is not None]
            if log_metric is not None and scored:
                log_metric(f"graders/{name}/{key}", math.fsum(scored) / len(scored))
            if log_extra is not None:
                log_extra(f"{name}_{key}", column)


def metrics_of(grades: Sequence[Grade], keys: Sequence[str]) -> dict[str, float]:
    """Return what a batch's grades add up to: shares of failures, means of parts, judges' tokens.

    Nothing stands for what was not graded: a part without any score has no mean.
    """
    count = len(grades)
    found = {"failed": sum(one.reward is None for one in grades) / count}
    if invalid := sum(bool(one.replaced) for one in grades):
        found["invalid"] = invalid / count
    codes = Counter(
        f"{word}/{code}"
        for one in grades
        for word, failures in (("failed", one.failures), ("invalid", one.replaced))
        for code in {each.code for each in failures}
    )
    found |= {key: codes[key] / count for key in sorted(codes)}
    for key in keys:
        scores = [score for one in grades if (score := one.sub_rewards.get(key)) is not None]
        if scores:
            found[f"reward/{key}"] = sum(scores) / len(scores)
    tokens = sum(one.tokens for one in grades)
    if tokens:
        found["judge_tokens"] = float(tokens)
    return found
