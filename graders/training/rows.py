"""Rows as chat templates of local models take them. Pure.

The hosted service knows roles, parts and tool calls that templates do not: what can be said in their
words is, the rest has been refused before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from graders import jsontext

__all__ = ["dpo_row", "messages_of", "prompt_row", "supervised_row"]


def supervised_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row to learn: messages with which of them are learned, or a prompt and its completion."""
    if "messages" not in row:
        return {"prompt": row["prompt"], "completion": row["completion"]}
    messages = messages_of(row["messages"])
    learned = [
        at
        for at, one in enumerate(row["messages"])
        if one["role"] == "assistant" and one.get("weight", 1) != 0
    ]
    return {"messages": messages, "learned": learned, "tools": _tools(row)}


def dpo_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a prompt with the answer that is preferred and the one that is not."""
    given = row["input"]
    return {
        "messages": messages_of(given["messages"]), "tools": _tools(given),
        "chosen": messages_of(row["preferred_output"]),
        "rejected": messages_of(row["non_preferred_output"]),
    }  # fmt: skip


def prompt_row(row: Mapping[str, Any], own: Sequence[str] = ()) -> dict[str, Any]:
    """Return a prompt with the item that graders see: the row without some fields."""
    return {
        "messages": messages_of(row["messages"]), "tools": _tools(row),
        "item": {name: value for name, value in row.items() if name not in own},
    }  # fmt: skip


def _tools(row: Mapping[str, Any]) -> list[Any] | None:
    functions = row.get("functions")
    if functions:
        return [{"type": "function", "function": one} for one in functions]
    return row.get("tools") or None


def messages_of(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return messages in the words of templates: plain texts, tool calls with objects, no developer."""
    return list(_messages(messages))


def _messages(messages: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for one in messages:
        role = "system" if one["role"] == "developer" else one["role"]
        found: dict[str, Any] = {"role": role, "content": text_of(one.get("content"))}
        for name in ("name", "tool_call_id"):
            if one.get(name) is not None:
                found[name] = one[name]
        if calls := one.get("tool_calls"):
            found["tool_calls"] = [_call(call) for call in calls]
        yield found


def text_of(content: Any) -> str:
    """Return a content's text; of parts those that are text."""
    if content is None or isinstance(content, str):
        return content or ""
    return "".join(one.get("text") or one.get("refusal") or "" for one in content)


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call.get("function") or {}
    arguments = function.get("arguments", {})
    if isinstance(arguments, str):
        # Templates write objects as JSON themselves; a text they would quote once more.
        try:
            arguments = jsontext.decode(arguments)
        except ValueError:
            arguments = {"arguments": arguments}
    found = {"type": "function", "function": {"name": function.get("name"), "arguments": arguments}}
    return {"id": call["id"], **found} if call.get("id") else found
