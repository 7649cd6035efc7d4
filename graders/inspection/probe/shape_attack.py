"""Attacks on the shape of an answer: its JSON, its markup, its tool calls."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from graders.inspection.probe.material import AnswerPool, Material, map_leaves

__all__ = ["extra_tools", "filled", "format_only", "wrong_arguments", "wrong_values"]

_SKELETONS: Final = {
    "an empty object": "{}",
    "empty markup": "<think></think>\n<answer></answer>",
    "an empty box": "\\boxed{}",
    "a heading": "Answer:",
    "headings and bullets": "# Summary\n\n- \n- \n\n# Answer\n\n**Final answer:** ",
    "an empty code block": "```\n\n```",
}
_WRONG: Final = "wrong value"
_EXTRA: Final = {
    "id": "call_extra", "type": "function",
    "function": {"name": "extra_tool", "arguments": '{"extra": true}'},
}  # fmt: skip


def format_only(row: Material, _: AnswerPool) -> Mapping[str, Any]:
    """Return forms without content: of the honest answer's own JSON, and the usual ones."""
    found: dict[str, Any] = {
        name: {"output_text": text} for name, text in _SKELETONS.items()
    }  # fmt: skip
    if row.form is not None:
        found["the answer's own fields, empty"] = {
            "output_text": json.dumps(map_leaves(row.form, lambda _: "", _nothing))
        }
    return found


def wrong_values(row: Material, _: AnswerPool) -> Mapping[str, Any]:
    """Return the honest answer's JSON with every value another one."""
    if row.form is None:
        return {}
    value = map_leaves(row.form, lambda _: _WRONG, _other)
    return {"": {"output_text": json.dumps(value), "output_json": value}}


def wrong_arguments(row: Material, _: AnswerPool) -> Mapping[str, Any]:
    """Return the honest tool calls with other arguments, and with none."""
    changed = row.reshaped(lambda _: _WRONG, number=_other).get("in each argument")
    if changed is None:
        return {}
    bare = [_with(call, "{}") for call in row.tools]
    return {"other arguments": changed, "no arguments": {**changed, "output_tools": bare}}


def extra_tools(row: Material, _: AnswerPool) -> Mapping[str, Any]:
    """Return the honest answer with tool calls too many, after and before its own."""
    if not row.tools or not isinstance(row.sample, dict):
        return {}
    kept = {**row.sample, "output_text": row.text or ""}
    return {
        "after": {**kept, "output_tools": [*row.tools, _EXTRA]},
        "before": {**kept, "output_tools": [_EXTRA, *row.tools]},
        "each twice": {**kept, "output_tools": [*row.tools, *row.tools]},
    }


def filled(row: Material) -> Any:
    """Return the answer whose compared places hold their references; None where that is none.

    It is what a right answer looks like to a grader that compares fields of JSON or tool calls.
    """
    slots = {steps: text for steps, text in row.slots.items() if len(steps) > 1}
    if not slots:
        return None
    sample: dict[str, Any] = {
        "output_text": row.text or "",
        "output_json": json.loads(json.dumps(row.form)) if row.form is not None else {},
        "output_tools": json.loads(json.dumps(row.tools)),
    }
    for steps, text in slots.items():
        if not _put(sample, steps, text):
            return None
    if any(steps[0] == "output_json" for steps in slots):
        sample["output_text"] = json.dumps(sample["output_json"], ensure_ascii=False)
    return {key: value for key, value in sample.items() if value}


def _put(here: Any, steps: tuple[str | int, ...], text: str) -> bool:
    """Put a text at a place; return whether the place is there."""
    for step in steps[:-1]:
        try:
            here = here[step]
        except (LookupError, TypeError):
            return False
    last = steps[-1]
    if isinstance(here, dict) and isinstance(last, str):
        before = here.get(last)
        here[last] = text if before is None or isinstance(before, str) else _like(before, text)
        return True
    if isinstance(here, list) and isinstance(last, int) and last < len(here):
        here[last] = text
        return True
    return False


def _like(before: Any, text: str) -> Any:
    """Return a rendered reference as the value it was rendered from, where it was no text."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if type(value) is type(before) else text


def _with(call: Any, arguments: str) -> Any:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict):
        return call
    return {**call, "function": {**function, "arguments": arguments}}


def _nothing(value: Any) -> Any:
    return False if isinstance(value, bool) else 0


def _other(value: Any) -> Any:
    return (not value) if isinstance(value, bool) else value + 1
