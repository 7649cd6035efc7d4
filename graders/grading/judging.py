"""Asking judges: one for several criteria at once, or several as a panel, where that is wished.

What a kind asks is one call. Here calls with the same input may become one, and each goes to every
judge of a panel; the replies come back as if each had been asked by itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from graders.calls import ChatCall, ChatError, ChatReply, PanelRule
from graders.errors import shown
from graders.kinds import Kind, Settled
from graders.kinds.judge import object_in
from graders.kinds.panel import combined
from graders.models import Panel

__all__ = ["Judging", "ask_judges", "settled_by"]

Columns = Mapping[str, list[ChatReply]]
"""The replies of each judge by its name, "" for the only one."""


@dataclass(frozen=True, slots=True)
class Judging:
    """How judges are asked.

    Attributes:
        repeats: how often a judge is asked for each row.
        panel: the judges asked in place of each grader's own; None for that one.
        rule: how a panel's verdicts become one.
        quorum: how many judges of a panel need a verdict; None for all.
        together: whether sub-graders of the same model and input are asked in one request.
    """

    repeats: int = 1
    panel: Panel | None = None
    rule: PanelRule = "auto"
    quorum: int | None = None
    together: bool = False

    @property
    def signature(self) -> str:
        """How verdicts are made, as `key:value` pairs; "" where a grader's own judge is asked."""
        parts = []
        if self.panel is not None:
            needed = len(self.panel.judges) if self.quorum is None else self.quorum
            parts += [f"panel:{self.panel}", f"rule:{self.rule}", f"quorum:{needed}"]
        return "|".join([*parts, "together:yes"] if self.together else parts)


@dataclass(frozen=True, slots=True)
class _Request:
    """A call that is asked, and those that it answers, by key."""

    call: ChatCall
    answers: dict[str, ChatCall] = field(default_factory=dict)


def ask_judges(
    calls: Mapping[str, ChatCall],
    judging: Judging,
    ask: Callable[[Sequence[ChatCall]], Sequence[list[ChatReply]]],
) -> dict[str, Columns]:
    """Return what judges reply to calls, by the calls' keys.

    Args:
        calls: what leaves ask, by their keys.
        judging: how.
        ask: asks several calls at once.
    """
    requests = _together(calls) if judging.together else _apart(calls)
    sent: list[tuple[str, _Request]] = []
    for one in requests:
        if judging.panel is None:
            sent.append(("", one))
            continue
        for judge in judging.panel.judges:
            asked = replace(one.call, model=judge.model, judge=judge.called)
            sent.append((judge.called, _Request(asked, one.answers)))
    replies = ask([one.call for _, one in sent]) if sent else []
    found: dict[str, dict[str, list[ChatReply]]] = {key: {} for key in calls}
    for (name, one), column in zip(sent, replies, strict=True):
        shares = _shares(one, column)
        for key, share in shares.items():
            found[key][name] = share
    return dict(found)


def settled_by(kind: Kind[Any], config: Any, columns: Columns, judging: Judging) -> Settled:
    """Return what replies come to: of one judge its own verdicts, of a panel the panel's."""
    repeats = judging.repeats
    if judging.panel is None:
        (column,) = columns.values()
        return kind.settle(config, column, repeats)
    judges = {name: kind.settle(config, column, repeats) for name, column in columns.items()}
    quorum = len(judges) if judging.quorum is None else judging.quorum
    return combined(judges, judging.rule, quorum, labels=kind.gives_labels)


def _apart(calls: Mapping[str, ChatCall]) -> list[_Request]:
    return [_Request(call, {key: call}) for key, call in calls.items()]


def _together(calls: Mapping[str, ChatCall]) -> list[_Request]:
    """Return the calls with those of one model, subject and sampling as one.

    The rows play no part in which these are: else it would depend on what else is in a chunk.
    """
    groups: dict[str, dict[str, ChatCall]] = {}
    for key, call in calls.items():
        alone = "" if call.subject else key
        same = json.dumps([call.model, call.subject, dict(call.sampling), alone])
        groups.setdefault(same, {})[key] = call
    return [
        _Request(_joined(group) if len(group) > 1 else next(iter(group.values())), group)
        for group in groups.values()
    ]


def _joined(group: Mapping[str, ChatCall]) -> ChatCall:
    """Return the one call that asks what several do."""
    first = next(iter(group.values()))
    schema = {
        "type": "object",
        "properties": {
            key: {"description": f"The verdict on the criterion {key}.", **call.schema}
            for key, call in group.items()
        },
        "required": list(group),
        "additionalProperties": False,
    }
    columns = zip(*(call.messages for call in group.values()), strict=True)
    return replace(
        first,
        messages=[_message_lists(list(group), row) for row in columns],
        schema_name="criteria",
        schema=schema,
        grader=json.dumps([call.grader for call in group.values()]),
    )


def _message_lists(
    keys: Sequence[str], lists: Sequence[Sequence[Mapping[str, Any]]]
) -> list[Mapping[str, Any]]:
    """Return one row's messages: instructions that differ stand under their criterion's name."""
    found: list[Mapping[str, Any]] = []
    for same in zip(*lists, strict=True):
        if all(one == same[0] for one in same):
            found.append(same[0])
            continue
        parts = [f"Criterion {key}:\n{one['content']}" for key, one in zip(keys, same, strict=True)]
        found.append({**same[0], "content": "\n\n".join(parts)})
    return found


def _shares(one: _Request, column: list[ChatReply]) -> dict[str, list[ChatReply]]:
    """Return each criterion's share of a column of replies."""
    if len(one.answers) == 1:
        return dict.fromkeys(one.answers, column)
    shares: dict[str, list[ChatReply]] = {key: [] for key in one.answers}
    for reply in column:
        for key, share in _parts(reply, list(one.answers)).items():
            shares[key].append(share)
    return shares


def _parts(reply: ChatReply, keys: Sequence[str]) -> dict[str, ChatReply]:
    """Return each criterion's part of a reply; the tokens stand with the first, once."""
    first = keys[0]
    usage = {key: reply.usage if key == first else None for key in keys}
    whole = {key: replace(reply, usage=usage[key]) for key in keys}
    if reply.error is not None:
        return whole
    try:
        value = object_in(reply.text)
    except ValueError:
        return whole  # Each says by itself why it cannot be read.
    found = {}
    for key in keys:
        if key in value:
            found[key] = replace(whole[key], text=json.dumps(value[key], ensure_ascii=False))
            continue
        named = ", ".join(shown(name, 60) for name in sorted(value)[:6]) or "none"
        says = f"the judge's reply has no criterion {shown(key, 60)}; it has {named}"[:300]
        found[key] = replace(whole[key], error=ChatError("empty", says, reply.text))
    return found
