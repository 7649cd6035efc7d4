"""What would have happened to a job: its verdict, from everything that was graded. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

from graders.inspection.lint import Finding
from graders.jobs.hyperparameter import Resolved
from graders.jobs.journal import RECORDED, TRAIN, VALID, StoredGrade
from graders.jobs.metric import Counts, token_usage
from graders.models import retirement

__all__ = ["MOST_PYTHON_ERRORS", "MeasuredSteps", "refusal", "verdict"]

MOST_PYTHON_ERRORS: Final = 0.1
"""The share of grades that may end in a python error before a job counts as failed. The service
says that too many fail a job, not how many."""

_POINTS: Final = 200
_EXAMPLES: Final = 10
_SHOWN_FINDINGS: Final = 100


@dataclass(slots=True)
class MeasuredSteps:
    """Everything that was graded, summed up.

    Attributes:
        train: all training samples.
        valid: all validation samples.
        recorded: the samples that rows record, by split; each counts once here.
        groups: prompts of which two or more samples have a reward.
        alike: those whose samples all have the same.
        lowest, highest: the range of training rewards.
        squares: the sum of their squares.
        examples: the first failures of each kind.
    """

    train: Counts = field(default_factory=Counts)
    valid: Counts = field(default_factory=Counts)
    recorded: dict[int, Counts] = field(default_factory=lambda: {TRAIN: Counts(), VALID: Counts()})
    groups: int = 0
    alike: int = 0
    lowest: float = math.inf
    highest: float = -math.inf
    squares: float = 0.0
    examples: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, grades: Iterable[StoredGrade]) -> MeasuredSteps:
        """Return the sums over all grades, which come in the order of their keys."""
        found = cls()
        for (split, _, _), group in groupby(grades, lambda one: one.key[:3]):
            found._add(split, list(group))
        return found

    def _add(self, split: int, group: Sequence[StoredGrade]) -> None:
        """Add the samples of one prompt."""
        side = self.train if split == TRAIN else self.valid
        for one in group:
            side.add(one)
            if one.key.draw == RECORDED:
                self.recorded[split].add(one)
            for failure in one.body["failures"]:
                kind = (failure["where"], failure["code"])
                if kind not in self.examples and len(self.examples) < _EXAMPLES:
                    self.examples[kind] = {
                        "split": "train" if split == TRAIN else "valid",
                        "line": one.body["line"],
                        "sample": one.key.sample,
                        "message": failure["message"],
                    }
        if split != TRAIN:
            return
        rewards = [one.reward for one in group if one.reward is not None]
        for reward in rewards:
            self.lowest, self.highest = min(self.lowest, reward), max(self.highest, reward)
            self.squares += reward * reward
        if len(rewards) > 1:
            self.groups += 1
            self.alike += len(set(rewards)) == 1

    @property
    def spread(self) -> float | None:
        """The standard deviation of training rewards."""
        count = self.train.scored
        if not count:
            return None
        mean = self.train.total / count
        return math.sqrt(max(0.0, self.squares / count - mean * mean))


@dataclass(frozen=True, slots=True)
class _Reason:
    code: str
    severity: str
    message: str

    def to_dict(self) -> dict[str, str]:
        return {"code": self.code, "severity": self.severity, "message": self.message}


def refusal(code: str, message: str, findings: Sequence[Finding] = ()) -> dict[str, Any]:
    """Return the verdict over a job that cannot be run."""
    reason = _Reason(code, "error", message)
    return {
        "outcome": "refused",
        "reasons": [reason.to_dict()],
        "weights_trained": False,
        "lint": [one.to_dict() for one in findings[:_SHOWN_FINDINGS]],
    }


def verdict(
    measured: MeasuredSteps,
    steps: Iterable[tuple[int, float | None, float | None]],
    resolved: Resolved,
    *,
    findings: Sequence[Finding],
    models: Mapping[str, str],
    rows: tuple[int, int],
) -> dict[str, Any]:
    """Return what would have happened to a job.

    Args:
        measured: everything that was graded.
        steps: mean rewards of each step.
        resolved: the numbers the job was run with.
        findings: of the linter.
        models: the models it names, by what they are there for.
        rows: how many training and validation rows there are.
    """
    reasons = list(_reasons(measured, findings))
    failed = any(one.severity == "error" for one in reasons)
    both = measured.train, measured.valid
    return {
        "outcome": "would_fail" if failed else "would_succeed",
        "reasons": [one.to_dict() for one in reasons],
        "weights_trained": False,
        "rows": {"training": rows[0], "validation": rows[1]},
        "rollouts": {
            name: {"rollouts": side.rollouts, "graded": side.graded, "scored": side.scored}
            for name, side in zip(("train", "valid"), both, strict=True)
        },
        "rewards": {
            "train_mean": measured.train.mean,
            "valid_mean": measured.valid.mean,
            "train_mean_of_scored": measured.train.mean_of_scored,
            "valid_mean_of_scored": measured.valid.mean_of_scored,
            "lowest": measured.lowest if measured.train.scored else None,
            "highest": measured.highest if measured.train.scored else None,
        },
        "failures": _failures(measured),
        "reward_curve": curve(steps, resolved),
        "signal": {
            "prompts": measured.groups,
            "constant": measured.alike,
            "share_constant": measured.alike / measured.groups if measured.groups else None,
            "spread": measured.spread,
        },
        "judge_tokens": {
            "measured": token_usage(measured.train, measured.valid),
            "whole_job": _whole(measured, resolved),
            "note": "whole_job counts a recorded sample once for each epoch or evaluation it "
            "stands in; the service draws new ones, and its number for a prompt is its own.",
        },
        "rollout_tokens": {
            name: {kind: sums[0] for kind, sums in sorted(side.sampled.items())}
            for name, side in zip(("train", "valid"), both, strict=True)
        },
        "lint": [one.to_dict() for one in findings[:_SHOWN_FINDINGS]],
        "notes": list(_notes(models)),
    }


def _reasons(measured: MeasuredSteps, findings: Sequence[Finding]) -> Iterator[_Reason]:
    train, valid = measured.train, measured.valid
    graded, scored = train.graded + valid.graded, train.scored + valid.scored
    for one in findings:
        if one.severity == "error":
            yield _Reason("lint_error", "error", f"{one.code} {one.path}: {one.message}")
    failures = train.failures + valid.failures
    python = sum(n for (_, code), n in failures.items() if code == "python_grader_runtime_error")
    if graded and python / graded > MOST_PYTHON_ERRORS:
        yield _Reason(
            "too_many_python_errors", "error",
            f"python graders raised in {python:,} of {graded:,} grades; the service fails a job "
            f"with too many (taken here as more than {MOST_PYTHON_ERRORS:.0%})",
        )  # fmt: skip
    if not scored:
        yield _Reason("nothing_scored", "error", "no sample got a reward")
    unanswered = train.rollouts + valid.rollouts - graded
    if unanswered:
        yield _Reason(
            "failed_rollouts", "warning",
            f"{unanswered:,} of {train.rollouts + valid.rollouts:,} prompts got no answer that "
            "can be graded",
        )  # fmt: skip
    if scored and graded > scored:
        yield _Reason(
            "failed_grades", "warning",
            f"{graded - scored:,} of {graded:,} samples could not be scored; the service gives "
            "them 0.0",
        )  # fmt: skip
    yield from _signal_reasons(measured)


def _signal_reasons(measured: MeasuredSteps) -> Iterator[_Reason]:
    count = measured.train.scored
    if count > 1 and measured.lowest == measured.highest:
        yield _Reason(
            "constant_reward", "warning",
            f"all {count:,} training samples have the reward {measured.lowest:g}: there is "
            "nothing to learn from",
        )  # fmt: skip
    elif measured.groups and measured.alike == measured.groups:
        yield _Reason(
            "no_signal", "warning",
            f"within each of the {measured.groups:,} prompts all samples have the same reward: "
            "no prompt tells better answers from worse",
        )  # fmt: skip
    elif measured.groups and measured.alike > measured.groups / 2:
        yield _Reason(
            "little_signal", "warning",
            f"in {measured.alike:,} of {measured.groups:,} prompts all samples have the same "
            "reward: these prompts teach nothing",
        )  # fmt: skip
    elif count and not measured.groups:
        yield _Reason(
            "signal_unknown", "warning",
            "each prompt has one sample with a reward; record several under samples, or name a "
            "model, to see whether rewards differ within a prompt",
        )  # fmt: skip


def _failures(measured: MeasuredSteps) -> list[dict[str, Any]]:
    """Return how often what failed where, the most frequent first, each with the first such row."""
    both = measured.train.failures + measured.valid.failures
    return [
        {
            "code": code, "where": where, "count": count,
            "train": measured.train.failures[where, code],
            "valid": measured.valid.failures[where, code],
            "first": measured.examples.get((where, code)),
        }
        for (where, code), count in sorted(both.items(), key=lambda one: (-one[1], one[0]))
    ]  # fmt: skip


def curve(
    steps: Iterable[tuple[int, float | None, float | None]], resolved: Resolved
) -> list[tuple[int, float | None, float | None]]:
    """Return a reward curve of a few hundred points at most, of steps and of evaluations."""
    stride = -(-resolved.total_steps // _POINTS)
    every = -(-resolved.evaluations // _POINTS) * resolved.eval_interval
    return [
        point
        for point in steps
        if not (point[0] - 1) % stride or not point[0] % every or point[0] == resolved.total_steps
    ]


def _whole(measured: MeasuredSteps, resolved: Resolved) -> dict[str, dict[str, int]]:
    """Return the judges' tokens of a whole job, where each epoch and evaluation grades anew."""
    more = {TRAIN: resolved.n_epochs - 1, VALID: resolved.evaluations - 1}
    found = token_usage(measured.train, measured.valid)
    again = {
        TRAIN: token_usage(measured.recorded[TRAIN], None),
        VALID: token_usage(Counts(), measured.recorded[VALID]),
    }
    for split, tokens in again.items():
        for model, kinds in tokens.items():
            for kind, count in kinds.items():
                found[model][kind] += count * more[split]
    return found


def _notes(models: Mapping[str, str]) -> Iterator[str]:
    yield "No weights were trained: rewards of later steps are those of the same model."
    for use, model in models.items():
        day = retirement(model)
        if day is not None:
            yield f"{model} ({use}) is switched off by the service on {day}."
