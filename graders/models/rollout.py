"""Rollouts from a model: the prompts of rows, asked over the wire that judges are asked over.

A reply is handed on the moment it is there, to be kept: a process that is killed then has not asked
in vain.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final, Self

from graders import jsontext
from graders.models import RolloutOptions
from graders.models.completion import bad_field
from graders.models.request import spoken, words
from graders.wire.answer import HttpAnswer
from graders.wire.endpoint import ApiKey, resolve
from graders.wire.exchange import Wire, WireError
from graders.wire.fault import error_of_status, refused_in
from graders.wire.field import FieldError, message_of, text_of, tokens, typed, usage_of
from graders.wire.loop import Loop, all_or_none
from graders.wire.stats import JudgeStats

__all__ = [
    "CHAT", "RESPONSES", "Ask", "Rollout", "Sampler", "prompt_of", "read_rollout", "seed_of",
    "tokens_of",
]  # fmt: skip

CHAT: Final = "/chat/completions"
RESPONSES: Final = "/responses"
_SPOKEN: Final = {CHAT: "messages", RESPONSES: "input"}
_NO_SUCH_PATH: Final = (404, 405, 501)
_OF_A_ROW: Final = ("tools", "parallel_tool_calls")


@dataclass(frozen=True, slots=True)
class Ask:
    """A sample that is wanted.

    Attributes:
        key: which one; handed back with the reply.
        body: what is sent, without the model.
        path: where it is sent.
        instead: what is sent to `CHAT` where the server has no such path; None for nothing.
    """

    key: tuple[int, ...]
    body: Mapping[str, Any]
    path: str = CHAT
    instead: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Rollout:
    """What asking for a sample once gave.

    Attributes:
        sample: what graders see; None where there is none.
        code: why there is none, as a failure's code; "" where there is one.
        message: why, in one sentence.
        usage: tokens by kind.
        lost: whether the server could not even be reached.
    """

    sample: dict[str, Any] | None
    code: str = ""
    message: str = ""
    usage: Mapping[str, int] = field(default_factory=dict)
    lost: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON."""
        return {
            "sample": self.sample, "code": self.code, "message": self.message,
            "usage": dict(self.usage),
        }  # fmt: skip

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Return what `to_dict` gave."""
        return cls(value["sample"], value["code"], value["message"], value["usage"])


def seed_of(job_seed: int, key: Iterable[int]) -> int:
    """Return the seed of one sample: another one for each, the same each time."""
    text = repr((job_seed, *key)).encode()
    return int.from_bytes(blake2b(text, digest_size=4).digest(), "big") >> 1


def prompt_of(item: Mapping[str, Any], method: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Return what is sent for a row: its messages and tools, and what the method says of answers."""
    body: dict[str, Any] = {"messages": item["messages"], "seed": seed}
    body |= {name: item[name] for name in _OF_A_ROW if item.get(name) is not None}
    form = method.get("response_format")
    if form is not None:
        inner = form.get("json_schema")
        if inner is None:  # Azure's flat form.
            inner = {name: value for name, value in form.items() if name != "type"}
        body["response_format"] = {"type": "json_schema", "json_schema": inner}
    effort = method["hyperparameters"].get("reasoning_effort")
    if effort not in (None, "default"):
        body["reasoning_effort"] = effort
    return body


Reader = Callable[[str, HttpAnswer, ApiKey], Rollout]
"""Gives what a path's answer of status 200 holds."""


class Sampler:
    """Asks a model for samples. Starts nothing before its first call.

    Args:
        options: which server, and how.
        model: the model asked where the options name none.
        read: what an answer of a path gives; by default that of a chat completion.

    Raises:
        OptionError: an option has a value it cannot have.
        UnavailableError: the server needs a key and there is none.
    """

    def __init__(self, options: RolloutOptions, model: str, read: Reader | None = None) -> None:
        self._options = options
        self._read = read or (lambda _, answer, key: read_rollout(answer, key))
        self._lacking: set[str] = set()
        self._model = options.model or model
        self._endpoint = resolve(options.url, options.api_key_file, options.auth)
        self.stats = JudgeStats(server=self._endpoint.url)
        self._refused: frozenset[str] = frozenset()
        self._loop: Loop | None = None
        self._wire: Wire | None = None

    def sample(self, asks: Sequence[Ask], keep: Callable[[tuple[int, ...], Rollout], None]) -> None:
        """Ask for samples, many at a time; `keep` gets each as it arrives, in another thread."""
        if asks:
            if self._loop is None:
                self._loop = Loop("graders-rollouts", self)
            self._loop.run(self._perform(asks, keep))

    async def _perform(
        self, asks: Sequence[Ask], keep: Callable[[tuple[int, ...], Rollout], None]
    ) -> None:
        options = self._options
        if self._wire is None:
            self._wire = Wire(
                self._endpoint,
                concurrency=options.concurrency,
                deadline=options.deadline,
                attempts=options.attempts,
                max_reply=options.max_reply,
                pay_once=False,
                stats=self.stats,
            )
            if self._loop is not None:
                self._loop.at_end(self._wire.close)
        wire, waiting = self._wire, deque(asks)

        async def work() -> None:
            while waiting:
                ask = waiting.popleft()
                keep(ask.key, await self._one(wire, ask))

        width = min(len(asks), options.concurrency)
        await all_or_none([asyncio.create_task(work()) for _ in range(width)])

    async def _one(self, wire: Wire, ask: Ask) -> Rollout:
        key, refused = self._endpoint.key, self._refused
        path, body = ask.path, ask.body
        while True:
            if path in self._lacking and ask.instead is not None:
                path, body = CHAT, ask.instead
            sent = {name: value for name, value in body.items() if name not in refused}
            spoken_as = _SPOKEN[path]
            sent |= {"model": self._model, spoken_as: spoken(self._endpoint, sent[spoken_as])}
            try:
                answer = await wire.post(path, jsontext.encode(sent))
            except WireError as failure:
                lost = failure.error.kind == "unreachable"
                return Rollout(None, "rollout_error", failure.error.message, lost=lost)
            if answer.status < 300:
                self._refused |= refused  # It answers without them.
                return self._read(path, answer, key)
            if answer.status in _NO_SUCH_PATH and path != CHAT and ask.instead is not None:
                self._lacking.add(path)
                continue
            told = refused_in(answer, sent, words([sent[spoken_as], sent.get("tools")]))
            if answer.status not in (400, 422) or not told.unknown:
                return Rollout(None, "rollout_error", error_of_status(answer, key).message)
            refused |= told.unknown

    def close(self) -> None:
        """Close the connections."""
        if self._loop is not None:
            self._loop.close()
            self._loop, self._wire = None, None


def read_rollout(answer: HttpAnswer, key: ApiKey) -> Rollout:
    """Return the sample in an answer of status 200.

    A refusal is what the model said. An answer cut off at its limit of tokens is none, nor is one
    that has a field which is not what it has to be.
    """
    usage: Mapping[str, int] = {}
    says = "the server's answer is no chat completion with choices"
    try:
        value = answer.read()
        usage = tokens_of(value)
        found = message_of(value) if isinstance(value, dict) else None
    except FieldError as fault:
        return Rollout(None, "rollout_error", bad_field(fault, key, "").message, usage)
    except ValueError:
        found = None
    if found is None:
        return Rollout(None, "rollout_error", says, usage)
    choice, said = found
    finish = choice.get("finish_reason")
    if finish == "length":
        says = "the model reached its limit of tokens before it ended its answer"
        return Rollout(None, "truncated_observation_error", says, usage)
    if finish == "content_filter":
        says = "the server's filter cut the model's answer off"
        return Rollout(None, "rollout_error", says, usage)
    sample: dict[str, Any] = {"output_text": text_of(said) or said.get("refusal") or ""}
    if said.get("tool_calls"):
        sample["output_tools"] = said["tool_calls"]
    if isinstance(said.get("audio"), dict):
        sample["output_audio"] = said["audio"]
    try:
        text = jsontext.encode(sample).decode()
    except TypeError:
        says = "the model's answer holds a number that is longer than a number can be"
        return Rollout(None, "rollout_error", says, usage)
    return Rollout(jsontext.decode(key.redact(text)), usage=usage)


def tokens_of(value: Any) -> dict[str, int]:
    """Return the tokens that a chat completion says it took, by kind; {} where it does not say.

    Raises:
        FieldError: a count is none.
    """
    usage = usage_of(value)
    if usage is None:
        return {}
    place = "usage.completion_tokens_details"
    details = typed(value["usage"], place.partition(".")[2], "usage.", "an object", dict) or {}
    found = {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "cached_tokens": usage.cached_tokens,
    }
    if details.get("reasoning_tokens") is None:
        return found
    return {**found, "reasoning_tokens": tokens(details, "reasoning_tokens", f"{place}.")}
