"""What a policy-gradient trainer would see of a job's rewards: differences between the answers to one prompt.

Such a trainer (GRPO and its kin) takes of each reward only how far it lies above or below the mean of
its prompt. Where all answers to a prompt get the same, all advantages are 0 and nothing is learned,
however much rewards differ between prompts. What a policy is given is the prompt alone: where several rows
have the same prompt, what one of them teaches another one may take back. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

from graders.jobs.journal import RECORDED, TRAIN, VALID, SampleKey, StoredGrade
from graders.jobs.metric import Counts

__all__ = ["MeasuredSteps", "Spread", "same"]

_SMALLEST: Final = 1e-6
_FLOAT32: Final = 2.0**-22
_LARGEST: Final = 3.4028234663852886e38
_LEAST: Final = 1e-3
_EXAMPLES: Final = 10
_TELLING: Final = 16

_Group = tuple[list[SampleKey], dict[bytes, float]]
"""Of a prompt: its samples, and the sum of the advantages of each answer, in standard deviations."""


def same(rewards: Iterable[float]) -> bool:
    """Whether a trainer cannot tell these rewards apart.

    Trainers hold them as float32 and divide by the standard deviation and an epsilon (1e-4 in TRL,
    1e-6 in verl): what is closer than 1e-6, or than the last bits of a float32, moves nothing.
    Above the largest float32 a reward is infinite, and its advantage no number.
    """
    values = list(rewards)
    low, high = min(values), max(values)
    return max(-low, high) > _LARGEST or _close(low, high)


def _close(low: float, high: float) -> bool:
    return high - low <= max(_SMALLEST, max(-low, high) * _FLOAT32)


@dataclass(slots=True)
class Spread:
    """Lowest, highest and standard deviation of rewards, one at a time (Welford)."""

    count: int = 0
    lowest: float = math.inf
    highest: float = -math.inf
    _mean: float = 0.0
    _squares: float = 0.0

    def add(self, reward: float) -> None:
        """Add a reward."""
        self.count += 1
        self.lowest, self.highest = min(self.lowest, reward), max(self.highest, reward)
        off = reward - self._mean
        self._mean += off / self.count
        self._squares += off * (reward - self._mean)

    @property
    def deviation(self) -> float | None:
        """The standard deviation (of a sample); None of fewer than two, or where it is too large."""
        if self.count < 2:
            return None
        found = math.sqrt(max(0.0, self._squares / (self.count - 1)))
        return found if math.isfinite(found) else None

    @property
    def constant(self) -> bool:
        """Whether there are several rewards and a trainer cannot tell them apart."""
        return self.count > 1 and _close(self.lowest, self.highest)


@dataclass(slots=True)
class MeasuredSteps:
    """Everything that was graded, summed up.

    Attributes:
        train: all training samples.
        valid: all validation samples.
        recorded: the samples that rows record, by split; each counts once here.
        rewards: of training samples; where `invalid_grade` stands in for a failure there is none.
        valid_rewards: of validation samples, likewise.
        single: prompts of which one sample was graded, each with its reward where it has one.
        compared: prompts of which two or more samples were graded.
        groups: those of which two or more samples have a reward.
        alike: those whose rewards a trainer cannot tell apart.
        one_answer: those of them whose samples are all the same answer.
        contradicted: rows of one prompt whose rewards cancel each other out, answer by answer.
        telling: the first groups that a trainer learns from, as the keys of their samples.
        examples: the first failures of each kind.
    """

    train: Counts = field(default_factory=Counts)
    valid: Counts = field(default_factory=Counts)
    recorded: dict[int, Counts] = field(default_factory=lambda: {TRAIN: Counts(), VALID: Counts()})
    rewards: Spread = field(default_factory=Spread)
    valid_rewards: Spread = field(default_factory=Spread)
    single: list[tuple[float | None, SampleKey]] = field(default_factory=list)
    compared: int = 0
    groups: int = 0
    alike: int = 0
    one_answer: int = 0
    contradicted: int = 0
    telling: list[list[SampleKey]] = field(default_factory=list)
    examples: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        grades: Iterable[StoredGrade],
        shared: Mapping[int, bytes],
        answer: Callable[[SampleKey], bytes],
    ) -> MeasuredSteps:
        """Return the sums over all grades, which come in the order of their keys.

        Args:
            grades: the grades.
            shared: the prompts that several training rows have, by the index of each such row.
            answer: gives what stands for a sample's answer: equal for equal ones.
        """
        found = cls()
        pooled: dict[bytes, list[_Group]] = {}
        for (split, _, line), group in groupby(grades, lambda one: one.key[:3]):
            graded = found._add(split, list(group))
            if split != TRAIN or not graded:
                continue
            told = found._compare(graded, answer)
            if told is None:
                continue
            if line in shared:
                pooled.setdefault(shared[line], []).append(told)
            else:
                found._tell(told)
        for rows in pooled.values():
            found._weigh(rows)
        return found

    def _add(self, split: int, group: Sequence[StoredGrade]) -> list[StoredGrade]:
        """Add the samples of one prompt; return those that graders saw."""
        side, rewards = (
            (self.train, self.rewards) if split == TRAIN else (self.valid, self.valid_rewards)
        )
        for one in group:
            side.add(one)
            if one.key.draw == RECORDED:
                self.recorded[split].add(one)
            if (reward := _reward(one)) is not None:
                rewards.add(reward)
            for failure in one.body["failures"]:
                kind = (failure["where"], failure["code"])
                if kind not in self.examples and len(self.examples) < _EXAMPLES:
                    self.examples[kind] = {
                        "split": "train" if split == TRAIN else "valid",
                        "line": one.body["line"],
                        "sample": one.key.sample,
                        "message": failure["message"],
                    }
        return [one for one in group if not one.body.get("unanswered")]

    def _compare(
        self, graded: Sequence[StoredGrade], answer: Callable[[SampleKey], bytes]
    ) -> _Group | None:
        """Count a prompt by what its answers get; return what a trainer learns from it, if anything."""
        if len(graded) < 2:
            self.single += [(_reward(one), one.key) for one in graded]
            return None
        self.compared += 1
        scored = [(one.key, reward) for one in graded if (reward := _reward(one)) is not None]
        if len(scored) < 2:
            return None
        self.groups += 1
        answers = [answer(key) for key, _ in scored]
        if same(reward for _, reward in scored):
            self.alike += 1
            self.one_answer += len(set(answers)) == 1
            return None
        mean = math.fsum(reward for _, reward in scored) / len(scored)
        spread = math.sqrt(math.fsum((reward - mean) ** 2 for _, reward in scored) / len(scored))
        worth: dict[bytes, float] = {}
        for known, (_, reward) in zip(answers, scored, strict=True):
            worth[known] = worth.get(known, 0.0) + (reward - mean) / spread
        if _nothing(worth):  # One answer got all of these rewards.
            self.alike += 1
            return None
        return [key for key, _ in scored], worth

    def _weigh(self, rows: Sequence[_Group]) -> None:
        """Take the rows of one prompt together: what one row teaches, another may take back."""
        worth: dict[bytes, float] = {}
        for _, advantages in rows:
            for known, advantage in advantages.items():
                worth[known] = worth.get(known, 0.0) + advantage
        if len(rows) > 1 and _nothing(worth):
            self.contradicted += len(rows)
            return
        for row in rows:
            self._tell(row)

    def _tell(self, row: _Group) -> None:
        if len(self.telling) < _TELLING:
            self.telling.append(row[0])


def _nothing(worth: Mapping[bytes, float]) -> bool:
    return all(abs(advantage) < _LEAST for advantage in worth.values())


def _reward(one: StoredGrade) -> float | None:
    """Return what graders gave; what stands in for a failure tells nothing of the answer."""
    return None if one.body.get("replaced") else one.reward
