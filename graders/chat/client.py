"""The performer of chat calls: cache, form, wire, one after the other, for columns at a time."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final, Self

from graders import jsontext
from graders.calls import ChatCall, ChatError, ChatReply
from graders.chat import request
from graders.chat.cache import ReplyCache, open_cache
from graders.chat.completion import read_completion
from graders.chat.endpoint import Endpoint, resolve
from graders.chat.fault import error_of_status, refused_parameters, refuses_form
from graders.chat.local import LocalServer
from graders.chat.loop import Loop, all_or_none
from graders.chat.option import JudgeOptions
from graders.chat.request import Quirks
from graders.chat.stats import JudgeStats
from graders.chat.wire import Wire, WireError
from graders.grade import Usage

__all__ = ["ChatClient"]

_PATH: Final = "/chat/completions"
_FIRST_SECONDS: Final = 10.0  # How long the others wait to learn from a model's first call.


class ChatClient:
    """Asks judges on one OpenAI-compatible server. Starts nothing before its first call.

    Several threads may ask at the same time.

    Args:
        options: which server, and how.

    Raises:
        OptionError: an option has a value it cannot have.
        UnavailableError: the server needs a key and there is none, or the cache cannot be opened.
    """

    def __init__(self, options: JudgeOptions | None = None) -> None:
        self.options = options or JudgeOptions()
        mode = self.options.cache
        self._endpoint = resolve(
            self.options.base_url,
            self.options.key_file,
            self.options.auth,
            offline=mode == "offline",
        )
        self.stats = JudgeStats(server=self._endpoint.url)
        self._cache: ReplyCache | None = None
        if mode == "offline":
            self._cache = open_cache(self.options.cache_file, read_only=True)
        self._quirks: dict[str, Quirks] = {}
        self._first: dict[str, asyncio.Event] = {}
        self._refreshed: set[bytes] = set()
        self._flying: dict[bytes, asyncio.Future[ChatReply]] = {}
        self._starting = threading.Lock()
        self._opening = asyncio.Lock()
        self._loop: Loop | None = None
        self._wire: Wire | None = None
        self._local: LocalServer | None = None

    def perform(self, call: ChatCall) -> list[ChatReply]:
        """Return one reply an entry, in order.

        Raises:
            UnavailableError: this machine lacks what the server needs.
        """
        return self.perform_many([call])[0]

    def perform_many(self, calls: Sequence[ChatCall]) -> list[list[ChatReply]]:
        """Return one reply an entry, in order, of each call; no call waits for another's end.

        Raises:
            UnavailableError: this machine lacks what the server needs.
        """
        if not any(call.messages for call in calls):
            return [[] for _ in calls]
        if self.options.cache == "offline":
            return [
                [self._recorded(call, index) for index in range(len(call.messages))]
                for call in calls
            ]
        with self._starting:
            if self._loop is None:
                self._loop = Loop("graders-judge")
            loop = self._loop
        return loop.run(self._perform(calls))

    def close(self) -> None:
        """Close connections, the cache, and the local server if there is one."""
        if self._loop is not None:
            self._loop.close(None if self._wire is None else self._wire.close)
            self._loop, self._wire = None, None
        if self._local is not None:
            self._local.close()
            self._local = None
        if self._cache is not None and self.options.cache != "offline":
            self._cache.close()
            self._cache = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # What a request is called, and what is known of it.

    def _prepared(self, call: ChatCall) -> tuple[str, dict[str, Any]]:
        model = self.options.model_map.get(call.model, call.model)
        params, notes = request.sampling(self._endpoint, model, call.sampling)
        for note in notes:
            self.stats.note(note)
        return model, params

    def _key(self, call: ChatCall, index: int, model: str, params: Mapping[str, Any]) -> bytes:
        canonical = {
            "model": model,
            "messages": call.messages[index],
            "schema": call.schema,
            "params": params,
            "form": self.options.reply_form,
        }
        repeat = call.repeats[index] if call.repeats else 0
        return request.key(self._endpoint.url, _PATH, canonical, repeat)

    def _recorded(self, call: ChatCall, index: int) -> ChatReply:
        model, params = self._prepared(call)
        found = self._found(self._key(call, index, model, params), model)
        if found is not None:
            return found
        where = f"{self._cache.path}" if self._cache is not None else "the cache"
        return ChatReply(
            "", ChatError("offline", f"the reply is not in {where}, and --offline asks nobody")
        )

    def _found(self, key: bytes, model: str) -> ChatReply | None:
        if self._cache is None:
            return None
        raw = self._cache.get(key)
        if raw is None:
            self.stats.misses += 1
            return None
        reply = _from_bytes(raw)
        self.stats.hits += 1
        self.stats.count(reply.model or model, reply.usage, saved=True)
        return reply

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
                else Endpoint(local.url, "", "local", self._endpoint.key, "bearer")
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
        prepared = [self._prepared(call) for call in calls]
        keeps = [self._keeps(params, model) for model, params in prepared]
        if any(keeps) and self._cache is None:
            self._cache = open_cache(self.options.cache_file)
        replies: list[dict[int, ChatReply]] = [{} for _ in calls]
        waiting = deque(
            (at, index) for at, call in enumerate(calls) for index in range(len(call.messages))
        )

        async def work() -> None:
            while waiting:
                at, index = waiting.popleft()
                model, params = prepared[at]
                replies[at][index] = await self._one(
                    calls[at], index, model, params, keeps=keeps[at]
                )

        # As many workers as places: each request is made with what the ones before it taught.
        width = min(len(waiting), self.options.concurrency)
        await all_or_none([asyncio.create_task(work()) for _ in range(width)])
        return [[found[index] for index in range(len(found))] for found in replies]

    def _keeps(self, params: Mapping[str, Any], model: str) -> bool:
        mode = self.options.cache
        if mode == "auto":
            return request.cacheable(params, model) or self._endpoint.kind == "local"
        return mode in ("all", "refresh")

    async def _one(
        self, call: ChatCall, index: int, model: str, params: dict[str, Any], *, keeps: bool
    ) -> ChatReply:
        if not keeps or self._cache is None:
            return await self._ask(call, index, model, params, None)
        key = self._key(call, index, model, params)
        if self.options.cache != "refresh" or key in self._refreshed:
            found = self._found(key, model)
            if found is not None:
                return found
        flying = self._flying.get(key)
        if flying is not None:
            # Another row asks the very same: it is paid for once.
            reply = await asyncio.shield(flying)
            self.stats.hits += 1
            self.stats.count(reply.model or model, reply.usage, saved=True)
            return reply
        future: asyncio.Future[ChatReply] = asyncio.get_running_loop().create_future()
        self._flying[key] = future
        try:
            reply = await self._ask(call, index, model, params, key)
            future.set_result(reply)
            if self.options.cache == "refresh":
                self._refreshed.add(key)
            return reply
        finally:
            if not future.done():
                future.cancel()
            del self._flying[key]

    async def _ask(
        self, call: ChatCall, index: int, model: str, params: dict[str, Any], key: bytes | None
    ) -> ChatReply:
        """Ask; alone where it is the first of its model, so that the others learn from it."""
        first = self._first.get(model)
        if first is not None or self._endpoint.first_party:
            if first is not None and not first.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(first.wait(), _FIRST_SECONDS)
            return await self._ask_now(call, index, model, params, key)
        first = self._first[model] = asyncio.Event()
        try:
            return await self._ask_now(call, index, model, params, key)
        finally:
            first.set()

    async def _ask_now(
        self, call: ChatCall, index: int, model: str, params: dict[str, Any], key: bytes | None
    ) -> ChatReply:
        endpoint, wire = self._endpoint, self._wire
        if wire is None:
            raise TypeError("the wire is made before the first request")
        forms = request.forms(endpoint, self.options.reply_form)
        quirks = self._quirks.setdefault(model, Quirks())
        at, confirmed = quirks.form, quirks.confirmed
        first_error: ChatError | None = None
        while True:
            form = forms[at]
            sent = _accepted(params, quirks.dropped)
            body = request.body(
                endpoint, model, call.messages[index], call.schema_name, call.schema, sent, form
            )
            try:
                answer = await wire.post(_PATH, jsontext.encode(body))
            except WireError as failure:
                return ChatReply("", failure.error)
            if answer.status < 300:
                break
            error = error_of_status(answer, endpoint.key)
            first_error = first_error or error
            if refuses_form(answer) and error.kind != "refused":
                if self._drops(quirks, model, refused_parameters(answer, sent)):
                    continue
                if not confirmed and at + 1 < len(forms):
                    at += 1
                    continue
            reply = ChatReply("", error if error.kind == "refused" else first_error)
            self._keep(key, reply)
            return reply
        enforced = form != "text"
        longest = self.options.max_reply // 4  # The rest of a body may be what a model thought.
        reply = read_completion(answer, endpoint.key, longest, enforced=enforced)
        self.stats.count(reply.model or model, reply.usage, saved=False)
        self._learn(quirks, at, len(forms), reply)
        self._keep(key, reply)
        return reply

    def _keep(self, key: bytes | None, reply: ChatReply) -> None:
        """Write a reply down at once: whoever is killed later need not pay for it again."""
        if key is not None and self._cache is not None and _is_answer(reply):
            self._cache.put(key, _to_bytes(reply))

    def _drops(self, quirks: Quirks, model: str, named: set[str]) -> bool:
        """Leave parameters out from now on; whether there were any."""
        for name in sorted(named - {"max_tokens", "max_completion_tokens"}):
            self.stats.note(f"{name} is not sent to {model}: its server takes none")
        quirks.dropped |= named
        return bool(named)

    def _learn(self, quirks: Quirks, at: int, count: int, reply: ChatReply) -> None:
        """Remember the form that worked; leave one that the server takes and then ignores."""
        if reply.error is not None or quirks.confirmed:
            return
        if not reply.enforced or jsontext.bare(reply.text).startswith("{"):
            quirks.form, quirks.confirmed = at, True
        elif self.options.reply_form == "auto" and quirks.form <= at:
            quirks.form = count - 1
            self.stats.note("the server ignores response_format; the shape is asked for in words")


def _accepted(params: Mapping[str, Any], dropped: set[str]) -> dict[str, Any]:
    """Return the parameters a server takes; the cap on tokens goes by either of its names."""
    if "max_completion_tokens" in dropped and "max_completion_tokens" in params:
        params = {**params, "max_tokens": params["max_completion_tokens"]}
    return {name: value for name, value in params.items() if name not in dropped}


def _is_answer(reply: ChatReply) -> bool:
    """Whether a model answered, for better or worse: asking again would be paid again."""
    return reply.error is None or reply.error.kind in ("refused", "length", "empty")


def _to_bytes(reply: ChatReply) -> bytes:
    return jsontext.encode(
        {
            "text": reply.text,
            "error": None
            if reply.error is None
            else [reply.error.kind, reply.error.message, reply.error.details],
            "usage": None if reply.usage is None else reply.usage.to_dict(),
            "model": reply.model,
            "enforced": reply.enforced,
        }
    )


def _from_bytes(raw: bytes) -> ChatReply:
    value = jsontext.decode(raw)
    error, usage = value["error"], value["usage"]
    return ChatReply(
        value["text"],
        None if error is None else ChatError(*error),
        None if usage is None else Usage(**usage),
        value["model"],
        cached=True,
        enforced=value["enforced"],
    )
