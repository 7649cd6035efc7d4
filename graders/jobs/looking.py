"""What is looked for in a row of a job's file, by the job's method. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from graders.errors import quoted, shown
from graders.inspection.lint import Target
from graders.inspection.lint.training import (
    Look,
    is_completion,
    last_role,
    message_problems,
    prompt_problems,
)
from graders.models import base_of

__all__ = ["dpo_problems", "rollout_problems", "supervised_problems"]

MOST_RECORDED: Final = 1024
"""Samples that one row may record."""

_COMPLETES: Final = ("davinci-002", "babbage-002")
"""Base models that take rows of the completion format, and no others."""


def rollout_problems(*, asks: bool, target: Target) -> Look:
    """Return what looks at a row of a reinforcement job: its prompt and the rollouts it records.

    Args:
        asks: whether a model answers rows that record none.
        target: where the job is to go; trainers of one's own take prompts of the completion format.
    """

    def look(row: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
        if target == "local" and is_completion(row):
            yield from _completion_prompt(row)
        else:
            yield from prompt_problems(row)
        several, one = row.get("samples"), row.get("sample")
        if several is not None and one is not None:
            yield "rollout", "samples", "stands beside sample; a row has one of them"
            return
        if several is not None and not isinstance(several, list):
            yield "rollout", "samples", f"is a list of rollouts, got {quoted(several)}"
            return
        if several is not None and len(several) > MOST_RECORDED:
            yield "rollout", "samples", f"has {len(several):,} rollouts; at most {MOST_RECORDED:,}"
            return
        listed = several if several is not None else [one] if one is not None else []
        for index, sample in enumerate(listed):
            if not isinstance(sample, str | dict):
                name = "sample" if several is None else f"samples[{index}]"
                yield "rollout", name, f"is a text or an object, got {quoted(sample)}"
        if not listed and not asks:
            says = (
                "the row records no rollout under sample or samples, and no model is named to answer "
                "it: we need either your model's answers, or the model (--rollout-url)"
            )
            yield "rollouts", "", says

    return look


def _completion_prompt(row: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    prompt = row["prompt"]
    if isinstance(prompt, list) and prompt:
        yield from prompt_problems({**row, "messages": prompt})
    elif not isinstance(prompt, str) or not prompt:
        yield "messages", "prompt", f"is a text or a list of messages, got {quoted(prompt)}"


def supervised_problems(model: str) -> Look:
    """Return what looks at a row of a supervised job: one of messages, or of the completion format.

    Args:
        model: the base model, which takes one of the two.
    """
    return _completion_problems if base_of(model).startswith(_COMPLETES) else _chat_problems


def _completion_problems(row: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    if not is_completion(row) and "messages" in row:
        says = f"the row has messages; {' and '.join(_COMPLETES)} take prompt and completion"
        yield "messages", "", says
        return
    for name in ("prompt", "completion"):
        value = row.get(name)
        # A text to go on from may be empty; one to learn may not.
        if not isinstance(value, str) or (name == "completion" and not value):
            yield "messages", name, f"is a text, got {quoted(value)}"


def _chat_problems(row: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    if is_completion(row):
        says = (
            f"the row is of the completion format, which only {' and '.join(_COMPLETES)} take; others "
            "learn from messages, the last one the assistant's"
        )
        yield "messages", "", says
        return
    for name, problem in message_problems(row.get("messages")):
        yield "messages", name, problem
    if (role := last_role(row.get("messages"))) not in ("assistant", None):
        yield (
            "answer",
            "messages",
            f"ends with the {role}'s; the answer to learn is the assistant's",
        )


def dpo_problems(row: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield what is wrong with a row of a dpo job."""
    given = row.get("input")
    if not isinstance(given, dict):
        yield "input", "input", f"is an object with messages, got {quoted(given)}"
    else:
        for name, problem in message_problems(given.get("messages"), "input.messages"):
            yield "messages", name, problem
    for side in ("preferred_output", "non_preferred_output"):
        problems = list(message_problems(row.get(side), side))
        for name, problem in problems:
            yield "messages", name, problem.replace("it holds the prompt", "it holds an answer")
        if not problems and last_role(row.get(side)) != "assistant":
            said = shown(str(last_role(row.get(side))))
            yield "answer", side, f"is the assistant's answer, got a message of the {said}"
