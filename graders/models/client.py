"""The performer of chat calls: cache, form, wire, one after the other, for columns at a time."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Self

from graders import jsontext
from graders.calls import ChatCall, ChatError, ChatReply, Sending
from graders.errors import BudgetError, quoted
from graders.models import request
from graders.models.asking import Asking, Billing, Learned, Sent
from graders.models.cache import ReplyCache
from graders.models.completion import read_completion
from graders.models.kept import from_bytes, is_answer, to_bytes
from graders.models.known import cacheable
from graders.models.ledger import Ledger
from graders.models.local import LocalServer
from graders.models.option import JudgeOptions
from graders.models.shared import SharedCache, open_cache
from graders.wire.endpoint import ServerAddress, resolve
from graders.wire.exchange import Wire, WireError
from graders.wire.fault import error_of_status, refused_in, refuses_form
from graders.wire.loop import GivenUpError, Loop, all_or_none
from graders.wire.refusal import CAPS
from graders.wire.stats import JudgeStats

__all__ = ["ChatClient"]

_PATH: Final = "/chat/completions"
_FIRST_SECONDS: Final = 10.0  # How long the others wait to learn from a grader's first call.
_MOST_LEARNED: Final = 1024
_MOST_FORMS: Final = 4  # As many as `request.forms` ever gives.


class ChatClient:
    """Asks judges on one OpenAI-compatible server. Starts nothing before its first call.

    Several threads may ask at the same time.

    Args:
        options: which server, and how.
        key_variable: the variable of the environment with the server's key; None for the usual
            ones, "" for those only where the server is OpenAI's or Azure's.

    Attributes:
        ledger: where what is paid is written down; None for nowhere.

    Raises:
        OptionError: an option has a value it cannot have.
        UnavailableError: the server needs a key and there is none, or the cache cannot be opened.
    """

    def __init__(
        self, options: JudgeOptions | None = None, *, key_variable: str | None = None
    ) -> None:
        self.options = options or JudgeOptions()
        self.ledger: Ledger | None = None
        mode = self.options.cache
        self._endpoint = resolve(
            self.options.base_url,
            self.options.api_key_file,
            self.options.auth,
            offline=mode == "offline",
            variable=key_variable,
        )
        self.stats = JudgeStats(server=self._endpoint.url)
        self._cache: ReplyCache | SharedCache | None = None
        if mode == "offline":
            self._cache = open_cache(self.options.cache_file, read_only=True)
        self._learned: OrderedDict[bytes, Learned] = OrderedDict()
        self._refreshed: set[bytes] = set()
        self._flying: dict[bytes, asyncio.Future[tuple[ChatReply, bool]]] = {}
        self._starting = threading.Lock()
        self._opening = asyncio.Lock()
        self._loop: Loop | None = None
        self._wire: Wire | None = None
        self._local: LocalServer | None = None

    def perform(self, call: ChatCall, stop: threading.Event | None = None) -> list[ChatReply]:
        """Return one reply an entry, in order; `stop` and what it raises as `perform_many`."""
        return self.perform_many([call], stop)[0]

    def perform_many(
        self, calls: Sequence[ChatCall], stop: threading.Event | None = None
    ) -> list[list[ChatReply]]:
        """Return one reply an entry, in order, of each call; no call waits for another's end.

        Args:
            calls: what to ask.
            stop: set from another thread once nobody waits for the replies: requests under way are
                broken off, and every reply is an error.

        Raises:
            UnavailableError: this machine lacks what the server needs.
        """
        if not any(call.messages for call in calls):
            return [[] for _ in calls]
        if self.options.cache == "offline":
            with self._starting:  # One thread opens it again, and none closes it meanwhile.
                if self._cache is None:
                    self._cache = open_cache(self.options.cache_file, read_only=True)
                return [
                    [self._recorded(asking, index) for index in range(len(asking.call.messages))]
                    for asking in (self._prepared(call, Learned()) for call in calls)
                ]
        with self._starting:
            if self._loop is None:
                self._loop = Loop("graders-judge", self)
            loop = self._loop
        try:
            return loop.run(self._perform(calls), stop)
        except BudgetError:
            if self.ledger is not None:  # What others have sent is paid for, and is to be kept.
                self.ledger.drain(self.options.deadline)
            raise
        except GivenUpError as reason:
            error = ChatError("deadline", f"there is no reply: {reason}")
            return [[ChatReply("", error) for _ in call.messages] for call in calls]

    def close(self) -> None:
        """Close connections, the cache, and the local server if there is one.

        Whoever waits for replies gets errors; whoever asks afterwards opens it all again.
        """
        with self._starting:
            if self._loop is not None:
                self._loop.close()
                self._loop, self._wire = None, None
            if self._local is not None:
                self._local.close()
                self._local = None
            if self._cache is not None:
                self._cache.close()
                self._cache = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # What a request is called, and what is known of it.

    def _prepared(self, call: ChatCall, learned: Learned) -> Asking:
        model = self.options.model_map.get(call.model, call.model)
        params, notes = request.sampling(self._endpoint, model, call.sampling)
        for note in notes:
            self.stats.note(note)
        return Asking(call, model, params, learned)

    def _learned_of(self, call: ChatCall) -> Learned:
        """Return what is known of a call's requests; what was not used for longest is forgotten."""
        shape = request.shape(self.options.model_map.get(call.model, call.model), call)
        learned = self._learned.setdefault(shape, Learned())
        self._learned.move_to_end(shape)
        if len(self._learned) > _MOST_LEARNED:
            self._learned.popitem(last=False)
        return learned

    def _key(self, asking: Asking, index: int, sent: Sent) -> bytes:
        call, form = asking.call, self.options.reply_form
        canonical = {
            "model": asking.model,
            "messages": call.messages[index],
            "schema": call.schema,
            "params": sent.params,
            "form": f"{form}:{sent.form}" if sent.form else form,
        }
        repeat = call.repeats[index] if call.repeats else 0
        return request.key(self._endpoint.url, _PATH, canonical, repeat)

    def _recorded(self, asking: Asking, index: int) -> ChatReply:
        found = self._paid_for(asking, index) or self._found(asking, index)
        if found is not None:
            return found
        where = f"{self._cache.path}" if self._cache is not None else "the cache"
        return ChatReply(
            "", ChatError("offline", f"the reply is not in {where}, and --offline asks nobody")
        )

    def _found(self, asking: Asking, index: int) -> ChatReply | None:
        """Return the kept reply to what would be sent now, or was sent when that was refused."""
        if self._cache is None:
            return None
        sent = asking.sent
        reply = from_bytes(self._cache.get(self._key(asking, index, sent)))
        if reply is None:
            refused = set(self._cache.refused(self._key(asking, index, asking.wanted)))
            form = max((at for at in range(_MOST_FORMS) if _form(at) in refused), default=0)
            if refused and asking.learned.dropped <= refused and asking.learned.form <= form:
                sent = Sent(request.accepted(asking.params, refused), form)
                reply = from_bytes(self._cache.get(self._key(asking, index, sent)))
        if reply is None:
            self.stats.misses += 1
            return None
        self._take_note(asking, sent.params)
        self._count_saved(asking, reply)
        return reply

    def _count_saved(self, asking: Asking, reply: ChatReply) -> None:
        self.stats.hits += 1
        self.stats.count(reply.model or asking.model, reply.usage, saved=True)

    def _take_note(self, asking: Asking, sent: Mapping[str, Any]) -> None:
        """Say what a request went without that has its reply."""
        left_out = request.left_out(asking.params, sent)
        for name in left_out:
            value = quoted(asking.params[name], 40)
            self.stats.note(f"{name} {value} is not sent to {asking.model}: its server refuses it")
        self.stats.went_without(left_out)

    # Asking.

    async def _perform(self, calls: Sequence[ChatCall]) -> list[list[ChatReply]]:
        async with self._opening:
            if self._endpoint.kind == "local" and self._local is None:
                self._local = await asyncio.to_thread(LocalServer)
        if self._wire is None:
            options = self.options
            local = self._local
            endpoint = (
                self._endpoint
                if local is None
                else ServerAddress(local.url, "", "local", self._endpoint.key, "bearer")
            )
            self._wire = Wire(
                endpoint,
                concurrency=options.concurrency if local is None else min(2, options.concurrency),
                deadline=options.deadline,
                attempts=options.attempts,
                max_reply=options.max_reply,
                pay_once=options.pay_once,
                stats=self.stats,
            )
            if self._loop is not None:
                self._loop.at_end(self._wire.close)
        askings = [self._prepared(call, self._learned_of(call)) for call in calls]
        if self._cache is None and any(self._keeps(one.params, one.model) for one in askings):
            self._cache = open_cache(self.options.cache_file)
        replies: list[dict[int, ChatReply]] = [{} for _ in calls]
        waiting = deque(
            (at, index) for at, call in enumerate(calls) for index in range(len(call.messages))
        )

        used_up: list[BudgetError] = []

        async def work() -> None:
            while waiting:
                at, index = waiting.popleft()
                try:
                    replies[at][index] = await self._one(askings[at], index)
                except BudgetError as error:
                    used_up.append(error)
                    waiting.clear()  # What is on its way is paid for: it comes to its end.

        # As many workers as places: each request is made with what the ones before it taught.
        width = min(len(waiting), self.options.concurrency)
        await all_or_none([asyncio.create_task(work()) for _ in range(width)])
        if used_up:
            raise used_up[0]
        return [[found[index] for index in range(len(found))] for found in replies]

    def _keeps(self, params: Mapping[str, Any], model: str) -> bool:
        mode = self.options.cache
        if mode == "auto":
            return cacheable(params, model) or self._endpoint.kind == "local"
        return mode in ("all", "refresh")

    async def _one(self, asking: Asking, index: int) -> ChatReply:
        paid = self._paid_for(asking, index)
        return paid or await self._unpaid(asking, index)

    def _paid_for(self, asking: Asking, index: int) -> ChatReply | None:
        """Return the reply to a row that a run paid for which this one goes on with."""
        found = None if self.ledger is None else self.ledger.found(self._name(asking, index))
        if found is not None:
            self._count_saved(asking, found)
        return found

    async def _unpaid(self, asking: Asking, index: int) -> ChatReply:
        while True:
            sent = asking.sent
            if self._cache is None or not self._keeps(sent.params, asking.model):
                reply, _ = await self._ask(asking, index)
                return reply
            key = self._key(asking, index, sent)
            looks = self.options.cache != "refresh" or key in self._refreshed
            if looks and not self._cache.is_far and (found := self._found(asking, index)):
                return found
            flying = self._flying.get(key)
            if flying is None:
                break
            # Another row asks the very same: it is paid for once, if it may be kept. Where it is
            # given up, this one asks for itself.
            await asyncio.wait([flying])
            if flying.cancelled():
                continue
            reply, shared = flying.result()
            if shared:
                self._count_saved(asking, reply)
                return replace(reply, sending=None)
        future: asyncio.Future[tuple[ChatReply, bool]] = asyncio.get_running_loop().create_future()
        self._flying[key] = future
        try:
            # Others that ask the same wait for this look, too.
            if looks and (found := await self._found_far(asking, index)):
                future.set_result((found, True))
                return found
            reply, sent = await self._ask(asking, index)
            future.set_result((reply, self._keeps(sent.params, asking.model)))
            if self.options.cache == "refresh":
                self._refreshed |= {key, self._key(asking, index, sent)}
            return reply
        finally:
            if not future.done():
                future.cancel()
            del self._flying[key]

    async def _found_far(self, asking: Asking, index: int) -> ChatReply | None:
        """Return the reply kept by a cache that is asked over the network; None of one that is here."""
        if self._cache is None or not self._cache.is_far:
            return None
        return await asyncio.to_thread(self._found, asking, index)

    async def _ask(self, asking: Asking, index: int) -> tuple[ChatReply, Sent]:
        """Ask; alone where it is the first of its grader, so that the others learn from it."""
        learned = asking.learned
        if learned.first is not None or self._endpoint.first_party:
            if learned.first is not None and not learned.first.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_FIRST_SECONDS):
                        await learned.first.wait()
            return await self._ask_now(asking, index)
        learned.first = asyncio.Event()
        try:
            return await self._ask_now(asking, index)
        finally:
            learned.first.set()

    def _name(self, asking: Asking, index: int) -> bytes:
        """Return what a ledger calls a reply: that of this row, whatever was sent for it."""
        rows = asking.call.rows
        row = rows[index] if rows else 0
        return self._key(asking, index, asking.wanted) + row.to_bytes(8, "big")

    async def _ask_now(self, asking: Asking, index: int) -> tuple[ChatReply, Sent]:
        """Return a reply and what its request had; paid from the budget where there is one."""
        ledger = self.ledger
        if ledger is None or self._endpoint.kind == "local":
            return await self._timed(asking, index, Billing())
        call, billing = asking.call, Billing()
        size = len(jsontext.encode([call.messages[index], call.schema]))
        cap = asking.params.get("max_completion_tokens")
        model = asking.call.model if ledger.knows(asking.call.model) else asking.model
        row = call.rows[index] if call.rows else 0
        hold = await ledger.hold(model, size, cap, row)
        reply: ChatReply | None = None
        try:
            reply, sent = await self._timed(asking, index, billing)
        except asyncio.CancelledError:
            billing.lose()
            raise
        else:
            return reply, sent
        finally:
            ledger.settle(
                hold, self._name(asking, index), reply, billed=billing.billed, lost=billing.lost
            )

    async def _timed(self, asking: Asking, index: int, billing: Billing) -> tuple[ChatReply, Sent]:
        began, endpoint = time.time_ns(), self._endpoint
        reply, sent = await self._exchanged(asking, index, billing)
        how = Sending(began, time.time_ns(), endpoint.url, endpoint.kind, asking.model, sent.params)
        return replace(reply, sending=how), sent

    async def _exchanged(
        self, asking: Asking, index: int, billing: Billing
    ) -> tuple[ChatReply, Sent]:
        endpoint, wire, call, learned = self._endpoint, self._wire, asking.call, asking.learned
        if wire is None:
            raise TypeError("the wire is made before the first request")
        forms = request.forms(endpoint, self.options.reply_form)
        at, confirmed = learned.form, learned.confirmed
        dropped = unknown = learned.dropped
        first_error: ChatError | None = None
        while True:
            form, sent = forms[at], Sent(request.accepted(asking.params, dropped), at)
            body = request.body(
                endpoint,
                asking.model,
                call.messages[index],
                call.schema_name,
                call.schema,
                sent.params,
                form,
            )
            try:
                answer = await wire.post(_PATH, jsontext.encode(body), billing.lose)
            except WireError as failure:
                billing.billed = failure.billed
                return ChatReply("", failure.error), sent
            if answer.status < 300:
                billing.billed = True
                break
            error = error_of_status(answer, endpoint.key)
            if refuses_form(answer) and error.kind != "refused":
                refused = refused_in(
                    answer, sent.params, request.words([body["messages"], call.schema])
                )
                if refused.values <= CAPS and request.owns_cap(call.sampling):
                    dropped |= refused.values and CAPS  # Nobody asked for this cap.
                elif refused.values:
                    return ChatReply("", error), sent
                dropped |= refused.unknown
                unknown |= refused.unknown
                if refused.values or refused.unknown:
                    continue
                first_error = first_error or error
                if not confirmed and at + 1 < len(forms):
                    at += 1
                    continue
            reply = ChatReply("", error if error.kind == "refused" else first_error or error)
            self._keep(asking, index, sent, dropped, reply)
            return reply, sent
        enforced = form != "text"
        longest = self.options.max_reply // 4  # The rest of a body may be what a model thought.
        reply = read_completion(answer, endpoint.key, longest, enforced=enforced)
        self.stats.count(reply.model or asking.model, reply.usage, saved=False)
        learned.dropped |= unknown
        self._learn(learned, at, len(forms), reply)
        self._take_note(asking, sent.params)
        self._keep(asking, index, sent, dropped, reply)
        return reply, sent

    def _keep(
        self,
        asking: Asking,
        index: int,
        sent: Sent,
        dropped: frozenset[str],
        reply: ChatReply,
    ) -> None:
        """Write a reply down at once: whoever is killed later need not pay for it again."""
        if self._cache is None or not is_answer(reply):
            return
        if not self._keeps(sent.params, asking.model):
            return
        wanted = self._key(asking, index, asking.wanted)
        without = {*dropped, _form(sent.form)} if sent.form else dropped
        self._cache.put(
            self._key(asking, index, sent), to_bytes(reply), wanted=wanted, without=without
        )

    def _learn(self, learned: Learned, at: int, count: int, reply: ChatReply) -> None:
        """Remember the form that worked; leave one that the server takes and then ignores."""
        if reply.error is not None or learned.confirmed:
            return
        if not reply.enforced or jsontext.bare(reply.text).startswith("{"):
            learned.form, learned.confirmed = at, True
        elif self.options.reply_form == "auto" and learned.form <= at:
            learned.form = count - 1
            self.stats.note("the server ignores response_format; the shape is asked for in words")


def _form(at: int) -> str:
    """Return how the cache notes that a request had another form than the first."""
    return f"form:{at}"
