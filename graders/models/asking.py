"""What becomes of a call on its way to a server: the request, what is known of it, who paid for it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graders.calls import ChatCall
from graders.models import request

__all__ = ["Asking", "Billing", "Learned", "Sent"]


@dataclass(slots=True)
class Learned:
    """What a server taught about the requests of one grader; grows as it answers.

    Attributes:
        form: the index of the form in use.
        confirmed: whether a reply came in that form.
        dropped: parameters that it refused, and then answered without.
        first: set when the first request has its answer; None before there is one.
    """

    form: int = 0
    confirmed: bool = False
    dropped: frozenset[str] = frozenset()
    first: asyncio.Event | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """What a request has besides its messages: parameters under the API's names, index of the form."""

    params: dict[str, Any]
    form: int


@dataclass(frozen=True, slots=True)
class Asking:
    """A call, ready to be asked.

    Attributes:
        call: the call.
        model: the model asked.
        params: the parameters that are wanted, under the API's names.
        learned: what is known of its requests.
    """

    call: ChatCall
    model: str
    params: Mapping[str, Any]
    learned: Learned = field(default_factory=Learned)

    @property
    def wanted(self) -> Sent:
        """What would be sent to a server that refuses nothing."""
        return Sent(dict(self.params), 0)

    @property
    def sent(self) -> Sent:
        """What would be sent now."""
        learned = self.learned
        return Sent(request.accepted(self.params, learned.dropped), learned.form)


@dataclass(slots=True)
class Billing:
    """Whether a request was answered, and how often it was sent and lost."""

    billed: bool = False
    lost: int = 0

    def lose(self) -> None:
        """Count a try that was sent and never answered."""
        self.lost += 1
