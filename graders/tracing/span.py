"""What is told of rows and judge calls, as plain data; no OpenTelemetry here.

Judge calls follow the semantic conventions for GenAI clients, scores the event of evaluation results
(opentelemetry.io/docs/specs/semconv/gen-ai, 1.38 and later). What is ours is named `graders.*`.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from graders import jsontext
from graders.calls import ChatCall, ChatReply, Sending
from graders.grade import Failure
from graders.grading.runner import Graded
from graders.rows import Chunk
from graders.sample import Absent

__all__ = ["Rule", "Span", "Within", "collecting", "here", "row_spans"]

_LONGEST: Final = 16_000
"""Characters of a text; collectors refuse what is much longer."""
_PROVIDERS: Final = {"openai": "openai", "azure": "azure.ai.openai", "local": "graders"}
_SENT: Final = {
    "temperature": "temperature", "top_p": "top_p", "max_completion_tokens": "max_tokens",
    "max_tokens": "max_tokens", "seed": "seed",
}  # fmt: skip
_FINISHED: Final = {"length": "length", "refused": "content_filter"}
_RESULT: Final = "gen_ai.evaluation.result"
_INDEX: Final = "graders.row.index"

Attributes = Mapping[str, Any]
Asked = tuple[ChatCall, ChatReply, int]


@dataclass(frozen=True, slots=True)
class Span:
    """A span that is over.

    Attributes:
        name: what it is called.
        began: when, in nanoseconds since 1970.
        ended: when it ended.
        attributes: what is told of it: texts, numbers and truth values.
        kind: `client` for what was asked of a server, `server` for what was answered as one.
        events: what happened in it: name and attributes each, at its end.
        failed: why it failed, in a word; "" where it did not.
        inner: spans within it.
        drawn: whether the rule draws it; else it is there because it failed.
    """

    name: str
    began: int
    ended: int
    attributes: Attributes
    kind: Literal["internal", "client", "server"] = "internal"
    events: tuple[tuple[str, Attributes], ...] = ()
    failed: str = ""
    inner: tuple[Span, ...] = ()
    drawn: bool = True

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Span:
        """Return the span that `dataclasses.asdict` made an object of, which may have been JSON since."""
        events = tuple((name, attributes) for name, attributes in body["events"])
        return cls(**{**body, "events": events, "inner": tuple(map(cls.of, body["inner"]))})


@dataclass(frozen=True, slots=True)
class Rule:
    """Which rows have spans, and what these tell.

    Every one of the first `rows` has, of the next nine times as many each tenth, then each hundredth, and so
    on: 10 million rows have some 4.6 times `rows`. It is known from the index alone, so that workers need not agree.

    Attributes:
        rows: how many have one before they become rarer; of failed rows as many have one besides. 0 for none.
        texts: whether texts of rows, messages and replies are told.
        first: the index of the first row.
    """

    rows: int = 1000
    texts: bool = False
    first: int = 0

    def draws(self, index: int) -> bool:
        """Whether the row of an index has a span."""
        at, each, edge = max(index - self.first, 0), 1, self.rows
        if not edge:
            return False
        while at >= edge:
            each, edge = each * 10, edge * 10
        return at % each == 0


@dataclass(frozen=True, slots=True)
class Within:
    """What rows are graded within: a request to a server, a run of an eval, a job.

    Attributes:
        rule: which rows have spans.
        take: is given these.
        rows: what each row is told to be, its `graders.row.index` among it; () where they are counted from 0.
    """

    rule: Rule
    take: Callable[[list[Span]], None]
    rows: Sequence[Attributes] = ()


_WITHIN: Final[ContextVar[Within | None]] = ContextVar("graders_tracing_within", default=None)


def here() -> Within | None:
    """Return what this thread's rows are graded within; None where nobody collects their spans."""
    return _WITHIN.get()


@contextmanager
def collecting(within: Within) -> Iterator[None]:
    """Let the rows that this thread grades meanwhile have their spans collected."""
    token = _WITHIN.set(within)
    try:
        yield
    finally:
        _WITHIN.reset(token)


def row_spans(  # noqa: PLR0917
    chunk: Chunk, graded: Graded, rule: Rule, began: int, ended: int,
    named: Sequence[Attributes] = (),
) -> list[Span]:  # fmt: skip
    """Return the spans of a graded chunk's rows that have one.

    Rows are graded in columns: one lasts from the chunk's begin to its end, or as long as its judges were asked.

    Args:
        chunk: the rows.
        graded: their grades.
        rule: says which have spans.
        began: when grading began, in nanoseconds since 1970.
        ended: when it ended.
        named: what each row is told to be, where the chunk does not know it.
    """
    indexes = chunk.indexes or range(len(graded.rewards))
    named = named or [{_INDEX: index} for index in indexes]
    wanted = {row: True for row, one in enumerate(named) if rule.draws(one[_INDEX])}
    others = (row for row in sorted(graded.failures) if row not in wanted)
    wanted |= dict.fromkeys(islice(others, rule.rows), False)
    if not wanted:
        return []
    asked: defaultdict[int, list[Asked]] = defaultdict(list)
    places = {indexes[row]: row for row in wanted}
    for call, replies in graded.asked:
        for at, (index, reply) in enumerate(zip(call.rows, replies, strict=True)):
            if index in places:
                asked[places[index]].append((call, reply, at))
    return [
        _row_span(chunk, graded, row, named[row], asked[row], rule, (began, ended), drawn=drawn)
        for row, drawn in sorted(wanted.items())
    ]


def _row_span(  # noqa: PLR0917
    chunk: Chunk, graded: Graded, row: int, named: Attributes, asked: Sequence[Asked], rule: Rule,
    times: tuple[int, int], *, drawn: bool,
) -> Span:  # fmt: skip
    failures = graded.failures.get(row, ())
    scores = {key: column[row] for key, column in graded.sub_rewards.items()}
    reward = None if failures else graded.rewards[row]
    told: dict[str, Any] = {**named}
    if reward is not None:
        told["graders.reward"] = float(reward)
    told |= {f"graders.sub_reward.{key}": one for key, one in scores.items() if one is not None}
    replaced = graded.replaced.get(row, ())
    if replaced:
        told["graders.replaced"] = [one.code for one in replaced]
    spent = {key: one.seconds for key, column in graded.replies.items() if (one := column[row])}
    told |= {f"graders.python_seconds.{key}" if key else "graders.python_seconds": one
             for key, one in spent.items()}  # fmt: skip
    if rule.texts:
        told |= _row_texts(chunk, row, failures or replaced)
    if failures:
        told["error.type"] = failures[0].code
        told["graders.failures"] = [f"{one.code} in {one.where}" if one.where else one.code
                                    for one in failures]  # fmt: skip
    sent = [reply.sending for _, reply, _ in asked if reply.sending is not None]
    if sent and not graded.replies:
        times = min(one.began for one in sent), max(one.ended for one in sent)
    results = [(key, one) for key, one in scores.items() if one is not None]
    results += [(graded.name, reward)] if reward is not None else []
    events = [
        (_RESULT, {"gen_ai.evaluation.name": key, "gen_ai.evaluation.score.value": float(one)})
        for key, one in results
    ]
    inner = tuple(_call_span(*one, rule, times[0]) for one in asked)
    codes = ", ".join(dict.fromkeys(one.code for one in failures))
    return Span(
        "graders.row", *times, told, events=tuple(events), failed=codes, inner=inner, drawn=drawn
    )


def _row_texts(chunk: Chunk, row: int, failures: Sequence[Failure]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    if chunk.ids[row] is not None:
        told["graders.row.id"] = _text(chunk.ids[row])
    for name, column in (("item", chunk.items), ("sample", chunk.samples)):
        if column and not isinstance(column[row], Absent):
            told[f"graders.{name}"] = _text(column[row])
    if failures:
        told["graders.failure"] = _cut(str(failures[0]))
    return told


def _call_span(call: ChatCall, reply: ChatReply, at: int, rule: Rule, moment: int) -> Span:
    """Return the span of one question to a judge; of a kept reply, which took no time and no tokens."""
    sending = reply.sending
    model = call.model if sending is None else sending.model
    told: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": model,
        "gen_ai.output.type": "json" if reply.enforced else "text",
        "graders.judge.cached": sending is None,
        "graders.judge.repeat": call.repeats[at] if call.repeats else 0,
    }
    if call.judge:
        told["graders.judge.name"] = call.judge
    if reply.model:
        told["gen_ai.response.model"] = reply.model
    if sending is not None:
        told |= _sent(sending)
        if reply.usage is not None:
            told["gen_ai.usage.input_tokens"] = reply.usage.prompt_tokens
            told["gen_ai.usage.output_tokens"] = reply.usage.completion_tokens
            if reply.usage.cached_tokens:
                told["gen_ai.usage.cache_read.input_tokens"] = reply.usage.cached_tokens
    failed = ""
    if reply.error is not None:
        failed = told["error.type"] = reply.error.kind
        if failed in _FINISHED:
            told["gen_ai.response.finish_reasons"] = [_FINISHED[failed]]
    if rule.texts:
        told |= _call_texts(call.messages[at], reply)
    began, ended = (moment, moment) if sending is None else (sending.began, sending.ended)
    return Span(f"chat {model}", began, ended, told, kind="client", failed=failed)


def _sent(sending: Sending) -> dict[str, Any]:
    place = urlsplit(sending.server)
    host = place.hostname or ""
    told: dict[str, Any] = {"gen_ai.provider.name": _PROVIDERS.get(sending.kind, host or "other")}
    if host:
        told["server.address"] = host
        told["server.port"] = place.port or (443 if place.scheme == "https" else 80)
    told |= {
        f"gen_ai.request.{name}": sending.params[sent]
        for sent, name in _SENT.items()
        if isinstance(sending.params.get(sent), int | float)
    }
    return told


def _call_texts(messages: Sequence[Mapping[str, Any]], reply: ChatReply) -> dict[str, Any]:
    asked = [{"role": one["role"], "parts": _parts(one["content"])} for one in messages]
    kind = "" if reply.error is None else reply.error.kind
    answer = {
        "role": "assistant", "parts": _parts(reply.text),
        "finish_reason": _FINISHED.get(kind, "error" if kind else "stop"),
    }  # fmt: skip
    told: dict[str, Any] = {
        "gen_ai.input.messages": json.dumps(asked, ensure_ascii=False),
        "gen_ai.output.messages": json.dumps([answer], ensure_ascii=False),
    }
    if reply.error is not None:
        told["error.message"] = _cut(reply.error.message)
    return told


def _parts(content: Any) -> list[dict[str, Any]]:
    """Return a message's parts; of pictures and sound that they were there."""
    if isinstance(content, str):
        return [{"type": "text", "content": _cut(content)}]
    return [
        {"type": "text", "content": _cut(one["text"])} if one.get("type") == "text"
        else {"type": str(one.get("type"))}
        for one in content
    ]  # fmt: skip


def _text(value: Any) -> str:
    return _cut(value if isinstance(value, str) else jsontext.encode(value).decode())


def _cut(text: str) -> str:
    whole = text.encode(errors="replace").decode()  # A lone surrogate cannot be sent.
    return whole if len(whole) <= _LONGEST else f"{whole[:_LONGEST]}…"
