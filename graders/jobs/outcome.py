"""The ends a dry run may find for a job, and what leads to each. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from graders.errors import shown
from graders.inspection.lint import Finding, Target
from graders.models import NO_NEW_JOBS, base_of, retirement

__all__ = [
    "EXIT_CODES",
    "SAID",
    "Outcome",
    "Reason",
    "Service",
    "ended",
    "headline",
    "known_early",
    "level_of",
    "outcome_of",
    "sorted_reasons",
]

Outcome = Literal["would_be_refused", "would_teach_nothing", "undecided", "would_run"]

SAID: Final[Mapping[str, str]] = {
    "would_be_refused": "this job would be refused",
    "would_teach_nothing": "this job would run but teach nothing",
    "undecided": "not known: we need something to tell, and it is not here",
    "would_run": "this job would run, as far as its files and its grader go",
}
"""The sentence of each outcome; where several are found, the first of them counts."""

EXIT_CODES: Final[Mapping[str, int]] = {
    "would_run": 0, "would_be_refused": 1, "would_teach_nothing": 3, "undecided": 4,
}  # fmt: skip
"""What a command exits with; 2 is bad usage, as everywhere."""

_REFUSED: Final = frozenset(
    """G001 G002 G101 G102 G201 G209 G303 G411 G501 G503 G701 G702 G703 G704 G705 G706 G707 G708
    G721 G722 G723 G724 G725 G726 invalid_training_file invalid_validation_file
    missing_validation_file invalid_grader""".split()  # noqa: SIM905
)
"""Errors of the linter, and of a run, for which a service takes no such job. Other errors of the
linter are about rewards that cannot differ; other errors of a run are about this machine."""

_OF_ROWS: Final = frozenset({"G727", "G729"})
"""Errors of the linter that may be about few of the rows: grading them shows what comes of it."""

_BASES: Final[Mapping[str, tuple[str, ...]]] = {
    "openai": ("o4-mini",), "azure": ("o4-mini", "gpt-5"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that speaks against a job.

    Attributes:
        code: for machines.
        message: one sentence.
        outcome: the end it leads to; None for a warning.
    """

    code: str
    message: str
    outcome: Outcome | None = None

    def to_dict(self) -> dict[str, str | None]:
        """Return the reason as JSON."""
        severity = "warning" if self.outcome is None else "error"
        return {
            "code": self.code, "severity": severity, "outcome": self.outcome,
            "message": self.message,
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Where a job is to go, and what it asks for there.

    Attributes:
        target: `local` for this machine or a trainer of one's own.
        day: the day the job was made, as YYYY-MM-DD in UTC.
        model: the base model.
        judges: the models that grade, by what they are there for.
        reinforcement: whether the job is one of reinforcement.
    """

    target: Target
    day: str
    model: str
    judges: Mapping[str, str]
    reinforcement: bool = True

    def reasons(self) -> Iterator[Reason]:
        """Yield what the service refuses whatever the files and the grader are."""
        model, base = shown(self.model, 80), base_of(self.model)
        if self.target != "azure" and (off := self._off(base)) is not None:
            says = f"OpenAI has switched {model} off on {off}"
            if self.target == "openai":
                yield Reason("base_model_off", says, "would_be_refused")
            else:
                says += " (--target openai counts that)"
                yield Reason("base_model_off", says)
        if self.target == "openai":
            if self.day >= NO_NEW_JOBS:
                says = f"OpenAI takes no new fine-tuning jobs since {NO_NEW_JOBS}"
                yield Reason("no_new_jobs", says, "would_be_refused")
            for use, judge in self.judges.items():
                if (off := self._off(judge)) is not None:
                    says = f"OpenAI has switched {shown(judge, 80)} ({use}) off on {off}"
                    yield Reason("judge_off", says, "would_be_refused")
        bases = _BASES.get(self.target, ())
        if self.reinforcement and bases and not base.startswith(bases):
            yield Reason(
                "base_model",
                f"{model} takes no reinforcement fine-tuning there; known to: {', '.join(bases)}",
                "would_be_refused",
            )

    def notes(self) -> Iterator[str]:
        """Yield what is not against the job, and good to know."""
        for use, model in {"base model": self.model, **self.judges}.items():
            off = retirement(base_of(model))
            if self.target != "azure" and off is not None and off > self.day:
                yield f"OpenAI switches {shown(model, 80)} ({use}) off on {off}."
            elif self.target == "local" and off is not None and use in self.judges:
                yield f"OpenAI has switched {shown(model, 80)} ({use}) off on {off}."
        if self.target == "openai" and self.day < NO_NEW_JOBS:
            yield (
                f"OpenAI takes new fine-tuning jobs until {NO_NEW_JOBS}, and only from "
                "organisations that were active before."
            )
        if self.target == "azure" and base_of(self.model).startswith("gpt-5"):
            yield "On Azure gpt-5 takes reinforcement fine-tuning in a private preview only."

    def _off(self, model: str) -> str | None:
        day = retirement(model)
        return day if day is not None and day <= self.day else None


def ended(code: str, message: str) -> Reason:
    """Return why a run could not be brought to its end."""
    return Reason(code, message, "would_be_refused" if code in _REFUSED else "undecided")


def known_early(service: Service, findings: Sequence[Finding], *, blind: bool) -> Iterator[Reason]:
    """Yield what is known of a job before any answer is graded."""
    yield from service.reasons()
    if blind:
        yield Reason(
            "ignores_answer",
            "no part of the grader looks at the answer: whatever the model says gets the same",
            "would_teach_nothing",
        )
    for one in findings:
        if one.severity != "error":
            continue
        says = f"{one.code} {one.path}: {one.message}"
        # Of the body there are no lines: what has one is about rows of a file.
        if one.line is not None:
            says = f"{one.code} {one.file}, line {one.line:,}: {one.message}"
        outcome: Outcome | None = "would_teach_nothing"
        if one.code in _REFUSED:
            outcome = "would_be_refused"
        elif one.code in _OF_ROWS and one.line is not None:
            outcome = None
        yield Reason("lint_error", says, outcome)


def outcome_of(reasons: Iterable[Reason]) -> Outcome:
    """Return the end that reasons lead to."""
    found = {one.outcome for one in reasons}
    order: tuple[Outcome, ...] = ("would_be_refused", "would_teach_nothing", "undecided")
    return next((one for one in order if one in found), "would_run")


def sorted_reasons(reasons: Iterable[Reason]) -> list[Reason]:
    """Return each reason once, those first that decide, then other errors, then warnings."""
    found = list({(one.code, one.message): one for one in reasons}.values())
    end = outcome_of(found)

    def order(one: Reason) -> tuple[bool, bool, bool]:
        # What is about one service alone comes last among the warnings.
        return one.outcome != end, one.outcome is None, one.code == "base_model_off"

    return sorted(found, key=order)


def headline(verdict: Mapping[str, Any]) -> str:
    """Return a verdict's outcome and what led to it as one line."""
    outcome = str(verdict["outcome"])
    said = SAID.get(outcome, outcome.replace("_", " "))
    why = [one["message"] for one in verdict["reasons"] if one.get("outcome") == outcome]
    if not why:
        return said
    more = f" (and {len(why) - 1:,} more reasons)" if why[1:] else ""
    return f"{said}: {why[0]}{more}"


def level_of(verdict: Mapping[str, Any]) -> Literal["info", "warn", "error"]:
    """Return the level of the event that tells a verdict."""
    outcome = verdict["outcome"]
    if outcome == "would_run":
        return "info"
    return "error" if outcome == "would_be_refused" else "warn"
