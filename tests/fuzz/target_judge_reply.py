"""What model servers answer: a score, a vector or a sample, or else a failure in one clean sentence.

Everything is read as in a run but for the socket: client, wire, decoding, reading, settling.
Input: a byte for the status, a byte for who asks and the content encoding, header lines up to 0xFF,
and the body.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import math
import zlib
from typing import Any, Final

import httpx2

from graders import jsontext
from graders.calls import ChatCall, ChatReply
from graders.evals.answer import read_answer, shown_sample
from graders.kinds import LabelModel, Rows, ScoreModel, judge, kind_of
from graders.models import JudgeOptions, RolloutOptions
from graders.models.client import ChatClient
from graders.models.embedding import EmbedClient
from graders.models.kept import from_bytes, to_bytes
from graders.models.rollout import RESPONSES, Ask, Sampler
from graders.wire.endpoint import ApiKey, ServerAddress
from graders.wire.exchange import Wire
from graders.wire.gate import Gate
from graders.wire.health import Health
from graders.wire.stats import JudgeStats

KEY: Final = "sk-very-secret-0123456789"
URL: Final = "http://127.0.0.1:9/v1"
STATUSES: Final = (200, 400, 422, 500, 201, 204, 302, 401, 404, 429, 501, 503, 101, 599)
ENCODINGS: Final = ("", "gzip", "deflate", "br")
TOKENS = tuple(
    one.encode()
    for one in (
        '{"choices":[{"message":{"content":"', '"}}]}', '{\\"steps\\":[],\\"result\\":', '"usage":{', "null", "true",
        '"prompt_tokens":', '"completion_tokens":', '"total_tokens":', '"prompt_tokens_details":', "1e999", "-1",
        "9" * 401, "0.5", "[[[[[[[[", "]]]]]]]]", '{"a":' * 20, "\\ud800", "\\u0000", '"model":', '"finish_reason":',
        '"length"', '"content_filter"', '"refusal":', '"tool_calls":', '"logprobs":', '"error":', '"message":',
        '"param":', '"code":', '"detail":[{"loc":["body","', '"type":"extra_forbidden"', "unsupported_value",
        "temperature", "max_tokens", "max_completion_tokens", "seed", "Unknown parameter: ", " is not supported",
        "only the default", "must be less than", "instead of", "does not support", "[{'type': 'less_than', 'loc': ('body', 'seed')",
        '{"data":[{"index":0,"embedding":[', '"embedding":"AACAPw=="', "NaN", KEY, KEY.replace("-", "%2D"), "\x1b[2J",
        "<title>", "insufficient_quota", "Loading model", "<think>", "</think>", "```json\n", "\n```", "\ufeff",
        "retry-after: 1e9\n", "content-type: text/html\n", "location: http://x/\n", "set-cookie: a=b\n",
        "\x00\x10", "\x01\x10\xff", '{"output":[{"type":"message","content":[', '"type":"output_text","text":',
        '{"type":"function_call","name":', '"input_tokens":', '"output_tokens":', '"status":"failed"', "max_output_tokens", "ÿ",
    )
)  # fmt: skip

SCORE: Final = ScoreModel.model_validate(
    {"type": "score_model", "name": "j", "model": "m", "range": [0, 1],
     "input": [{"role": "user", "content": "x"}],
     "sampling_params": {"temperature": 0, "seed": 1, "max_completions_tokens": 50}}
)  # fmt: skip
LABEL: Final = LabelModel.model_validate(
    {"type": "label_model", "name": "j", "model": "m", "labels": ["a", "b"], "passing_labels": ["a"],
     "input": [{"role": "user", "content": "x"}]}
)  # fmt: skip
CODES: Final = set(judge.CODE_OF_KIND.values())


class Bench:
    """One wire without a socket; what it is answered is set before each request."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.answer: Any = None
        endpoint = ServerAddress(URL, "", "other", ApiKey(KEY), "bearer")
        self.wire = Wire(
            endpoint, concurrency=4, deadline=0.1, attempts=1, max_reply=1 << 16, pay_once=False,
            stats=JudgeStats(),
        )  # fmt: skip
        self.wire._pools = [httpx2.AsyncClient(transport=httpx2.MockTransport(self._handle))]
        self.endpoint = endpoint

    def _handle(self, _: httpx2.Request) -> httpx2.Response:
        status, headers, body = self.answer
        return httpx2.Response(status, headers=headers, stream=Body(body))

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(asyncio.wait_for(work, 20))

    def fresh(self) -> Wire:
        """Return the wire as if nothing had come over it."""
        self.wire._gate, self.wire._health = Gate(4), Health()
        self.wire._large = asyncio.Semaphore(4)
        return self.wire


class Body(httpx2.AsyncByteStream):
    def __init__(self, body: bytes) -> None:
        self.body = body

    async def __aiter__(self) -> Any:
        for at in range(0, len(self.body), 1000):
            yield self.body[at : at + 1000]


BENCH: list[Bench] = []


def target(data: bytes) -> None:
    bench = BENCH[0] if BENCH else Bench()
    if not BENCH:
        BENCH.append(bench)
    status = STATUSES[data[0] % len(STATUSES)] if data else 200
    mode = data[1] if len(data) > 1 else 0
    lines, mark, body = data[2:].partition(b"\xff")
    if not mark:
        lines, body = b"", data[2:]
    encoding = ENCODINGS[mode // 16 % 4]
    headers = [tuple(line.split(b": ", 1)) for line in lines.split(b"\n") if b": " in line]
    if encoding:
        headers.append((b"content-encoding", encoding.encode()))
        packed = {"gzip": gzip.compress(body), "deflate": zlib.compress(body)}
        body = packed.get(encoding, body)
        if mode & 8:
            body = body[: len(body) // 2] + body[len(body) // 2 + 1 :]
    try:
        httpx2.Response(status, headers=headers)  # type: ignore[arg-type]
    except (ValueError, TypeError):
        headers = []  # No client lets such lines through.
    bench.answer = (status, headers, body)
    _WHO[mode % 8](bench, label=bool(mode % 2))


def _judged(bench: Bench, *, label: bool) -> None:
    config = LABEL if label else SCORE
    kind = kind_of(config)
    call = kind.ask(config, Rows({"input[0].content": ["x"]}, [{}], [{}]), 1)
    assert isinstance(call, ChatCall)
    client = ChatClient(JudgeOptions(base_url=URL, cache="none"))
    client._endpoint, client._wire = bench.endpoint, bench.fresh()
    ((reply,),) = bench.run(client._perform([call]))
    judged = kind.settle(config, [reply], 1)
    (score,) = judged.scores
    assert (score is None) == bool(judged.failures)
    assert score is None or (math.isfinite(score) and 0 <= score <= 1)
    for failure in judged.failures.values():
        assert failure.code in CODES
        _check_text(failure.message)
        json.dumps(failure.to_dict())
    _check_reply(reply)
    stats = jsontext.encode(client.stats.to_dict())
    assert KEY.encode() not in stats
    assert (
        stats
        == json.dumps(client.stats.to_dict(), separators=(",", ":"), ensure_ascii=False).encode()
    )
    assert all(learned.form < 4 for learned in client._learned.values())


def _check_reply(reply: ChatReply) -> None:
    assert KEY not in repr(reply)
    again = from_bytes(to_bytes(reply))
    assert again is not None
    assert (again.text, again.error, again.usage, again.model) == (
        reply.text, reply.error, reply.usage, reply.model
    )  # fmt: skip
    if reply.usage is not None:
        assert all(0 <= count <= 2_000_000_000 for count in reply.usage.to_dict().values())


def _embedded(bench: Bench, *, label: bool) -> None:
    del label
    client = EmbedClient(JudgeOptions(base_url=URL, cache="none"))
    client._endpoint, client._wire = bench.endpoint, bench.fresh()
    found = bench.run(client._perform(["a", "b"]))
    assert set(found) == {"a", "b"}
    vectors = [one.vector for one in found.values() if one.vector is not None]
    assert len({len(one) for one in vectors}) <= 1
    assert all(math.isfinite(number) for one in vectors for number in one)
    for one in found.values():
        assert (one.error is None) == bool(one.vector)
        if one.error is not None:
            _check_text(one.error.message)
            assert KEY not in one.error.details


def _sampled(bench: Bench, *, label: bool) -> None:
    del label
    body = {"messages": [{"role": "user", "content": "x"}], "seed": 1, "reasoning_effort": "low"}
    _told(bench.run(_sampler(bench)._one(bench.fresh(), Ask((0,), body))))


def _evaluated(bench: Bench, *, label: bool) -> None:
    """What runs of evals read: chat completions, or the Responses API, and what items show of it."""
    body: Any = {"input": [{"role": "user", "content": "x"}]}
    ask = Ask((0,), body, RESPONSES) if label else Ask((0,), {"messages": body["input"]})
    found = bench.run(_sampler(bench, read_answer)._one(bench.fresh(), ask))
    _told(found)
    shown = shown_sample(found.sample, model="m", usage=found.usage)
    assert KEY.encode() not in jsontext.encode(shown)
    assert bool(shown["output"]) == (found.sample is not None)


_WHO = (_judged, _judged, _embedded, _sampled, _evaluated, _evaluated, _embedded, _sampled)


def _sampler(bench: Bench, read: Any = None) -> Sampler:
    sampler = Sampler(RolloutOptions(url=URL), "m", read)
    sampler._endpoint = bench.endpoint
    return sampler


def _told(found: Any) -> None:
    assert (found.sample is None) == bool(found.code)
    kept = jsontext.encode(found.to_dict())
    assert KEY.encode() not in kept
    assert type(found).from_dict(jsontext.decode(kept)).sample == found.sample
    if found.code:
        _check_text(found.message)
    else:
        assert type(found.sample["output_text"]) is str


def _check_text(text: str) -> None:
    assert text
    assert len(text) < 5000  # Three hundred characters, each perhaps an escape of twelve.
    assert text.isprintable(), repr(text)
    assert KEY not in text
