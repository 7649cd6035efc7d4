"""Nothing crosses between graders: on a shared client each has the requests and replies it has alone."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graders.calls import ChatCall, ChatError, ChatReply, EmbedCall
from graders.models import JudgeOptions
from graders.models.asking import Learned, Sent
from graders.models.cache import ReplyCache
from graders.models.client import ChatClient
from graders.models.embedding import EmbedClient
from graders.models.shared import SharedCache, open_cache
from tests.models.server import Asked, Told, completion, error
from tests.waiting import PATIENCE, until

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


def alone(serve: Any, graders: set[int]) -> None:
    """Learn what each grader's rows get and send, asked on a client of its own, once a run."""
    for grader in graders - set(ALONE):
        server = serve(script)
        with ChatClient(options(server)) as client:
            replies = [seen(client.perform(call(grader, [row])))[0] for row in range(ROWS)]
        sent = bodies(server)
        ALONE[grader] = [
            (reply, sent[f"grader {grader} row {row}"]) for row, reply in enumerate(replies)
        ]
        server.stop()


ROWS = 3
ALONE: dict[int, list[tuple[Any, list[str]]]] = {}
MIXES = st.lists(st.integers(0, len(GRADERS) - 1), min_size=2, max_size=5, unique=True).flatmap(
    lambda some: st.lists(st.sampled_from(some), min_size=2, max_size=12).filter(
        lambda mix: max(map(mix.count, mix)) <= ROWS
    )
)
"""Graders in the order in which they ask for their next row."""
SETTINGS = settings(
    max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), database=None
)


def numbered(mix: list[int]) -> list[tuple[int, int]]:
    return [(grader, mix[:at].count(grader)) for at, grader in enumerate(mix)]


def check(server: Any, found: dict[tuple[int, int], Any]) -> None:
    asked = bodies(server)
    for (grader, row), reply in found.items():
        assert (reply, asked[f"grader {grader} row {row}"]) == ALONE[grader][row]


@given(mix=MIXES)
@SETTINGS
def test_in_any_order_each_grader_has_the_requests_and_replies_it_has_alone(serve, mix):
    alone(serve, set(mix))
    server = serve(script)
    with ChatClient(options(server)) as client:
        found = {
            (grader, row): seen(client.perform(call(grader, [row])))[0]
            for grader, row in numbered(mix)
        }
    check(server, found)
    server.stop()


@given(mix=MIXES)
@SETTINGS
def test_at_the_same_time_from_several_threads_too(serve, mix):
    alone(serve, set(mix))
    server = serve(script)
    together = threading.Barrier(len(set(mix)))
    with ChatClient(options(server, concurrency=8)) as client:

        def ask(grader: int) -> list[tuple[tuple[int, int], Any]]:
            together.wait(PATIENCE)
            rows = range(mix.count(grader))
            return [((grader, row), seen(client.perform(call(grader, [row])))[0]) for row in rows]

        with ThreadPoolExecutor(len(set(mix))) as threads:
            found = dict(one for some in threads.map(ask, set(mix)) for one in some)
    check(server, found)
    server.stop()


@given(mix=MIXES)
@SETTINGS
@pytest.mark.parametrize("cache", ["all", pytest.param("auto", marks=pytest.mark.more)])
def test_a_shared_cache_gives_no_reply_to_what_was_not_sent(serve, tmp_path_factory, cache, mix):
    alone(serve, set(mix))
    file = tmp_path_factory.mktemp("c") / "c.sqlite"
    open_cache(file).close()  # There is one to replay, also where nothing was kept.
    server = serve(script)
    for mode in (cache, cache, "offline"):
        with ChatClient(options(server, cache=mode, cache_file=file)) as client:
            for grader, row in numbered(mix):
                (reply,) = client.perform(call(grader, [row]))
                wanted = ALONE[grader][row][0]
                if mode == "offline" and not reply.cached:
                    assert wanted[1] is not None or cache == "auto"
                elif GRADERS[grader][0] != "prose":  # What it learns by, it need not ask again.
                    assert seen([reply]) == [wanted]
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


def test_a_reply_in_another_form_is_kept_under_that_form(serve, tmp_path):
    file = tmp_path / "c.sqlite"
    server = serve(script)
    asked = ChatCall("plain", [[{"role": "user", "content": "x"}]], "v", LABEL)
    with ChatClient(options(server, cache="all", cache_file=file)) as client:
        (first,) = client.perform(asked)
    assert [one.body.get("response_format", {}).get("type") for one in server.asked] == [
        "json_schema", "json_schema", "json_object", None,
    ]  # fmt: skip
    with open_cache(file, read_only=True) as cache:
        prepared = client._prepared(asked, Learned())
        assert cache.get(client._key(prepared, 0, prepared.wanted)) is None
        assert cache.get(client._key(prepared, 0, Sent(prepared.wanted.params, 3))) is not None
    for mode in ("all", "offline"):
        with ChatClient(options(server, cache=mode, cache_file=file)) as client:
            assert seen(client.perform(asked)) == seen([first])
    assert len(server.asked) == 4


@pytest.mark.parametrize("cache", ["none", "all"])
def test_a_call_that_is_given_up_ends_at_once_and_costs_no_other_its_reply(serve, tmp_path, cache):
    """Two ask the very same, one of them goes: the other has its reply."""
    held = threading.Event()
    server = serve(lambda *_: Told(body=completion("{}").body, held=lambda: not held.is_set()))
    chosen = options(server, cache=cache, cache_file=tmp_path / "c.sqlite", concurrency=2)
    asked = ChatCall("m", [[{"role": "user", "content": "x"}]], "v", NUMBER)
    stop = threading.Event()
    with ChatClient(chosen) as client, ThreadPoolExecutor(2) as pool:
        going = pool.submit(client.perform, asked, stop)
        until(lambda: len(server.asked) == 1)
        staying = pool.submit(client.perform, asked)
        stop.set()
        (gone,) = going.result(PATIENCE)
        assert gone.error is not None
        assert gone.error.kind == "deadline"
        assert "nobody waits" in gone.error.message
        until(lambda: len(server.asked) == 2 and server.now == 1)  # The other's is under way.
        held.set()
        (reply,) = staying.result(PATIENCE)
        assert reply.error is None
        assert client.perform(asked)[0].cached == (cache == "all")


def test_whoever_waits_when_a_client_is_closed_has_an_error_and_may_ask_again(serve):
    """A program that ends on one thread ends the others' rows with a sentence."""
    held = threading.Event()
    server = serve(lambda *_: Told(body=completion().body, held=lambda: not held.is_set()))
    asked = ChatCall("m", [[{"role": "user", "content": one}] for one in "ab"], "v", NUMBER)
    client = ChatClient(options(server))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.perform, asked)
        until(lambda: server.asked)
        client.close()
        says = ChatError(
            "deadline", "there is no reply: what asks for it was closed before it came"
        )
        assert [one.error for one in waiting.result(PATIENCE)] == [says, says]
    held.set()
    with client:
        assert [one.error for one in client.perform(asked)] == [None, None]


def test_whoever_waits_for_embeddings_of_a_client_that_is_closed_has_an_error(serve, tmp_path):
    held = threading.Event()
    body = b'{"data": [{"index": 0, "embedding": [1.0]}]}'
    server = serve(lambda *_: Told(body=body, held=lambda: not held.is_set()))
    client = EmbedClient(options(server, cache="all", cache_file=tmp_path / "c.sqlite"))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.perform, EmbedCall(["a"]))
        until(lambda: server.asked)
        client.close()
        (closed,) = waiting.result(PATIENCE)
        says = "there is no embedding: what asks for it was closed before it came"
        assert closed.error == ChatError("deadline", says)
    held.set()
    with client:
        assert client.perform(EmbedCall(["a"]))[0].error is None


def test_a_closed_client_replays_again_and_one_thread_opens_its_cache(serve, tmp_path, monkeypatch):
    """Of many that come at once none finds the cache of another closed, or leaves one open."""
    server = serve(script)
    chosen = options(server, cache="all", cache_file=tmp_path / "c.sqlite")
    asked = ChatCall("m", [[{"role": "user", "content": "x"}]], "v", NUMBER)
    with ChatClient(chosen) as client:
        first = client.perform(asked)
    client = ChatClient(options(server, cache="offline", cache_file=tmp_path / "c.sqlite"))
    client.close()
    alone = []

    def opened(file: Path, *, read_only: bool) -> ReplyCache | SharedCache:
        alone.append(client._starting.locked())
        return open_cache(file, read_only=read_only)

    monkeypatch.setattr("graders.models.client.open_cache", opened)
    with client:
        for _ in range(2):
            assert seen(client.perform(asked)) == seen(first)
    assert alone == [True]


def test_embeddings_that_are_given_up_end_at_once(serve):
    server = serve(lambda *_: Told(held=lambda: True))
    stop = threading.Event()
    with EmbedClient(options(server)) as client, ThreadPoolExecutor(1) as pool:
        going = pool.submit(client.perform, EmbedCall(["a", "b"]), stop)
        until(lambda: len(server.asked) == 1)
        stop.set()
        assert [one.error and one.error.kind for one in going.result(PATIENCE)] == ["deadline"] * 2
        until(lambda: server.now == 0)


def test_embeddings_that_are_given_up_do_not_wait_for_those_before_them(serve):
    held = threading.Event()
    body = b'{"data": [{"index": 0, "embedding": [1.0]}]}'
    server = serve(lambda *_: Told(body=body, held=lambda: not held.is_set()))
    stop = threading.Event()
    with EmbedClient(options(server)) as client, ThreadPoolExecutor(2) as pool:
        staying = pool.submit(client.perform, EmbedCall(["a"]))
        until(lambda: len(server.asked) == 1)
        going = pool.submit(client.perform, EmbedCall(["b"]), stop)
        stop.set()
        try:
            (gone,) = going.result(5.0)
        finally:
            held.set()
        assert gone.error is not None
        assert gone.error.kind == "deadline"
        assert staying.result(PATIENCE)[0].error is None


def test_a_refreshed_reply_in_another_form_is_paid_for_once(serve, tmp_path):
    server = serve(script)
    asked = ChatCall("plain", [[{"role": "user", "content": "x"}]] * 2, "v", LABEL)
    chosen = options(server, cache="refresh", cache_file=tmp_path / "c.sqlite", concurrency=1)
    with ChatClient(chosen) as client:
        for _ in range(2):
            assert [one.error for one in client.perform(asked)] == [None, None]
    assert len(server.asked) == 4  # Three forms that are refused, and the one that is not.


def test_a_refreshed_reply_without_our_own_cap_is_paid_for_once(serve, tmp_path):
    """The cap goes row by row, so the next one begins with it again."""

    def small(asked, _):
        text = "'max_tokens' or 'max_completion_tokens' is too large: 4096."
        return error(400, text) if "max_tokens" in asked.body else completion()

    server = serve(small)
    asked = ChatCall("m", [[{"role": "user", "content": "x"}]], "v", NUMBER)
    with ChatClient(options(server, cache="refresh", cache_file=tmp_path / "c.sqlite")) as client:
        assert [client.perform(asked)[0].cached for _ in range(3)] == [False, True, True]
    assert len(server.asked) == 2  # With the cap, and without.


LEARNS = {"seed": "Unknown parameter: 'seed'", "top_p": "Unknown parameter: 'top_p'"}


def takes(**refused: str) -> Callable[[Asked, int], Told]:
    """Return a server that refuses some parameters, and says of what which reply was made."""

    def script(asked: Asked, _: int) -> Told:
        for name, says in refused.items():
            if name in asked.body:
                return error(400, says)
        return completion(json.dumps({"result": 1, "sent": sorted(asked.body)}))

    return script


@pytest.mark.parametrize(
    ("before", "now", "cached"),
    [
        # As it was.
        ({"seed": LEARNS["seed"]}, {"seed": LEARNS["seed"]}, True),
        # It takes top_p no longer: the reply kept was made with it.
        ({"seed": LEARNS["seed"]}, {"top_p": LEARNS["top_p"]}, False),
        # It takes no schema any longer: the reply kept was made by one.
        ({"seed": LEARNS["seed"]}, {"response_format": "response_format is not supported"}, False),
    ],
)
def test_a_kept_reply_counts_only_where_the_server_would_still_be_asked_so(
    serve, tmp_path, before, now, cached
):
    """A server that changed gives no row a reply to what it is no longer asked for."""
    file = tmp_path / "c.sqlite"
    sampling = {"temperature": 0, "seed": 1, "top_p": 0.5}
    first, second = (
        ChatCall("m", [[{"role": "user", "content": one}]], "v", NUMBER, sampling) for one in "ab"
    )
    server = serve(takes(**before))
    with ChatClient(options(server, cache="all", cache_file=file)) as client:
        (old,) = client.perform(second)
    server.script = takes(**now)
    with ChatClient(options(server, cache="all", cache_file=file)) as client:
        assert client.perform(first)[0].error is None  # By it the client learns how to ask.
        (reply,) = client.perform(second)
    assert reply.error is None
    assert (reply.cached, reply.text == old.text) == (cached, cached)


def test_one_sample_by_the_command_says_what_a_server_refused(serve, command, tmp_path):
    server = serve(script)
    grader = {
        "type": "score_model", "name": "j", "model": "fixed", "sampling_params": {"temperature": 0},
        "input": [{"role": "user", "content": "x"}],
    }  # fmt: skip
    (tmp_path / "g.json").write_text(json.dumps(grader))
    done = command(tmp_path, "run", "g.json", "--sample", "y", "--base-url", server.url)
    assert "temperature 0.0 is not sent to fixed: its server refuses it" in done.err
