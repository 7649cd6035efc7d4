"""Nothing crosses between graders: on a shared client each has the requests and replies it has alone."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graders.calls import ChatCall, ChatReply
from graders.chat import JudgeOptions
from graders.chat.client import ChatClient
from tests.chat.server import Asked, Told, completion, error

# What each model's server does not take; the graders below differ in parameters, schema or messages.


def refusal(body: dict[str, Any]) -> Told | None:
    model, temperature = body["model"], body.get("temperature")
    said: dict[str, Any] = {}
    if model == "range" and (temperature or 0) > 1:
        said = {"message": "Invalid 'temperature': decimal above maximum value. Expected a value <= 1.",
                "param": "temperature", "code": "decimal_above_max_value"}  # fmt: skip
    elif model == "range" and body.get("max_tokens", 0) > 16384:
        said = {"message": "max_tokens is too large: 1000000. This model supports at most 16384",
                "param": "max_tokens", "code": None}  # fmt: skip
    elif model == "fixed" and temperature not in (None, 1):
        said = {"message": f"Unsupported value: 'temperature' does not support {temperature} with this model. "
                "Only the default (1) value is supported.", "param": "temperature", "code": "unsupported_value"}  # fmt: skip
    elif model == "old" and "seed" in body:
        said = {"message": "Unrecognized request argument supplied: seed"}
    elif model == "old" and "maxLength" in json.dumps(body.get("response_format")):
        said = {"message": "maxLength is no keyword of ours"}
    elif model == "plain" and "enum" in json.dumps(body.get("response_format")):
        said = {"message": "enum is not possible in response_format"}
    elif model == "strict" and "top_p" in body:
        detail = [
            {
                "type": "extra_forbidden",
                "loc": ["body", "top_p"],
                "msg": "Extra inputs are not permitted",
            }
        ]
        return Told(422, json.dumps({"detail": detail}).encode())
    if not said:
        return None
    return Told(400, json.dumps({"error": {"type": "invalid_request_error", **said}}).encode())


def script(asked: Asked, _: int) -> Told:
    told = refusal(asked.body)
    if told is not None:
        return told
    # What comes back is made from all that was sent: a reply to another request would be seen.
    sent = {name: value for name, value in asked.body.items() if name != "messages"}
    text = asked.body["messages"][-1]["content"]
    if asked.body["model"] == "prose" and "response_format" in asked.body:
        return completion("It is about half right.")
    return completion(json.dumps({"steps": [], "result": 0.5, "sent": sent, "text": text}))


NUMBER = {"type": "object", "properties": {"result": {"type": "number"}, "why": {"type": "string"}}}
LABEL = {"type": "object", "properties": {"result": {"enum": ["a", "b"]}}}
SAMPLING: list[dict[str, Any]] = [
    {}, {"temperature": 0}, {"temperature": 2}, {"temperature": 0, "seed": 1},
    {"temperature": 0.5, "top_p": 0.9}, {"temperature": 0, "max_completions_tokens": 1_000_000},
    {"seed": 7, "max_completions_tokens": 100},
]  # fmt: skip
GRADERS = [
    (model, schema, sampling)
    for model in ("range", "fixed", "old", "plain", "strict", "prose")
    for schema in (NUMBER, LABEL)
    for sampling in SAMPLING
]


def call(grader: int, rows: list[int]) -> ChatCall:
    model, schema, sampling = GRADERS[grader]
    messages = [[{"role": "user", "content": f"grader {grader} row {row}"}] for row in rows]
    return ChatCall(model, messages, "v", schema, sampling, grader=f"{grader}")


def seen(replies: list[ChatReply]) -> list[Any]:
    return [(one.text, one.error, one.enforced, one.model) for one in replies]


def bodies(server: Any) -> dict[str, list[str]]:
    """Return what was asked, by the last message."""
    found = defaultdict(list)
    for one in server.asked:
        found[one.body["messages"][-1]["content"]].append(json.dumps(one.body, sort_keys=True))
    return found


def options(server: Any, **more: Any) -> JudgeOptions:
    return JudgeOptions(
        base_url=server.url, attempts=1, **{"cache": "none", "concurrency": 1, **more}
    )


def alone(
    serve: Any, mix: list[tuple[int, int]], **more: Any
) -> tuple[dict[Any, Any], dict[str, list[str]]]:
    """Return replies and requests of each grader's rows, asked on a client of its own."""
    replies: dict[Any, Any] = {}
    requests: dict[str, list[str]] = {}
    for grader in dict.fromkeys(grader for grader, _ in mix):
        server = serve(script)
        rows = [row for one, row in mix if one == grader]
        with ChatClient(options(server, **more)) as client:
            for row in rows:
                (reply,) = seen(client.perform(call(grader, [row])))
                replies[grader, row] = reply
        requests |= bodies(server)
        server.stop()
    return replies, requests


MIXES = st.lists(
    st.tuples(st.integers(0, len(GRADERS) - 1), st.integers(0, 3)), min_size=2, max_size=10, unique=True
)  # fmt: skip
SETTINGS = settings(
    max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), database=None
)


@given(mix=MIXES)
@SETTINGS
def test_in_any_order_each_grader_has_the_requests_and_replies_it_has_alone(serve, mix):
    expected, requests = alone(serve, mix)
    server = serve(script)
    with ChatClient(options(server)) as client:
        found = {(grader, row): seen(client.perform(call(grader, [row])))[0] for grader, row in mix}
    assert found == expected
    assert bodies(server) == requests
    server.stop()


@given(mix=MIXES)
@SETTINGS
def test_at_the_same_time_from_several_threads_too(serve, mix):
    expected, requests = alone(serve, mix)
    by_grader: dict[int, list[int]] = defaultdict(list)
    for grader, row in mix:
        by_grader[grader].append(row)
    server = serve(script)
    together = threading.Barrier(len(by_grader))
    with ChatClient(options(server, concurrency=8)) as client:

        def ask(grader: int) -> list[tuple[Any, Any]]:
            together.wait(60)
            return [
                ((grader, row), seen(client.perform(call(grader, [row])))[0])
                for row in by_grader[grader]
            ]

        with ThreadPoolExecutor(len(by_grader)) as threads:
            found = dict(one for some in threads.map(ask, by_grader) for one in some)
    assert found == expected
    assert bodies(server) == requests
    server.stop()


@given(mix=MIXES)
@SETTINGS
@pytest.mark.parametrize("cache", ["auto", "all"])
def test_a_shared_cache_gives_no_reply_to_what_was_not_sent(serve, tmp_path_factory, cache, mix):
    expected, _ = alone(serve, mix)
    file = tmp_path_factory.mktemp("c") / "c.sqlite"
    server = serve(script)
    for mode in (cache, cache, "offline"):
        with ChatClient(options(server, cache=mode, cache_file=file)) as client:
            for grader, row in mix:
                (reply,) = client.perform(call(grader, [row]))
                if mode == "offline" and (
                    reply.error is not None and reply.error.kind == "offline"
                ):
                    wanted = expected[grader, row][1]
                    kept = wanted is None and cache == "all"
                    assert not kept, (grader, row)
                elif expected[grader, row][0] != "It is about half right." and not reply.cached:
                    assert seen([reply]) == [expected[grader, row]]
                if reply.cached and reply.error is None and reply.text.startswith("{"):
                    # Made from what was sent, which is what this grader sends alone.
                    assert json.loads(reply.text)["text"] == f"grader {grader} row {row}"
                    assert (
                        json.loads(reply.text)["sent"]
                        == json.loads(expected[grader, row][0])["sent"]
                    )
    server.stop()


# One by one.


def test_a_refused_value_fails_its_rows_and_nothing_else(serve, tmp_path):
    server = serve(script)
    cold, hot = ({"temperature": one, "max_completions_tokens": 100} for one in (0, 2))
    large = {"temperature": 0, "max_completions_tokens": 1_000_000}
    asked = [cold, hot, cold, large, cold]
    with ChatClient(options(server, cache="auto", cache_file=tmp_path / "c")) as client:
        found = [
            client.perform(
                ChatCall("range", [[{"role": "user", "content": f"{n}"}]], "v", NUMBER, one)
            )[0]
            for n, one in enumerate(asked)
        ]
        assert client.stats.notes == []
    assert [one.error is None for one in found] == [True, False, True, False, True]
    assert "Expected a value <= 1" in str(found[1].error)
    assert "at most 16384" in str(found[3].error)
    assert len(server.asked) == 5
    assert [one.body["temperature"] for one in server.asked] == [0, 2, 0, 0, 0]
    assert [one.body["max_tokens"] for one in server.asked] == [100, 100, 100, 1_000_000, 100]


def test_a_reply_without_a_parameter_is_kept_under_what_was_sent_and_replayed(serve, tmp_path):
    file = tmp_path / "c.sqlite"
    server = serve(script)
    refused = ChatCall(
        "fixed", [[{"role": "user", "content": "x"}]] * 2, "v", NUMBER, {"temperature": 0}
    )
    without = ChatCall("fixed", [[{"role": "user", "content": "x"}]], "v", NUMBER, {})
    with ChatClient(options(server, cache="all", cache_file=file)) as client:
        first = client.perform(refused)
        assert [one.cached for one in first] == [False, True]
        assert client.stats.left_out == {"temperature": 2}
        assert client.stats.notes == ["temperature 0 is not sent to fixed: its server refuses it"]
        assert client.perform(without)[0].cached  # The very same was sent.
    asked = len(server.asked)
    for mode in ("all", "offline"):
        with ChatClient(options(server, cache=mode, cache_file=file)) as client:
            assert seen(client.perform(refused)) == seen(first)
            assert client.stats.left_out == {"temperature": 2}
    assert len(server.asked) == asked == 2
    # A server that takes it by now is asked for it where that is wanted, and its reply counts.
    server.script = lambda *_: completion("new")
    for mode in ("refresh", "all", "offline"):
        with ChatClient(options(server, cache=mode, cache_file=file)) as client:
            assert {one.text for one in client.perform(refused)} == {"new"}
            assert client.stats.left_out == {}


def test_what_is_no_longer_sure_is_not_kept_nor_shared(serve, tmp_path):
    server = serve(script)
    equal = ChatCall(
        "fixed", [[{"role": "user", "content": "x"}]] * 5, "v", NUMBER, {"temperature": 0}
    )
    for _ in range(2):
        with ChatClient(
            options(server, cache="auto", cache_file=tmp_path / "c", concurrency=5)
        ) as client:
            assert {one.error for one in client.perform(equal)} == {None}
            assert client.stats.hits == 0
    assert server.answered == 10


def test_a_cap_that_nobody_asked_for_goes_where_it_is_too_large_row_by_row(serve):
    def small(asked, _):
        text = "'max_tokens' or 'max_completion_tokens' is too large: 4096."
        long = "long" in asked.body["messages"][-1]["content"]
        return error(400, text) if long and "max_tokens" in asked.body else completion()

    server = serve(small)
    texts = [[{"role": "user", "content": one}] for one in ("long 1", "short", "long 2")]
    with ChatClient(options(server)) as client:
        assert {one.error for one in client.perform(ChatCall("m", texts, "v", NUMBER, {}))} == {
            None
        }
        assert client.stats.left_out == {"max_completion_tokens": 2, "max_tokens": 2}
        own = ChatCall("m", texts, "v", NUMBER, {"max_completions_tokens": 9})
        assert [one.error is None for one in client.perform(own)] == [False, True, False]
    assert [one.body.get("max_tokens") for one in server.asked] == [
        4096,
        None,
        4096,
        4096,
        None,
        9,
        9,
        9,
    ]


def test_a_row_that_makes_its_server_speak_of_parameters_changes_no_other_request(serve):
    def quotes(asked, _):
        text = asked.body["messages"][-1]["content"]
        return (
            error(400, f"this is not allowed here: {text}") if "Unknown" in text else completion()
        )

    server = serve(quotes)
    texts = [
        [{"role": "user", "content": one}] for one in ("Unknown parameter: 'temperature'", "b")
    ]
    with ChatClient(options(server, reply_form="text")) as client:
        first, second = client.perform(ChatCall("m", texts, "v", NUMBER, {"temperature": 0}))
    assert (first.error is None, second.error) == (False, None)
    assert [one.body["temperature"] for one in server.asked] == [0, 0]
