"""What an agent is told beside an answer: what to do next, and in words that it can act on. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from graders.agent.tool import MOST_ROWS, Tool

__all__ = ["NOT_GRADED", "in_its_words", "next_step"]

NOT_GRADED: Final = f"{MOST_ROWS} rows are the most here; for more tell the user to run graders validate --rows --limit."
"""The fix of G612, whose own names an option that agents do not have."""
_OPTION: Final = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
_ENOUGH: Final = 3
"""Codes and attacks that are named at once."""


def in_its_words(text: str, tool: Tool) -> str:
    """Return a command's sentence for an agent: options that are arguments of the tool under these names.

    Others are the user's to give, and a sentence says where.
    """
    names = {flag: name for name, flag in tool.flags.items()}
    said = _OPTION.sub(lambda found: names.get(found[0], found[0]), text)
    if not _OPTION.search(said):
        return said
    return f"{said}\n(Options, which begin with --, are the user's to give, behind a -- of its own: graders mcp -- OPTION)"


def next_step(tool: Tool, body: Mapping[str, Any]) -> str:
    """Return a sentence that says what an answer of a tool asks for."""
    step = {
        "validate": _after_validate, "lint": _after_lint, "run": _after_run,
        "score": _after_score, "probe": _after_probe, "explain": _after_explain,
    }[tool.name]  # fmt: skip
    return step(body)


def _after_validate(body: Mapping[str, Any]) -> str:
    if not body["valid"]:
        return "Mend each fault at its path, then validate again."
    read = ", ".join(body.get("variables", ())) or "nothing"
    return f"It reads {read} of a row: lint it, then run it on a right and on a wrong answer."


def _after_lint(body: Mapping[str, Any]) -> str:
    if not body["valid"]:
        return "Mend each fault at its path, then lint again."
    if found := _named(one["code"] for one in body["findings"]):
        return f"Apply each fix, or leave it for a reason; explain says more of {found}."
    looked = "probe says what wrong answers get." if "rows" in body else "lint it with rows, too."
    return f"Nothing is wrong as far as lint knows: {looked}"


def _after_run(body: Mapping[str, Any]) -> str:
    if body["reward"] is None:
        codes = _named(one["code"] for one in body["failures"])
        return f"The row has no reward, which is not 0: explain says what cures {codes}."
    return "rendered has the texts that were compared. Run a wrong answer as well, then score rows."


def _after_score(body: Mapping[str, Any]) -> str:
    summary = body["summary"]
    if failed := summary["failed"]:
        codes = _named(summary["failures"])
        rows = f"{failed} of {summary['rows']} rows have"
        return f"{rows} no reward, which is not 0: explain says what cures {codes}."
    if summary["scored"] > 1 and not summary["reward"]["spread"]:
        return "Every row has the same reward, which teaches nothing: look at what the grader compares, by run."
    return "Every row has a reward: probe says what wrong answers get."


def _after_probe(body: Mapping[str, Any]) -> str:
    paid = sorted(
        (one for one in body["attacks"] if one["given"] == "wrong" and one.get("beaten")),
        key=lambda one: -one["beaten"],
    )
    if not paid:
        return "No wrong answer got more than the rows' own answers."
    worst = paid[0]
    payer = worst["payer"]
    by = f"; {payer} pays most of {worst['attack']}" if payer else ""
    return f"Wrong answers get more than the rows' own: explain says what cures {_named(one['attack'] for one in paid)}{by}."


def _after_explain(_: Mapping[str, Any]) -> str:
    return "Apply the cure, then call the tool again that gave the code."


def _named(codes: Any) -> str:
    """Return the first few of some codes."""
    known = list(dict.fromkeys(codes))
    more = f" and {len(known) - _ENOUGH} more" if len(known) > _ENOUGH else ""
    return ", ".join(known[:_ENOUGH]) + more
