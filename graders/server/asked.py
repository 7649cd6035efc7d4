"""Requests on their way to a grading process: alone, or several for rewards that are graded together."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

from graders.server.frame import Answer, Elsewhere, bundle, split
from graders.server.worker import REWARD

__all__ = ["Asked", "settle", "with_others"]

_MOST: Final = 64
"""Requests for rewards of one grader that are graded together, at most."""
_MOST_BYTES: Final = 1 << 20
"""What these may hold together; one that holds more is graded alone."""


@dataclass(slots=True, eq=False)
class Asked:
    """A request on its way; or several for rewards of one grader.

    Attributes:
        task: the place of what is asked for in TASKS.
        body: what the process is sent; of a request for rewards its frame.
        answer: the answer to come.
        grader: what requests with the same grader have in common.
        tries: how many processes were lost over it.
        members: the requests that this one stands for; () for itself.
        alone: whether it is graded with no other.
    """

    task: int
    body: bytes
    answer: asyncio.Future[Answer | Elsewhere]
    grader: bytes = b""
    tries: int = 0
    members: tuple[Asked, ...] = ()
    alone: bool = False

    @property
    def sent(self) -> bytes:
        """What the process is sent."""
        if self.task != REWARD:
            return self.body
        return bundle(self.grader, [one.body for one in self.members or (self,)])

    def own(self, answer: Answer | Elsewhere) -> Answer | Elsewhere:
        """Return what a process's answer says to this request: a lone one's stands in a bundle, too."""
        if (
            self.task != REWARD
            or self.members
            or isinstance(answer, Elsewhere)
            or answer.status != 200
        ):
            return answer
        found = next(split(answer.body))
        return replace(found, facts={**found.facts, **answer.facts}) if answer.facts else found

    def goes_with(self, other: Asked) -> bool:
        """Whether it may be graded together with another."""
        same = self.task == other.task == REWARD and self.grader == other.grader
        return same and not (self.alone or self.members or self.answer.done())


def with_others(first: Asked, waiting: Collection[Asked], processes: int) -> tuple[Asked, ...]:
    """Return a request and those that wait and may be graded together with it.

    Each of several processes leaves the others their part of what waits.
    """
    most = min(-(-(1 + len(waiting)) // processes), _MOST)
    members, size = [first], len(first.body)
    if not first.goes_with(first):
        return (first,)
    for one in waiting:
        if one.goes_with(first):
            size += len(one.body)
            if len(members) >= most or size > _MOST_BYTES:
                break
            members.append(one)
    return tuple(members)


def settle(asked: Asked, answer: Answer | Elsewhere) -> None:
    """Give a request its answer, where somebody still waits for it."""
    if not asked.answer.done():
        asked.answer.set_result(answer)
