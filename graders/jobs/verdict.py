"""What would have happened to a job: its verdict, from everything that was graded. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from graders.errors import Fault
from graders.inspection.lint import Finding, Target
from graders.jobs.hyperparameter import SAMPLES, Resolved
from graders.jobs.journal import TRAIN, VALID
from graders.jobs.metric import Counts, token_usage
from graders.jobs.outcome import (
    Reason,
    Service,
    ended,
    known_early,
    outcome_of,
    sorted_reasons,
)
from graders.jobs.signal import MeasuredSteps
from graders.jobs.trial import Trial

__all__ = ["MOST_PYTHON_ERRORS", "Seen", "body_refusal", "refusal", "verdict"]

MOST_PYTHON_ERRORS: Final = 0.1
"""The share of grades that may end in a python error before a service fails the job. The service
says that too many fail a job, not how many."""

_LEAST_RATE: Final = 1e-3
_CAUSES: Final = 5
_POINTS: Final = 200
_SHOWN_FINDINGS: Final = 100
_UNANSWERED: Final = frozenset({
    "model_grader_server_error", "endpoint_grader_server_error", "endpoint_grader_internal_error",
})  # fmt: skip
"""Failures of servers that are asked from here, which need not fail where the job is to go."""

_SAID_ALREADY: Final = ("G501", "G702", "G72")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is known of a job besides its grades.

    Attributes:
        service: where it is to go.
        findings: of the linter.
        rows: how many training and validation rows there are.
        given: the hyperparameters as they were given.
        blind: whether no part of the grader looks at the answer.
        repeated: what grading the same answers again showed; None where that was not tried.
        exchanged: what grading rows with answers of other rows showed; None likewise.
        causes: what the linter says that may keep rewards from differing.
    """

    service: Service
    findings: Sequence[Finding]
    rows: tuple[int, int]
    given: Mapping[str, Any]
    blind: bool = False
    repeated: Trial | None = None
    exchanged: Trial | None = None
    causes: Sequence[Finding] = ()


def refusal(
    code: str,
    message: str,
    service: Service,
    findings: Sequence[Finding] = (),
    *,
    blind: bool = False,
) -> dict[str, Any]:
    """Return the verdict over a job whose run could not be brought to its end.

    Args:
        code: of the job's error.
        message: of the job's error.
        service: where the job is to go.
        findings: of the linter.
        blind: whether no part of the grader looks at the answer.
    """
    why = ended(code, message)
    early = [
        one
        for one in known_early(service, findings, blind=blind)
        # What refuses the files or the source is said once, in the run's own words.
        if why.outcome != "would_be_refused" or not one.message.startswith(_SAID_ALREADY)
    ]
    return {
        **_head([why, *early], service),
        "weights_trained": False,
        "lint": [one.to_dict() for one in findings[:_SHOWN_FINDINGS]],
        "notes": list(service.notes()),
    }


def body_refusal(faults: Sequence[Fault], target: Target) -> dict[str, Any]:
    """Return the verdict over a body of which no job can be made."""
    found = [Reason(one.code, f"{one.path}: {one.message}", "would_be_refused") for one in faults]
    return {
        "outcome": "would_be_refused",
        "reasons": [one.to_dict() for one in found],
        "target": target,
        "weights_trained": False,
        "lint": [],
        "notes": [],
    }


def verdict(
    measured: MeasuredSteps,
    steps: Iterable[tuple[int, float | None, float | None]],
    resolved: Resolved,
    seen: Seen,
) -> dict[str, Any]:
    """Return what would have happened to a job.

    Args:
        measured: everything that was graded.
        steps: mean rewards of each step.
        resolved: the numbers the job was run with.
        seen: what else is known of it.
    """
    both = measured.train, measured.valid
    lowest, highest = measured.rewards.lowest, measured.rewards.highest
    return {
        **_head(_reasons(measured, resolved, seen), seen.service),
        "weights_trained": False,
        "rows": {"training": seen.rows[0], "validation": seen.rows[1]},
        "rollouts": {
            name: {"rollouts": side.rollouts, "graded": side.graded, "scored": side.scored}
            for name, side in zip(("train", "valid"), both, strict=True)
        },
        "rewards": {
            "train_mean": measured.train.mean,
            "valid_mean": measured.valid.mean,
            "train_mean_of_scored": measured.train.mean_of_scored,
            "valid_mean_of_scored": measured.valid.mean_of_scored,
            "lowest": lowest if measured.rewards.count else None,
            "highest": highest if measured.rewards.count else None,
        },
        "failures": _failures(measured),
        "reward_curve": curve(steps, resolved),
        "signal": {
            "prompts": measured.groups,
            "constant": measured.alike,
            "share_constant": measured.alike / measured.groups if measured.groups else None,
            "single": len(measured.single),
            "spread": measured.rewards.deviation,
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
        "lint": [one.to_dict() for one in seen.findings[:_SHOWN_FINDINGS]],
        "notes": [
            "No weights were trained: rewards of later steps are those of the same model.",
            *seen.service.notes(),
        ],
    }


def _head(reasons: Iterable[Reason], service: Service) -> dict[str, Any]:
    """Return what a verdict begins with."""
    found = sorted_reasons(reasons)
    return {
        "outcome": outcome_of(found),
        "reasons": [one.to_dict() for one in found],
        "target": service.target,
    }


def _reasons(measured: MeasuredSteps, resolved: Resolved, seen: Seen) -> Iterator[Reason]:
    train, valid = measured.train, measured.valid
    yield from known_early(seen.service, seen.findings, blind=seen.blind)
    yield from _python_reasons(measured, seen)
    signal = list(_signal_reasons(measured, seen))
    yield from signal
    if any(one.outcome == "would_teach_nothing" for one in signal):
        for cause in seen.causes[:_CAUSES]:
            yield Reason("likely_cause", f"{cause.code} {cause.path}: {cause.message}")
    yield from _setting_reasons(resolved, seen)
    graded, scored = train.graded + valid.graded, train.scored + valid.scored
    unanswered = train.rollouts + valid.rollouts - graded
    if unanswered:
        yield Reason(
            "failed_rollouts",
            f"{unanswered:,} of {train.rollouts + valid.rollouts:,} prompts got no answer that "
            "can be graded",
        )
    if scored and graded > scored:
        yield Reason(
            "failed_grades",
            f"{graded - scored:,} of {graded:,} samples could not be scored; the service gives "
            "them 0.0",
        )
    if measured.valid_rewards.constant:
        yield Reason(
            "validation_constant",
            f"all {valid.graded:,} validation samples have the reward {measured.valid_rewards.highest:g}: "
            "so far no evaluation tells one checkpoint from another",
        )
    if valid.graded and not measured.valid_rewards.count:
        yield Reason(
            "validation_unscored",
            f"none of the {valid.graded:,} validation samples could be scored: no evaluation tells "
            "one checkpoint from another",
        )


def _python_reasons(measured: MeasuredSteps, seen: Seen) -> Iterator[Reason]:
    failures = measured.train.failures + measured.valid.failures
    graded = measured.train.graded + measured.valid.graded
    python = sum(n for (_, code), n in failures.items() if code == "python_grader_runtime_error")
    if graded and python / graded > MOST_PYTHON_ERRORS:
        # Where all of them fail there is more to say than that.
        refuses = seen.service.target != "local" and measured.rewards.count
        yield Reason(
            "too_many_python_errors",
            f"python graders raised in {python:,} of {graded:,} grades; the hosted services fail a "
            f"job with too many (taken here as more than {MOST_PYTHON_ERRORS:.0%})",
            "would_be_refused" if refuses else None,
        )


def _signal_reasons(measured: MeasuredSteps, seen: Seen) -> Iterator[Reason]:
    """Yield what keeps a trainer from learning: see `signal`."""
    train, rewards = measured.train, measured.rewards
    failed = train.graded - rewards.count
    but = (
        f" but for {failed:,} that could not be scored (not to fail is all it can teach)"
        if failed
        else ""
    )
    codes = {code for _, code in train.failures}
    if not rewards.count and codes and codes <= _UNANSWERED:
        yield Reason(
            "grader_unanswered",
            f"none of {train.graded:,} training samples got a reward, for whoever is asked for it gave "
            "no answer here",
            "undecided",
        )
    elif not rewards.count:
        yield _nothing("nothing_scored", f"none of {train.graded:,} training samples got a reward")
    elif rewards.count == 1 and train.graded > 1:
        says = f"one of {train.graded:,} training samples got a reward: there is nothing beside it"
        yield _nothing("one_scored", says)
    elif rewards.constant:
        said = f"the reward {rewards.highest:g}"
        if rewards.lowest < rewards.highest:
            low, high = rewards.lowest, rewards.highest
            said = f"rewards from {low!r} to {high!r}, which a trainer cannot tell apart"
        says = f"all {train.graded:,} training samples have {said}{but}: there is nothing to learn from"
        yield _nothing("constant_reward", says)
    elif not measured.telling:
        yield from _no_group_tells(measured, seen)
    elif seen.repeated is not None and not seen.repeated.telling:
        yield _nothing(
            "random_reward",
            f"{seen.repeated.changed:,} of {seen.repeated.samples:,} samples got another reward when "
            "they were graded again, and rewards differ between answers by no more than that",
        )
    else:
        yield from _little(measured, seen)


def _little(measured: MeasuredSteps, seen: Seen) -> Iterator[Reason]:
    silent = measured.alike + measured.contradicted
    if silent > measured.groups / 2:
        yield Reason(
            "little_signal",
            f"in {silent:,} of {measured.groups:,} prompts all samples have the same reward: these "
            "prompts teach nothing",
        )
    if seen.repeated is not None and seen.repeated.changed:
        yield Reason(
            "noisy_reward",
            f"{seen.repeated.changed:,} of {seen.repeated.samples:,} samples got another reward when "
            "they were graded again",
        )


def _no_group_tells(measured: MeasuredSteps, seen: Seen) -> Iterator[Reason]:
    """Yield why no prompt has two answers that a trainer could tell apart."""
    if measured.contradicted:
        yield _nothing(
            "contradictory_rows",
            f"{measured.contradicted:,} rows have the same prompt as others that reward the opposite "
            "answers: on the whole every answer gets the same",
        )
    elif measured.compared and measured.compared >= len(measured.single):
        same = ""
        if measured.one_answer:
            same = f"; in {measured.one_answer:,} of them the answers themselves are the same"
        says = (
            f"within each of the {measured.groups:,} prompts all samples have the same reward, as far "
            f"as a trainer can tell: no prompt tells better answers from worse{same}"
        )
        if not measured.groups:
            says = (
                f"{measured.rewards.count:,} of {measured.train.graded:,} training samples could be "
                "scored, and no two of one prompt: no prompt tells better answers from worse"
            )
        yield _nothing("no_signal", says)
    elif seen.exchanged is not None and not seen.exchanged.telling:
        yield _nothing(
            "depends_on_item",
            f"rewards are about the row alone: {seen.exchanged.samples:,} times a row was graded with "
            "the answer of another row, and got the same reward as with its own",
        )
    else:
        yield Reason(
            "signal_unknown",
            f"only one sample was graded of a prompt ({len(measured.single):,} times); record several "
            "under samples, or name a model, to see whether rewards differ within a prompt",
        )


def _setting_reasons(resolved: Resolved, seen: Seen) -> Iterator[Reason]:
    batch, rate, compute = (
        seen.given.get(name)
        for name in ("batch_size", "learning_rate_multiplier", "compute_multiplier")
    )
    if isinstance(batch, int) and batch > seen.rows[0]:
        yield _nothing(
            "no_whole_batch",
            f"the batch_size of {batch:,} is more than the {seen.rows[0]:,} training rows: trainers "
            "leave out a batch that is not whole, and take no step at all",
        )
    elif resolved.total_steps == 1:
        yield Reason("one_step", "all training rows are one batch: the job takes a single step")
    if isinstance(compute, int | float) and round(SAMPLES * compute) < 2:
        yield _nothing(
            "one_sample",
            f"a compute_multiplier of {compute:g} leaves one sample of a prompt (of {SAMPLES} at 1): "
            "there is nothing to compare it with",
        )
    if isinstance(rate, int | float) and rate < _LEAST_RATE:
        yield _nothing(
            "no_learning_rate",
            f"a learning_rate_multiplier of {rate:g} leaves the weights as they are",
        )


def _nothing(code: str, message: str) -> Reason:
    return Reason(code, message, "would_teach_nothing")


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
