"""What a run pays for models: written down as it is paid, and stopped before it is too much.

A request is only sent when what is paid, what is on its way and what it may cost itself fit into the
budget. As long as they do at their dearest (every byte of the prompt a token, every reply as long as
it may be), all go side by side; near the end each is taken for a quarter dearer than the dearest so
far of its model, and the first of a model then goes alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from bisect import insort
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from graders import jsontext
from graders.calls import ChatReply
from graders.errors import BudgetError, UnavailableError
from graders.grade import Usage
from graders.models.cache import ReplyCache
from graders.models.kept import from_bytes, to_bytes
from graders.models.price import Prices, dollars, paid_text

__all__ = ["Hold", "Ledger", "Paid"]

_NO_CAP: Final = 65_536  # Tokens of a reply that nobody limits.
_UNKNOWN_REPLY: Final = 64
_BYTES_A_TOKEN: Final = 4


@dataclass(frozen=True, slots=True)
class Hold:
    """A request on its way: what it takes from the budget until it is paid.

    Attributes:
        model: the model that is asked, whose price counts.
        size: bytes of the request.
        worst: the most tokens that it can use.
        likely: the tokens that it is taken to use.
    """

    model: str
    size: int
    worst: Usage
    likely: Usage


@dataclass(slots=True)
class _Seen:
    """What is known of a model's replies.

    Attributes:
        replies: how many were counted.
        bytes: of their requests.
        share: the most tokens for a byte of a request.
        longest: the most tokens of a reply.
        lost: requests that a server may have billed without saying so.
        lost_bytes: bytes of those.
    """

    replies: int = 0
    bytes: int = 0
    share: Fraction = Fraction(1, _BYTES_A_TOKEN)
    longest: int = _UNKNOWN_REPLY
    lost: int = 0
    lost_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Paid:
    """What was paid, by all runs of an output together.

    Attributes:
        models: tokens of the replies that were paid for, by model.
        perhaps: tokens, estimated, of what a server may have billed though it did not say so: its
            connection broke, it did not answer in time, or its answer has no count.
        prices: what they cost; None where nobody knows.
        budget: dollars that may be paid; None for any number.
        tokens: tokens that may be used; None for any number.
    """

    models: dict[str, Usage]
    perhaps: dict[str, Usage]
    prices: Prices | None = None
    budget: Fraction | None = None
    tokens: int | None = None

    @property
    def dollars(self) -> Fraction:
        """What was paid for sure."""
        return self._cost(self.models)

    @property
    def perhaps_dollars(self) -> Fraction:
        """What a server may have billed besides."""
        return self._cost(self.perhaps)

    def _cost(self, models: dict[str, Usage]) -> Fraction:
        if self.prices is None:
            return Fraction(0)
        found = (self.prices.cost(model, usage) for model, usage in models.items())
        return sum(found, Fraction(0))

    def __str__(self) -> str:
        return paid_text(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        known = self.prices is not None
        return {
            "dollars": float(self.dollars) if known else None,
            "perhaps_dollars": float(self.perhaps_dollars) if known else None,
            "tokens": _count(self.models),
            "perhaps_tokens": _count(self.perhaps),
            "budget_dollars": None if self.budget is None else float(self.budget),
            "budget_tokens": self.tokens,
            "models": {
                model: {
                    **usage.to_dict(),
                    "dollars": float(self.prices.cost(model, usage)) if self.prices else None,
                }
                for model, usage in sorted(self.models.items())
            },
        }


class Ledger:
    """Counts what is paid; several clients, threads and event loops may share one.

    Args:
        prices: what tokens cost; None where nobody asks.
        budget: dollars that may be paid; None for any number.
        tokens: tokens that may be used; None for any number.
        store: where each paid reply is kept, so that going on pays for none again; None where
            nothing can go on. What it holds counts as paid.
    """

    def __init__(
        self,
        prices: Prices | None = None,
        *,
        budget: Fraction | None = None,
        tokens: int | None = None,
        store: ReplyCache | None = None,
    ) -> None:
        self._prices, self._budget, self._tokens = prices, budget, tokens
        self._store = store
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._held: dict[int, Hold] = {}
        self._turns: list[_Turn] = []
        self._paid: dict[str, Usage] = {}
        self._seen: dict[str, _Seen] = {}
        self._stopped = ""
        for raw in () if store is None else store.values():
            self._count(_entry(raw, store))

    @property
    def paid(self) -> Paid:
        """What was paid so far."""
        with self._lock:
            return self._so_far()

    def found(self, key: bytes) -> ChatReply | None:
        """Return the reply that was paid for under a key, None where none was."""
        raw = None if self._store is None else self._store.get(key)
        if raw is None:
            return None
        kept = _entry(raw, self._store)["reply"]
        return None if kept is None else from_bytes(kept.encode())

    def knows(self, model: str) -> bool:
        """Whether a model has a price."""
        return self._prices is not None and self._prices.of(model) is not None

    async def hold(self, model: str, size: int, cap: int | None, row: int = 0) -> Hold:
        """Return once a request may be sent.

        Args:
            model: the model that is asked.
            size: bytes of the request.
            cap: tokens of the reply at most; None where nobody limits them.
            row: the row of the input; where not all can be sent at once, the first rows go first.

        Raises:
            BudgetError: the budget does not allow for it.
        """
        turn = _Turn(asyncio.get_running_loop(), row)
        with self._lock:
            insort(self._turns, turn, key=lambda one: one.row)
        try:
            while True:
                with self._lock:
                    self._check()
                    hold = self._taken(model, size, _NO_CAP if cap is None else cap)
                    # In order: whoever has to go alone is not overtaken for ever.
                    fits = self._fits(hold) if self._turns[0] is turn else None
                    if fits:
                        self._held[id(hold)] = hold
                        return hold
                    if fits is False:
                        self._stop(hold)
                    waiter = turn.wait()
                await waiter
        finally:
            with self._lock:
                self._turns.remove(turn)
                self._wake()

    def check(self) -> None:
        """Return while the budget is not reached; raises BudgetError where it is."""
        with self._lock:
            self._check()
            if not self._room([]):
                self._stop(None)

    def settle(
        self, hold: Hold, key: bytes, reply: ChatReply | None, *, billed: bool, lost: int = 0
    ) -> None:
        """Write down what came of a request.

        Args:
            hold: what was held for it.
            key: what the reply is called.
            reply: the reply; None where it was given up.
            billed: whether a server answered, so that it is paid for.
            lost: how often it was sent with no answer, though a server may have billed it.
        """
        try:
            usage = None if reply is None else reply.usage
            if usage is not None and not (usage.prompt_tokens or usage.completion_tokens):
                usage = None  # So much for nothing is no count.
            lost += billed and usage is None
            if (billed and reply is not None) or lost:
                kept = to_bytes(reply).decode() if billed and reply is not None else None
                name = key if kept is not None else os.urandom(32)
                self._write(name, hold, usage if billed else None, lost, kept)
        finally:
            with self._lock:
                self._held.pop(id(hold), None)
                self._wake()

    def add(self, model: str, size: int, usage: Usage | None) -> None:
        """Write down what a request of so many bytes used that nothing was held for."""
        hold = Hold(model, size, Usage(), Usage())
        self._write(os.urandom(32), hold, usage, int(usage is None), None)

    def drain(self, seconds: float) -> None:
        """Wait until nothing is on its way, for so long at most: what was sent is paid for."""
        with self._idle:
            self._idle.wait_for(lambda: not self._held, seconds)

    @property
    def is_asked(self) -> bool:
        """Whether anybody asks what was paid, or only what was paid for is to be gone on with."""
        return self._prices is not None or self._tokens is not None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was paid."""
        return not self._seen

    def close(self) -> None:
        """Close the store."""
        if self._store is not None:
            self._store.close()

    # With the lock held.

    def _so_far(self) -> Paid:
        return Paid(dict(self._paid), self._perhaps, self._prices, self._budget, self._tokens)

    @property
    def _perhaps(self) -> dict[str, Usage]:
        """What the lost requests of each model cost if they cost what the others do on average."""
        found = {}
        for model, seen in self._seen.items():
            if seen.lost:
                paid = self._paid.get(model, Usage())
                share, longest = seen.share, seen.longest
                if seen.replies:
                    share = Fraction(paid.prompt_tokens, seen.bytes)
                    longest = -(-paid.completion_tokens // seen.replies)
                found[model] = _usage(int(seen.lost_bytes * share), seen.lost * longest)
        return found

    def _check(self) -> None:
        if self._stopped:
            raise BudgetError(self._stopped)

    def _taken(self, model: str, size: int, cap: int) -> Hold:
        seen = self._seen.get(model, _Seen())
        # A quarter more than the dearest so far, and never more than there can be.
        prompt = min(size, int(size * seen.share * 5 / 4) + 1)
        reply = min(cap, seen.longest * 5 // 4 + 1)
        return Hold(model, size, _usage(size, cap), _usage(prompt, reply))

    def _fits(self, hold: Hold) -> bool | None:
        """Whether a request may be sent; None where that is to be seen once others are back."""
        held = list(self._held.values())
        if self._room([(one.model, one.worst) for one in (*held, hold)]):
            return True
        likely = self._room([(one.model, one.likely) for one in (*held, hold)])
        if likely and (self._seen.get(hold.model, _Seen()).replies or not held):
            return True
        return None if held else False

    def _room(self, more: list[tuple[str, Usage]]) -> bool:
        """Whether more tokens fit into the budget."""
        total = [*self._paid.items(), *self._perhaps.items(), *more]
        if self._tokens is not None and sum(_tokens(one) for _, one in total) > self._tokens:
            return False
        if self._budget is None or self._prices is None:
            return True
        cost = sum((self._prices.cost(model, one) for model, one in total), Fraction(0))
        return cost <= self._budget

    def _stop(self, hold: Hold | None) -> None:
        paid, more = self._so_far(), ""
        if hold is not None and self._prices is not None and self._budget is not None:
            more = f", and the next reply of {hold.model} may cost {dollars(self._prices.cost(hold.model, hold.likely))}"
        elif hold is not None:
            more = f", and the next reply of {hold.model} may use {_tokens(hold.likely):,}"
        how = "used up" if self._paid else "too small for a first request"
        self._stopped = f"the budget is {how}: {paid}{more}"
        self._wake()
        raise BudgetError(self._stopped)

    def _wake(self) -> None:
        for turn in self._turns if self._stopped else self._turns[:1]:
            turn.call()
        self._idle.notify_all()

    # What is written down.

    def _write(
        self, key: bytes, hold: Hold, usage: Usage | None, lost: int, reply: str | None
    ) -> None:
        entry = {
            "model": hold.model, "size": hold.size, "lost": int(lost), "reply": reply,
            "usage": None if usage is None else usage.to_dict(),
        }  # fmt: skip
        if self._store is not None:
            self._store.put(key, jsontext.encode(entry))
        with self._lock:
            self._count(entry)

    def _count(self, entry: Any) -> None:
        model, size, lost = entry["model"], entry["size"], entry["lost"]
        seen = self._seen.setdefault(model, _Seen())
        seen.lost += lost
        seen.lost_bytes += lost * size
        if entry["usage"] is None:
            return
        usage = Usage(**entry["usage"])
        self._paid[model] = self._paid.get(model, Usage()) + usage
        if size:
            share = Fraction(usage.prompt_tokens, size)
            seen.share = max(share, seen.share) if seen.replies else share
            longest = usage.completion_tokens
            seen.longest = max(longest, seen.longest) if seen.replies else longest
            seen.replies += 1
            seen.bytes += size


def _entry(raw: bytes, store: ReplyCache | None) -> Any:
    """Return what is written down of a request.

    Raises:
        UnavailableError: no run wrote that.
    """
    try:
        found = jsontext.decode(raw)
        if {"model", "size", "lost", "reply", "usage"} <= found.keys():
            return found
    except (ValueError, AttributeError):
        pass
    place = "" if store is None else f"{store.path} "
    raise UnavailableError(f"{place}holds what no run wrote; --restart drops it")


class _Turn:
    """A request of a row that waits for its turn, in an event loop of its own."""

    def __init__(self, loop: asyncio.AbstractEventLoop, row: int) -> None:
        self._loop = loop
        self.row = row
        self._waiter: asyncio.Future[None] | None = None

    def wait(self) -> asyncio.Future[None]:
        """Return what comes to its end with the next call; in its loop."""
        self._waiter = self._loop.create_future()
        return self._waiter

    def call(self) -> None:
        """Have it look again, from any thread."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            with contextlib.suppress(RuntimeError):  # Its loop was closed, and it with that.
                self._loop.call_soon_threadsafe(_let_go, waiter)


def _let_go(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _usage(prompt: int, completion: int) -> Usage:
    return Usage(prompt, completion, prompt + completion)


def _count(models: dict[str, Usage]) -> int:
    return sum(map(_tokens, models.values()))


def _tokens(usage: Usage) -> int:
    return max(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens)
