"""What grading one row gives: a Grade, with its Failures and token Usage."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from graders import hosted
from graders.hosted import Code
from graders.htmltext import card, shortened

__all__ = ["Failure", "Grade", "Usage", "grade_of"]

_SHOWN: Final = 300
"""Characters of a text that a notebook shows."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a row, or one sub-grader of it, was not scored.

    Attributes:
        code: one of the hosted service's error flags, or one of our three own codes.
        message: one sentence for a human.
        where: the sub-grader's key inside a multi, "" otherwise.
        details: more than a sentence, such as a traceback or a raw reply; may be empty.
        path: the template path that gave no text, "" otherwise. This and `line` are known where a
            row is graded, and do not stand in results.
        line: the 1-based line of the python source, None where there is none.
    """

    code: Code
    message: str
    where: str = ""
    details: str = ""
    path: str = field(default="", compare=False, repr=False)
    line: int | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        place = f" in {self.where}" if self.where else ""
        return f"{self.code}{place}: {self.message}"

    def to_dict(self) -> dict[str, str]:
        """Return the failure as it stands in a result line."""
        fields = {"code": self.code, "message": self.message, "where": self.where}
        return {**fields, "details": self.details} if self.details else fields


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that model calls used."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    cached_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.total_tokens + other.total_tokens,
            self.cached_tokens + other.cached_tokens,
        )

    def to_dict(self) -> dict[str, int]:
        """Return the counts in the wire's shape."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "total_tokens": self.total_tokens,
            "completion_tokens": self.completion_tokens,
            "cached_tokens": self.cached_tokens,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade:
    """The grade of one row: a reward, or the failures that kept it from one.

    Attributes:
        reward: a finite number; None exactly when `failures` is not empty.
        sub_rewards: reward of each sub-grader of a multi, None where it failed; else empty.
        failures: why there is no reward; empty for a scored row.
        replaced: failures that a multi's `invalid_grade` stood in for; the reward then is
            that grade.
        usage: tokens used, per model name.
        name: the grader's name.
        type: the grader's type.
        execution_time: seconds this row took; 0.0 where rows were graded together.
    """

    reward: float | None
    sub_rewards: Mapping[str, float | None] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()
    replaced: tuple[Failure, ...] = ()
    usage: Mapping[str, Usage] = field(default_factory=dict)
    name: str = ""
    type: str = ""
    execution_time: float = field(default=0.0, compare=False)

    def __post_init__(self) -> None:
        if (self.reward is None) != bool(self.failures):
            raise ValueError("a grade has either a reward or failures, never both, never neither")
        if self.reward is not None and not math.isfinite(self.reward):
            raise ValueError(f"a reward is a finite number, got {self.reward!r}")

    @property
    def tokens(self) -> int:
        """How many tokens judges took for it, all models together."""
        return sum(one.total_tokens for one in self.usage.values())

    @property
    def hosted(self) -> dict[str, Any]:
        """The hosted service's `graders.run` response for this grade; 0.0 with flags if failed."""
        return hosted.run_response(
            name=self.name,
            type=self.type,
            reward=self.reward,
            sub_rewards=self.sub_rewards,
            failures=[(f.code, f.details or f.message) for f in self.failures + self.replaced],
            execution_time=self.execution_time,
            usage={model: usage.to_dict() for model, usage in self.usage.items()},
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the grade as it stands in a result line: JSON-able, nothing time-dependent."""
        result: dict[str, Any] = {
            "reward": self.reward,
            "sub_rewards": dict(self.sub_rewards),
            "failures": [failure.to_dict() for failure in self.failures],
        }
        if self.replaced:
            result["replaced"] = [failure.to_dict() for failure in self.replaced]
        if self.usage:
            result["usage"] = {model: usage.to_dict() for model, usage in self.usage.items()}
        return result

    def _repr_html_(self) -> str:
        """Return the grade as a small table, for notebooks."""
        facts = [("reward", "none" if self.reward is None else repr(self.reward), "")]
        facts += [
            (shortened(key, _SHOWN), "failed" if score is None else repr(score), "")
            for key, score in self.sub_rewards.items()
        ]
        for word, failures in (("failure", self.failures), ("invalid", self.replaced)):
            facts += [(word, one.code, shortened(_said(one), _SHOWN)) for one in failures]
        return card(f"{shortened(self.name, _SHOWN)} ({self.type})", facts)


class _Draft:
    """A grade whose fields can be set, which takes a tenth of the time of `Grade(...)`."""

    __slots__ = tuple(Grade.__dataclass_fields__)


def grade_of(
    *,
    reward: float | None,
    sub_rewards: Mapping[str, float | None],
    failures: tuple[Failure, ...],
    replaced: tuple[Failure, ...],
    usage: Mapping[str, Usage],
    name: str,
    type: str,  # noqa: A002  (the JSON's own word)
    execution_time: float,
) -> Grade:
    """Return `Grade(...)` of these fields, for where there is one a row and little else to do."""
    draft: Any = _Draft()
    draft.reward = reward
    draft.sub_rewards = sub_rewards
    draft.failures = failures
    draft.replaced = replaced
    draft.usage = usage
    draft.name = name
    draft.type = type
    draft.execution_time = execution_time
    draft.__class__ = Grade
    draft.__post_init__()
    grade: Grade = draft
    return grade


def _said(failure: Failure) -> str:
    return f"{failure.where}: {failure.message}" if failure.where else failure.message
