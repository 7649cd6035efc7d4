"""Endpoint graders, against a real server: what is sent where, and what each answer comes to."""

from __future__ import annotations

import json
import re
import threading
import time
from dataclasses import replace
from typing import Any

import pytest

import graders
from graders.calls import EndpointCall
from graders.errors import UnavailableError
from graders.models import JudgeOptions
from graders.models.endpoint_client import EndpointClient
from tests.models.server import Told, error
from tests.waiting import PATIENCE, until

SECRET = "a-secret-of-some-length-0123"


def grader(server: Any, **fields: Any) -> dict[str, Any]:
    return {"type": "endpoint", "name": "e", "url": f"{server.url}/grade?v=1", **fields}


def options(**more: Any) -> JudgeOptions:
    return JudgeOptions(allow_endpoint={"127.0.0.1": ("GRADER_KEY",)}, **more)


def scores(value: Any) -> Told:
    return Told(body=json.dumps(value).encode())


def test_a_row_is_posted_whole_and_its_score_is_the_reward(serve, monkeypatch):
    monkeypatch.setenv("GRADER_KEY", SECRET)
    server = serve(lambda asked, _: scores({"score": len(asked.body["sample"]["output_text"])}))
    headers = {"Authorization": "Bearer ${GRADER_KEY}", "X-Team": "blue"}
    rows = [{"item": {"a": n}, "sample": {"output_text": "x" * n, "mine": True}} for n in range(5)]
    with graders.load(grader(server, headers=headers), judge=options()) as ready:
        found = list(ready.grade_many(rows))
    assert [one.reward for one in found] == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert {one.path for one in server.asked} == {"/v1/grade?v=1"}
    for asked in server.asked:
        assert set(asked.body) == {"sample", "item", "trace_id"}
        assert asked.body["sample"]["mine"] is True
        assert asked.body["trace_id"].startswith("trace_")
        assert asked.headers["authorization"] == f"Bearer {SECRET}"
        assert asked.headers["x-team"] == "blue"
    assert sorted(asked.body["item"]["a"] for asked in server.asked) == [0, 1, 2, 3, 4]
    assert len({asked.body["trace_id"] for asked in server.asked}) == 5


def test_json_in_the_text_is_there_as_output_json(serve):
    server = serve(lambda asked, _: scores({"score": asked.body["sample"]["output_json"]["n"]}))
    with graders.load(grader(server), judge=options()) as ready:
        assert ready.grade({}, '{"n": 0.25}').reward == 0.25


def test_nothing_is_sent_to_a_host_that_was_not_named(serve):
    server = serve(lambda *_: scores({"score": 1}))
    with (
        graders.load(grader(server)) as ready,
        pytest.raises(UnavailableError, match=r"would send rows to 127\.0\.0\.1:\d+; if that"),
    ):
        ready.grade({}, "x")
    other = JudgeOptions(allow_endpoint={"example.com": ()})
    with graders.load(grader(server), judge=other) as ready, pytest.raises(UnavailableError):
        ready.grade({}, "x")
    assert server.asked == []


def test_no_variable_goes_out_that_was_not_named_with_its_host(serve, monkeypatch):
    server = serve(lambda *_: scores({"score": 1}))
    asking = grader(server, headers={"X": "${OPENAI_API_KEY}"})
    with (
        graders.load(asking, judge=options()) as ready,
        pytest.raises(UnavailableError, match="wants the variable OPENAI_API_KEY"),
    ):
        ready.grade({}, "x")
    monkeypatch.delenv("GRADER_KEY", raising=False)
    asking = grader(server, headers={"X": "${GRADER_KEY}"})
    with (
        graders.load(asking, judge=options()) as ready,
        pytest.raises(UnavailableError, match="GRADER_KEY, which is not set"),
    ):
        ready.grade({}, "x")
    assert server.asked == []


def test_in_a_multi_the_sub_grader_is_named_that_may_not_ask(serve):
    server = serve(lambda *_: scores({"score": 1}))
    check = {"type": "string_check", "name": "c", "operation": "eq", "input": "a", "reference": "a"}
    both = {
        "type": "multi", "name": "m", "graders": {"far": grader(server), "near": check},
        "calculate_output": "far + near",
    }  # fmt: skip
    with graders.load(both) as ready, pytest.raises(UnavailableError, match=r"^far: an endpoint"):
        ready.grade({}, "x")
    with graders.load(both, judge=options()) as ready:
        assert ready.grade({}, "x").sub_rewards == {"far": 1.0, "near": 1.0}


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (scores({"result": 1}), "there is no score"),
        (scores({"score": None}), "the score is null"),
        (scores({"score": True}), "the score is true"),
        (scores({"score": "0.5"}), 'the score is "0.5"'),
        (scores([1]), "it is a list of 1"),
        (Told(body=b'{"score": NaN}'), ""),
        (Told(body=b'{"score": 1e999}'), ""),
        (Told(body=b'{"score": ' + b"9" * 5000 + b"}"), ""),
        (Told(body=b'{"score": 1, "score": 2}'), ""),
        (Told(body=b"[" * 100_000), ""),
        (Told(body=b"ok"), "not JSON"),
        (Told(body=b""), "not JSON"),
        (Told(length=2 << 20), "longer than the 1,048,576 bytes"),
        (error(403, f"no {SECRET}"), ""),
        (Told(302, headers={"location": "http://127.0.0.1:9/"}), ""),
    ],
)  # fmt: skip
def test_any_other_answer_fails_its_row_and_shows_no_secret(serve, monkeypatch, told, said):
    monkeypatch.setenv("GRADER_KEY", SECRET)
    server = serve(lambda *_: told)
    asking = grader(server, headers={"X-Functions-Key": "${GRADER_KEY}"})
    with graders.load(asking, judge=options()) as ready:
        grade = ready.grade({}, "x")
    assert grade.reward is None
    (failure,) = grade.failures
    assert failure.code == "endpoint_grader_server_error"
    assert re.search(said, failure.message)
    assert SECRET not in str(grade) + repr(grade) + json.dumps(grade.hosted)
    assert grade.hosted["metadata"]["errors"]["endpoint_grader_server_error"] is True


def test_a_failure_is_tried_three_times_more(serve):
    server = serve(lambda _, n: error(500) if n <= 3 else scores({"score": 0.5}))
    with graders.load(grader(server), judge=options()) as ready:
        assert ready.grade({}, "x").reward == 0.5
    assert len(server.asked) == 4
    server = serve(lambda *_: error(503))
    with graders.load(grader(server), judge=options()) as ready:
        assert ready.grade({}, "x").failures[0].code == "endpoint_grader_server_error"
    assert 1 < len(server.asked) <= 4


def test_a_row_that_is_too_long_is_not_sent(serve):
    server = serve(lambda *_: scores({"score": 1}))
    with graders.load(grader(server), judge=options()) as ready:
        grade = ready.grade({"a": "x" * (1 << 20)}, "x")
    assert grade.failures[0].code == "endpoint_grader_internal_error"
    assert "an endpoint is sent 1,048,576 at most" in grade.failures[0].message
    assert server.asked == []


def test_offline_nobody_is_asked(serve):
    server = serve(lambda *_: scores({"score": 1}))
    with graders.load(grader(server), judge=options(cache="offline")) as ready:
        assert "--offline asks nobody" in ready.grade({}, "x").failures[0].message
    assert server.asked == []


def test_rows_go_out_no_faster_than_the_rate_allows(serve):
    server = serve(lambda *_: scores({"score": 1}))
    rows = [{"item": {}, "sample": "x"}] * 10
    before = time.monotonic()  # The clock of the client's loop.
    with graders.load(grader(server, rate_limit=20), judge=options()) as ready:
        grades = list(ready.grade_many(rows))
        client = ready._live.performers.shared.performer("endpoint")
        (only,) = client._servers.values()
    assert [one.reward for one in grades] == [1.0] * 10
    assert len(server.asked) == 10
    assert only.free_at >= before + 10 / 20  # Each row has taken its share of the seconds.


def test_a_rate_that_lets_nobody_through_fails_the_row_and_holds_up_no_other_grader(serve):
    server = serve(lambda *_: scores({"score": 1}))
    rows = [{"item": {}, "sample": "x"}] * 3
    client = EndpointClient(options())
    call = EndpointCall(f"{server.url}/grade", {}, 1e-9, [{}] * 3, [{}] * 3)
    replies = client.perform(call)
    assert sorted(one.score is None for one in replies) == [False, True, True]
    assert {one.error.message for one in replies if one.error is not None} == {
        "the rate of 1e-09 requests a second allows none within 300 s"
    }
    assert client.perform(replace(call, rate_limit=50.0))[0].score == 1.0
    client.close()
    assert len(server.asked) == 1 + len(rows)


def test_connections_are_kept_to_few_servers_however_many_are_named(serve):
    server = serve(lambda *_: scores({"score": 1}))
    client = EndpointClient(options())
    for path in range(20):
        call = EndpointCall(f"{server.url}/{path}", {}, 50.0, [{}], [{}])
        assert client.perform(call)[0].score == 1.0
    assert len(client._servers) == 16
    assert client.perform(EndpointCall(f"{server.url}/0", {}, 50.0, [{}], [{}]))[0].score == 1.0
    client.close()


def test_closing_while_rows_are_under_way_fails_them_with_a_sentence(serve):
    let_go = threading.Event()
    server = serve(lambda *_: Told(body=b'{"score": 1}', held=lambda: not let_go.is_set()))
    ready = graders.load(grader(server), judge=options())
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(ready.grade({}, "x")))
    thread.start()
    try:
        until(lambda: bool(server.asked))
        ready._live.performers.shared.performer("endpoint").close()
        thread.join(PATIENCE)
        assert "was closed before it came" in found[0].failures[0].message
    finally:
        let_go.set()
        ready.close()
