"""Grading many answers to the same rows, with the models that are not asked held at a score."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graders.api import Grader
from graders.errors import OptionError, shown
from graders.grade import Failure
from graders.inspection.column import Column, bounded
from graders.inspection.probe.payment import Combine, combiner
from graders.kinds import EvalCriteria, Multi
from graders.plan import Leaf, Plan

__all__ = ["AnswerGrades", "Held", "grade_answers", "hold"]

_CHUNK = 512


@dataclass(slots=True)
class AnswerGrades:
    """Answers with their rewards, in columns; nan where there is none.

    Attributes:
        rewards: the rewards.
        subs: the scores of each sub-grader, "" for a grader without any.
        failures: why there is no reward, by place.
    """

    rewards: Column
    subs: dict[str, Column]
    failures: dict[int, Failure] = field(default_factory=dict)

    def part(self, start: int, stop: int) -> AnswerGrades:
        """Return some of the answers."""
        return AnswerGrades(
            self.rewards[start:stop],
            {key: column[start:stop] for key, column in self.subs.items()},
            {at - start: one for at, one in self.failures.items() if start <= at < stop},
        )


@dataclass(slots=True)
class Held:
    """A grader some of whose sub-graders are not asked.

    Attributes:
        grader: grades the others.
        plan: the whole grader's plan.
        keys: the sub-graders that are asked.
        at: the others, with the score each is held at.
    """

    grader: Grader
    plan: Plan
    keys: tuple[str, ...]
    at: dict[str, float] = field(default_factory=dict)

    @property
    def combine(self) -> Combine:
        """How scores become the reward of the whole."""
        return combiner(self.plan)

    def least(self, key: str) -> float:
        """Return the lowest score a sub-grader can give; 0 for one of python, which has no limits."""
        return next(_ends(leaf)[0] for leaf in self.plan.leaves if leaf.key == key)

    def raise_to_top(self) -> None:
        """Hold the sub-graders that are not asked at their highest score."""
        leaves = {leaf.key: leaf for leaf in self.plan.leaves}
        self.at = {key: _ends(leaves[key])[1] for key in self.at}


def hold(grader: Grader, unasked: Sequence[str]) -> Held:
    """Return a grader that does without some sub-graders: each at the lowest score it can give.

    Raises:
        OptionError: nothing is left of it.
    """
    plan, setup = grader.plan, grader.setup
    keys = tuple(leaf.key for leaf in plan.leaves if leaf.key not in unasked)
    if not unasked or setup is None:
        return Held(grader, plan, keys)
    config = grader.config
    said = "set --base-url or --cache-file to ask its models"
    if not keys:
        raise OptionError(f"{shown(grader.name)} has nothing but model graders: {said}")
    kept = {key: one for key, one in config.graders.items() if key in keys}
    if isinstance(config, EvalCriteria):
        part: Any = EvalCriteria(kept, config.name)
    elif isinstance(config, Multi):
        if plan.formula is not None and not set(plan.formula.names) & set(keys):
            raise OptionError(
                f"{shown(grader.name)}: the formula uses nothing but model graders: {said}"
            )
        part = config.model_copy(
            update={"graders": kept, "calculate_output": _sum(plan, keys), "invalid_grade": None}
        )
    else:
        raise TypeError("only a multi and criteria have several sub-graders")
    rest = Grader(part, reading=setup.reading, python=setup.python, judge=setup.judge)
    at = {leaf.key: _ends(leaf)[0] for leaf in plan.leaves if leaf.key in unasked}
    return Held(rest, plan, keys, at if plan.kind == "formula" else {})


def grade_answers(held: Held, rows: Iterable[tuple[Any, Any]]) -> AnswerGrades:
    """Return the rewards of (item, sample) pairs, in columns."""
    rewards: list[float] = []
    subs: dict[str, list[float]] = {key: [] for key in held.keys}
    pairs = ({"item": item, "sample": sample} for item, sample in rows)
    failures: dict[int, Failure] = {}
    for place, grade in enumerate(held.grader.grade_many(pairs, chunk=_CHUNK)):
        if grade.failures:
            failures[place] = grade.failures[0]
        rewards.append(np.nan if grade.reward is None else grade.reward)
        for key, column in subs.items():
            score = grade.sub_rewards.get(key) if key else grade.reward
            column.append(np.nan if score is None else score)
    columns = {key: bounded(column) for key, column in subs.items()}
    return recombined(held, AnswerGrades(bounded(rewards), columns, failures))


def recombined(held: Held, graded: AnswerGrades) -> AnswerGrades:
    """Return the rewards with the sub-graders that are not asked at the scores they are held at."""
    if not held.at:
        return graded
    count = len(graded.rewards)
    held_columns = {key: np.full(count, score) for key, score in held.at.items()}
    subs: Mapping[str, Column] = {key: graded.subs[key] for key in held.keys} | held_columns
    scored = np.all([~np.isnan(column) for column in subs.values()], axis=0)
    rewards = np.full(count, np.nan)
    if scored.any():
        part = {key: column[scored] for key, column in subs.items()}
        rewards[scored] = held.combine(part, int(scored.sum()))
    return AnswerGrades(rewards, dict(subs), graded.failures)


def _sum(plan: Plan, keys: Sequence[str]) -> str:
    """Return any formula of these sub-graders: only their own scores are looked at."""
    return " + ".join(name for name in plan.formula.names if name in keys) if plan.formula else ""


def _ends(leaf: Leaf) -> tuple[float, float]:
    """Return the lowest and the highest score a grader is meant to give."""
    scores = leaf.kind.scores(leaf.config)
    return (scores.low, scores.high) if scores.bounded else (0.0, 1.0)
