"""Which rows have spans, and what these tell."""

from __future__ import annotations

from typing import Any

import pytest

from graders.calls import ChatCall, ChatError, ChatReply, Sending
from graders.grade import Failure, Usage
from graders.grading.runner import Graded
from graders.rows import Chunk
from graders.sample import Absent
from graders.tracing import Rule, row_spans

SECRET = "the text of a row"


def chunk(*rewards: float | None, **more: Any) -> tuple[Chunk, Graded]:
    count = len(rewards)
    failures: dict[int, tuple[Failure, ...]] = {
        row: (Failure("other_error", f"{SECRET} is bad"),)
        for row, one in enumerate(rewards)
        if one is None
    }
    rows = Chunk([{"q": SECRET}] * count, [SECRET] * count, [SECRET] * count, indexes=range(count))
    return rows, Graded("g", "multi", [*rewards], {"a": [*rewards]}, failures, **more)


def test_ten_million_rows_have_a_few_thousand_spans_and_the_first_have_all() -> None:
    rule = Rule(rows=1000)
    drawn = [index for index in range(0, 10_000_000, 10) if rule.draws(index)]
    assert sum(map(rule.draws, range(1000))) == 1000
    assert len(drawn) == 100 + 4 * 900
    assert not any(rule.draws(index) for index in range(1001, 1010))
    assert rule.draws(1010)
    assert not Rule(rows=0).draws(0)
    assert Rule(rows=2, first=7_000_000).draws(7_000_001)


def test_a_row_tells_scores_and_codes_and_no_text_of_it() -> None:
    good, bad = row_spans(*chunk(0.5, None), Rule(), 10, 20)
    assert (good.name, good.began, good.ended, good.failed) == ("graders.row", 10, 20, "")
    assert good.attributes == {
        "graders.row.index": 0, "graders.reward": 0.5, "graders.sub_reward.a": 0.5,
    }  # fmt: skip
    assert [(one["gen_ai.evaluation.name"], one["gen_ai.evaluation.score.value"]) for _, one in good.events] == [
        ("a", 0.5), ("g", 0.5),
    ]  # fmt: skip
    assert bad.failed == "other_error"
    assert bad.attributes["graders.failures"] == ["other_error"]
    assert "graders.reward" not in bad.attributes
    assert SECRET not in repr([good, bad])


def test_texts_are_told_where_they_are_asked_for_and_cut_where_they_are_long() -> None:
    rows, graded = chunk(0.5, None)
    rows.items[0] = {"q": "x" * 100_000}
    rows.items[1] = Absent("there is none")
    rows.samples[0] = "a lone \ud83d surrogate"
    good, bad = row_spans(rows, graded, Rule(texts=True), 10, 20)
    assert len(good.attributes["graders.item"]) == 16_001
    assert good.attributes["graders.sample"] == "a lone ? surrogate"
    assert good.attributes["graders.row.id"] == SECRET
    assert "graders.item" not in bad.attributes
    assert SECRET in bad.attributes["graders.failure"]


def test_of_rows_that_fail_as_many_have_a_span_as_of_those_that_are_drawn() -> None:
    found = row_spans(*chunk(*[None] * 50), Rule(rows=4), 1, 2)
    drawn = [one.attributes["graders.row.index"] for one in found if one.drawn]
    assert drawn == [0, 1, 2, 3, 10, 20, 30]
    assert [one.attributes["graders.row.index"] for one in found if not one.drawn] == [4, 5, 6, 7]


def judged(sending: Sending | None, error: ChatError | None = None) -> Any:
    call = ChatCall(
        "asked", [[{"role": "user", "content": SECRET}]], "n", {}, rows=[0], repeats=[2], judge="j",
    )  # fmt: skip
    reply = ChatReply(
        SECRET, error, Usage(10, 5, 15, 3), "answered-1", cached=sending is None, sending=sending
    )
    rows, graded = chunk(1.0, asked=[(call, [reply])])
    return lambda **rule: row_spans(rows, graded, Rule(**rule), 1, 900)[0]


HOW = Sending(100, 300, "https://api.openai.com/v1", "openai", "gpt-x", {"temperature": 0.5, "max_completion_tokens": 9})  # fmt: skip


def test_a_judge_call_follows_the_conventions_of_genai_clients() -> None:
    row = judged(HOW)()
    (call,) = row.inner
    assert (row.began, row.ended) == (call.began, call.ended) == (100, 300)
    assert (call.name, call.kind) == ("chat gpt-x", "client")
    assert call.attributes == {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-x", "gen_ai.response.model": "answered-1",
        "gen_ai.request.temperature": 0.5, "gen_ai.request.max_tokens": 9,
        "gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5,
        "gen_ai.usage.cache_read.input_tokens": 3, "gen_ai.output.type": "json",
        "server.address": "api.openai.com", "server.port": 443,
        "graders.judge.cached": False, "graders.judge.name": "j", "graders.judge.repeat": 2,
    }  # fmt: skip
    assert SECRET not in repr(row)


def test_a_kept_reply_took_no_tokens_and_no_time() -> None:
    (call,) = judged(None)().inner
    assert call.began == call.ended == 1
    assert call.attributes["graders.judge.cached"] is True
    assert not any("usage" in name or "server" in name for name in call.attributes)


def test_messages_are_told_where_texts_are_asked_for() -> None:
    (call,) = judged(HOW, ChatError("length", "too long"))(texts=True).inner
    assert call.failed == call.attributes["error.type"] == "length"
    assert call.attributes["gen_ai.response.finish_reasons"] == ["length"]
    assert call.attributes["gen_ai.input.messages"] == (
        f'[{{"role": "user", "parts": [{{"type": "text", "content": "{SECRET}"}}]}}]'
    )
    assert '"finish_reason": "length"' in call.attributes["gen_ai.output.messages"]


def test_of_a_picture_it_is_told_that_it_was_there() -> None:
    content = [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": "data:AAAA"}},
    ]
    call = ChatCall("m", [[{"role": "user", "content": content}]], "n", {}, rows=[0])
    rows, graded = chunk(1.0, asked=[(call, [ChatReply("{}", sending=HOW)])])
    (found,) = row_spans(rows, graded, Rule(texts=True), 1, 2)[0].inner
    assert '{"type": "image_url"}' in found.attributes["gen_ai.input.messages"]
    assert "AAAA" not in repr(found)


@pytest.mark.parametrize(
    ("server", "kind", "provider", "port"),
    [
        ("http://127.0.0.1:8080/v1", "other", "127.0.0.1", 8080),
        ("https://x.openai.azure.com/openai", "azure", "azure.ai.openai", 443),
        ("weird://", "other", "other", None),
    ],
)
def test_a_server_is_told_without_its_path(
    server: str, kind: str, provider: str, port: int | None
) -> None:
    (call,) = judged(Sending(1, 2, server, kind, "m", {}))().inner
    assert call.attributes["gen_ai.provider.name"] == provider
    assert call.attributes.get("server.port") == port
