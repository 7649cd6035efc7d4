"""What a step measured, under the hosted names. What a dry run cannot measure is null.

As the service does it, a failed grade counts as 0.0 in a mean; how many failed stands beside it. A
prompt that got no answer has no grade and counts nowhere but among the failures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from graders.hosted import FLAG_OF_CODE
from graders.jobs.journal import StoredGrade
from graders.plan import Plan

__all__ = ["Counts", "SubGrader", "metrics", "sentence", "sub_graders"]

_ERRORS: Final = (
    "other_error", "sample_parse_error", "invalid_variable_error", "python_grader_server_error",
    "python_grader_runtime_error", "model_grader_server_error",
)  # fmt: skip
_TOKENS: Final = ("cached_tokens", "prompt_tokens", "completion_tokens")


@dataclass(frozen=True, slots=True)
class SubGrader:
    """One grader that gives scores.

    Attributes:
        key: its key in a multi, "" for the grader itself.
        name: what it is called.
        type: as in the JSON.
        model: the model it asks, None for none.
    """

    key: str
    name: str
    type: str
    model: str | None


def sub_graders(plan: Plan) -> list[SubGrader]:
    """Return the graders of a plan that give scores."""
    return [
        SubGrader(
            leaf.key, leaf.key or plan.name, leaf.config.type,
            leaf.model,
        )
        for leaf in plan.leaves
    ]  # fmt: skip


@dataclass(slots=True)
class Counts:
    """Sums over grades.

    Attributes:
        rollouts: samples, graded or not.
        graded: samples that graders saw.
        scored: samples with a reward.
        total: the sum of rewards.
        failures: how many failures, by (sub-grader, code); without a sub-grader "".
        subs: the sum of rewards and their number, by sub-grader.
        judged: tokens of judges by model and kind.
        sampled: tokens of rollouts by kind, and how many rollouts said so.
        seconds: spent grading.
    """

    rollouts: int = 0
    graded: int = 0
    scored: int = 0
    total: float = 0.0
    failures: Counter[tuple[str, str]] = field(default_factory=Counter)
    subs: dict[str, list[float]] = field(default_factory=dict)
    judged: dict[str, Counter[str]] = field(default_factory=dict)
    sampled: dict[str, list[int]] = field(default_factory=dict)
    seconds: float = 0.0

    def add(self, one: StoredGrade) -> None:
        """Add a grade."""
        self.rollouts += 1
        self.seconds += one.seconds
        for kind, count in one.body.get("rollout_usage", {}).items():
            sums = self.sampled.setdefault(kind, [0, 0])
            sums[0] += count
            sums[1] += 1
        for failure in one.body["failures"]:
            self.failures[failure["where"], failure["code"]] += 1
        if one.body.get("unanswered"):
            return
        self.graded += 1
        if one.reward is not None:
            self.scored += 1
            self.total += one.reward
        for key, reward in one.body["sub_rewards"].items():
            pair = self.subs.setdefault(key, [0.0, 0])
            pair[0] += reward or 0.0
            pair[1] += 1
        for model, usage in one.body.get("usage", {}).items():
            tokens = self.judged.setdefault(model, Counter())
            tokens.update({kind: usage.get(kind, 0) for kind in _TOKENS})

    @classmethod
    def of(cls, grades: Iterable[StoredGrade]) -> Counts:
        """Return the sums over grades."""
        counts = cls()
        for one in grades:
            counts.add(one)
        return counts

    @property
    def mean(self) -> float | None:
        """The mean reward, failed grades as 0.0; None where nothing was graded."""
        return self.total / self.graded if self.graded else None

    @property
    def mean_of_scored(self) -> float | None:
        """The mean reward of those that have one."""
        return self.total / self.scored if self.scored else None

    def mean_of(self, grader: SubGrader) -> float | None:
        """The mean reward of a sub-grader."""
        if not grader.key:
            return self.mean
        total, count = self.subs.get(grader.key, (0.0, 0))
        return total / count if count else None

    def share_of(self, code: str) -> float | None:
        """How many of the graded samples failed with a code, as a share."""
        if not self.graded:
            return None
        return sum(n for (_, one), n in self.failures.items() if one == code) / self.graded

    def tokens_mean(self, kind: str) -> float | None:
        """Tokens of a kind that an answer took."""
        total, count = self.sampled.get(kind, (0, 0))
        return total / count if count else None


def metrics(
    step: int,
    total_steps: int,
    train: Counts,
    valid: Counts | None,
    *,
    graders: Sequence[SubGrader],
    timing: Mapping[str, float | None],
) -> dict[str, Any]:
    """Return the data of a step's event, under every hosted name.

    Args:
        step: the step, from 1.
        total_steps: how many there are.
        train: what training rows gave.
        valid: what the evaluation gave; None where none followed.
        graders: the graders that give scores.
        timing: seconds by part of the step.
    """
    sides = {"train": train, "valid": valid}
    return {
        "step": step,
        "total_steps": total_steps,
        "train_mean_reward": train.mean,
        "full_valid_mean_reward": None if valid is None else valid.mean,
        "full_valid_mean_parse_error": None
        if valid is None
        else valid.share_of("sample_parse_error"),
        "mean_unresponsive_rewards": train.share_of("unresponsive_reward_error"),
        "reasoning_tokens_mean": train.tokens_mean("reasoning_tokens"),
        "completion_tokens_mean": train.tokens_mean("completion_tokens"),
        "valid_reasoning_tokens_mean": None
        if valid is None
        else valid.tokens_mean("reasoning_tokens"),
        "model_graders_token_usage": token_usage(train, valid),
        "scores": {
            "train_reward_mean": train.mean,
            "valid_reward_mean": None if valid is None else valid.mean,
            "graders": [_scores(one, sides) for one in graders],
        },
        "usage": {
            "graders": [_usage(one, graders, sides) for one in graders if one.model],
            "samples": _samples(sides),
        },
        "errors": {"graders": [_errors(one, sides) for one in graders]},
        "timing": {
            "step": {
                name: timing.get(name)
                for name in ("eval", "sampling", "training", "full_iteration")
            },
            "graders": [_latency(one, graders, sides) for one in graders],
        },
        "dry_run": {
            name: None
            if side is None
            else {"rollouts": side.rollouts, "graded": side.graded, "scored": side.scored}
            for name, side in sides.items()
        },
    }


Sides = Mapping[str, Counts | None]


def token_usage(train: Counts, valid: Counts | None) -> dict[str, dict[str, int]]:
    """Return the tokens of judges by model, under the hosted names."""
    found: dict[str, dict[str, int]] = {}
    for prefix, side in (("eval", valid), ("train", train)):
        for model, tokens in (side.judged if side is not None else {}).items():
            of_model = found.setdefault(
                model, {f"{use}_{kind}": 0 for use in ("eval", "train") for kind in _TOKENS}
            )
            for kind in _TOKENS:
                of_model[f"{prefix}_{kind}"] += tokens[kind]
    return dict(sorted(found.items()))


def _scores(grader: SubGrader, sides: Sides) -> dict[str, Any]:
    means = {
        f"{name}_reward_mean": None if side is None else side.mean_of(grader)
        for name, side in sides.items()
    }
    return {"name": grader.name, "type": grader.type, **means}


def _usage(grader: SubGrader, graders: Sequence[SubGrader], sides: Sides) -> dict[str, Any]:
    """Return a judge's tokens; of several judges it is not known which took which."""
    alone = sum(one.model is not None for one in graders) == 1
    tokens: dict[str, Any] = {}
    for name, side in sides.items():
        for kind in _TOKENS:
            known = alone and side is not None
            tokens[f"{name}_{kind}"] = (
                sum(one[kind] for one in side.judged.values()) if known and side else None
            )
    return {"name": grader.name, "type": grader.type, "model": grader.model, **tokens}


def _samples(sides: Sides) -> dict[str, Any]:
    return {
        f"{name}_{kind}_mean": None if side is None else side.tokens_mean(kind)
        for name, side in sides.items()
        for kind in ("prompt_tokens", "completion_tokens", "reasoning_tokens")
    }


def _errors(grader: SubGrader, sides: Sides) -> dict[str, Any]:
    found: dict[str, Any] = {"name": grader.name, "type": grader.type}
    for name, side in sides.items():
        counts: Counter[str] = Counter()
        for (where, code), count in side.failures.items() if side is not None else ():
            if where == grader.key:
                counts[FLAG_OF_CODE.get(code, code)] += count
        more = [code for code in sorted(counts) if code not in _ERRORS]
        for code in (*_ERRORS, *more):
            graded = side.graded if side is not None else 0
            found[f"{name}_{code}_mean"] = counts[code] / graded if graded else None
            found[f"{name}_{code}_count"] = counts[code] if side is not None else None
    return found


def _latency(grader: SubGrader, graders: Sequence[SubGrader], sides: Sides) -> dict[str, Any]:
    alone = len(graders) == 1
    means = {
        f"{name}_execution_latency_mean": side.seconds / side.graded
        if alone and side is not None and side.graded
        else None
        for name, side in sides.items()
    }
    return {"name": grader.name, "type": grader.type, **means}


def sentence(step: int, total_steps: int, train: Counts, valid: Counts | None) -> str:
    """Return a step's message in the hosted words."""
    says = f"Step {step}/{total_steps} , train mean reward={_number(train.mean)}"
    if valid is not None:
        errors = valid.share_of("sample_parse_error")
        says += f", full validation mean reward={_number(valid.mean)}"
        says += f", full validation mean parse error={_number(errors)}"
    return says


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f}"
