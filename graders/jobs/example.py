"""What is wrong in the rows of jobs that learn from answers: supervised and dpo. Pure.

Source: the hosted fine-tuning guides; `prompt` and `completion` are the rows of older base models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from graders.errors import quoted, shown
from graders.inspection.lint.training import last_role, message_problems

__all__ = ["dpo_problems", "supervised_looker"]

Found = Iterator[tuple[str, str, str]]
_TEXTS: Final = ("text", "refusal")


def supervised_looker() -> Callable[[dict[str, Any]], Found]:
    """Return what looks at the rows of a file: all are chats, or all are prompts with completions."""
    first: list[bool] = []

    def look(row: dict[str, Any]) -> Found:
        plain = "messages" not in row and ("prompt" in row or "completion" in row)
        first.append(plain) if not first else None
        if plain != first[0]:
            kinds = ("messages", "prompt and completion")
            yield "mixed", "", f"the first row has {kinds[first[0]]}, this one {kinds[plain]}"
        elif plain:
            yield from _completion_problems(row)
        else:
            yield from _chat_problems(row)

    return look


def _completion_problems(row: dict[str, Any]) -> Found:
    for name in ("prompt", "completion"):
        if not isinstance(row.get(name), str):
            yield "completion", name, f"is a text, got {quoted(row.get(name))}"
    if row.get("completion") == "":
        yield "completion", "completion", "is empty: there is nothing to learn"


def _chat_problems(row: dict[str, Any]) -> Found:
    problems = list(message_problems(row.get("messages")))
    for name, problem in problems:
        yield "messages", name, problem
    if problems:
        return
    yield from _part_problems(row["messages"], "messages")
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
        yield (
            "answer", "messages", f"ends with the {role}'s; the answer to learn is the assistant's",
        )  # fmt: skip
    elif not learned:
        yield "answer", "messages", "has no message of the assistant with a weight of 1"


def dpo_problems(row: dict[str, Any]) -> Found:
    """Yield (kind, field, problem) for what is wrong in a row of a dpo file."""
    given = row.get("input")
    if not isinstance(given, dict):
        yield "input", "input", f"is an object with messages, got {quoted(given)}"
    else:
        problems = list(message_problems(given.get("messages"), "input.messages"))
        for name, problem in problems:
            yield "messages", name, problem
        if not problems:
            yield from _part_problems(given["messages"], "input.messages")
            yield from _tool_problems(given)
    for side in ("preferred_output", "non_preferred_output"):
        problems = list(message_problems(row.get(side), side))
        for name, problem in problems:
            yield "messages", name, problem.replace("it holds the prompt", "it holds an answer")
        if problems:
            continue
        yield from _part_problems(row[side], side)
        if last_role(row.get(side)) != "assistant":
            said = shown(str(last_role(row.get(side))))
            yield "answer", side, f"is the assistant's answer, got a message of the {said}"


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
