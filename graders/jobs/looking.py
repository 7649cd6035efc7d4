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

Found = Iterator[tuple[str, str, str]]
_TEXTS: Final = ("text", "refusal")
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


def supervised_problems(model: str | None) -> Look:
    """Return what looks at a row of a supervised job: one of messages, or of the completion format.

    Args:
        model: the hosted base model, which takes one of the two; None for a model of one's own that is
            trained here, which takes either, in a file of rows that are all alike, and texts alone.
    """
    if model is not None:
        return _completion_problems if base_of(model).startswith(_COMPLETES) else _chat_problems
    first: list[bool] = []

    def look(row: dict[str, Any]) -> Found:
        plain = "messages" not in row and is_completion(row)
        first.append(plain) if not first else None
        if plain != first[0]:
            kinds = ("messages", "prompt and completion")
            yield "mixed", "", f"the first row has {kinds[first[0]]}, this one {kinds[plain]}"
            return
        problems = list((_completion_problems if plain else _messages_problems)(row))
        yield from problems
        if not plain and not problems:
            yield from _part_problems(row["messages"], "messages")

    return look


def _completion_problems(row: dict[str, Any]) -> Found:
    if not is_completion(row) and "messages" in row:
        says = f"the row has messages; {' and '.join(_COMPLETES)} take prompt and completion"
        yield "messages", "", says
        return
    for name in ("prompt", "completion"):
        if not isinstance(row.get(name), str):
            yield "messages", name, f"is a text, got {quoted(row.get(name))}"
    # A text to go on from may be empty; one to learn may not.
    if row.get("completion") == "":
        yield "messages", "completion", "is empty: there is nothing to learn"


def _chat_problems(row: dict[str, Any]) -> Found:
    if is_completion(row):
        says = (
            f"the row is of the completion format, which only {' and '.join(_COMPLETES)} take; others "
            "learn from messages, the last one the assistant's"
        )
        yield "messages", "", says
        return
    yield from _messages_problems(row)


def _messages_problems(row: dict[str, Any]) -> Found:
    problems = list(message_problems(row.get("messages")))
    for name, problem in problems:
        yield "messages", name, problem
    if problems:
        return
    yield from _tool_problems(row)
    learned = 0
    for index, one in enumerate(row["messages"]):
        weight = one.get("weight", 1)
        if "weight" in one and one["role"] != "assistant":
            yield "weight", f"messages[{index}].weight", "is of the assistant's messages alone"
        elif isinstance(weight, bool) or weight not in (0, 1):
            yield "weight", f"messages[{index}].weight", f"is 0 or 1, got {quoted(weight)}"
        learned += one["role"] == "assistant" and weight == 1
    if (role := last_role(row["messages"])) != "assistant":
        says = f"ends with the {role}'s; the answer to learn is the assistant's"
        yield "answer", "messages", says
    elif not learned:
        yield "answer", "messages", "has no message of the assistant with a weight of 1"


def dpo_problems(*, texts: bool = False) -> Look:
    """Return what looks at a row of a dpo job.

    Args:
        texts: whether it is for a model that learns from texts alone.
    """

    def look(row: dict[str, Any]) -> Found:
        given = row.get("input")
        if not isinstance(given, dict):
            yield "input", "input", f"is an object with messages, got {quoted(given)}"
        else:
            problems = list(message_problems(given.get("messages"), "input.messages"))
            for name, problem in problems:
                yield "messages", name, problem
            if not problems:
                yield from _tool_problems(given)
                yield from _part_problems(given["messages"], "input.messages") if texts else ()
        for side in ("preferred_output", "non_preferred_output"):
            problems = list(message_problems(row.get(side), side))
            for name, problem in problems:
                yield "messages", name, problem.replace("it holds the prompt", "it holds an answer")
            if problems:
                continue
            yield from _part_problems(row[side], side) if texts else ()
            if last_role(row.get(side)) != "assistant":
                said = shown(str(last_role(row.get(side))))
                yield "answer", side, f"is the assistant's answer, got a message of the {said}"

    return look


def _part_problems(messages: list[dict[str, Any]], name: str) -> Found:
    """Yield what no text-only model can learn from."""
    for index, one in enumerate(messages):
        content = one.get("content")
        for part in content if isinstance(content, list) else ():
            if part.get("type") not in _TEXTS:
                says = f"has a part of type {quoted(part.get('type'))}; only texts are learned here"
                yield "part", f"{name}[{index}].content", says


def _tool_problems(row: dict[str, Any]) -> Found:
    tools = row.get("tools")
    if tools is not None and (
        not isinstance(tools, list)
        or not all(
            isinstance(one, dict)
            and isinstance(one.get("function"), dict)
            and isinstance(one["function"].get("name"), str)
            for one in tools
        )
    ):
        yield "tools", "tools", "is a list of functions, each with a name"
