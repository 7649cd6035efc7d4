"""The chat client against a real, scripted HTTP server: what it sends, retries, keeps and gives up."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import graders
from graders.calls import ChatCall, ChatReply
from graders.models import JudgeOptions
from graders.models.client import ChatClient
from tests.models.server import Told, completion, error
from tests.waiting import PATIENCE, until

KEY = "sk-very-secret-key-0123456789"
SCHEMA = {"type": "object"}


def call(rows: int = 1, model: str = "m", **sampling: Any) -> ChatCall:
    messages = [[{"role": "user", "content": f"row {n}"}] for n in range(rows)]
    return ChatCall(model, messages, "verdict", SCHEMA, sampling)


def ask(url: str, the_call: ChatCall, **options: Any) -> list[ChatReply]:
    with ChatClient(JudgeOptions(base_url=url, **{"cache": "none", **options})) as client:
        return client.perform(the_call)


def kinds(replies: list[ChatReply]) -> set[str | None]:
    return {None if one.error is None else one.error.kind for one in replies}


def test_a_reply_comes_back_with_its_tokens_and_model(serve):
    server = serve(lambda *_: completion("hello"))
    (reply,) = ask(server.url, call(), reply_form="text")
    assert (reply.text, reply.error, reply.model) == ("hello", None, "judge-1")
    assert reply.usage is not None
    assert reply.usage.total_tokens == 15


def test_replies_are_in_the_order_of_the_rows(serve):
    def script(asked, _):
        told = completion(asked.body["messages"][-1]["content"])
        told.delay = random.random() / 50
        return told

    replies = ask(serve(script).url, call(100), concurrency=16, reply_form="json_schema")
    assert [one.text for one in replies] == [f"row {n}" for n in range(100)]


def test_never_more_requests_at_once_than_allowed(serve):
    server = serve(lambda *_: Told(body=completion().body, delay=0.005))
    ask(server.url, call(60), concurrency=7)
    assert server.most <= 7


def test_the_names_of_parameters_are_the_apis_own(serve):
    server = serve(lambda *_: completion())
    ask(server.url, call(max_completions_tokens=77, temperature=0, seed=3, top_p=0.5))
    body = server.asked[0].body
    assert body["max_completion_tokens"] == 77
    assert "max_completions_tokens" not in body
    assert (body["temperature"], body["seed"], body["top_p"]) == (0, 3, 0.5)


def test_a_reasoning_model_gets_no_temperature_and_the_others_no_effort(serve):
    server = serve(lambda *_: completion())
    with ChatClient(JudgeOptions(base_url=server.url, cache="none")) as client:
        client.perform(call(model="o3", temperature=0, top_p=1, reasoning_effort="low"))
        client.perform(call(model="gpt-4o", temperature=0, reasoning_effort="low"))
        assert len(client.stats.notes) == 3
    first, second = (one.body for one in server.asked)
    assert first["reasoning_effort"] == "low"
    assert not {"temperature", "top_p"} & set(first)
    assert second["temperature"] == 0
    assert "reasoning_effort" not in second


def test_the_model_map_renames(serve):
    server = serve(lambda *_: completion())
    ask(server.url, call(model="gpt-4o-2024-08-06"), model_map={"gpt-4o-2024-08-06": "mine"})
    assert server.asked[0].body["model"] == "mine"


def test_azure_speaks_by_api_key_header(serve):
    server = serve(lambda *_: completion())
    ask(server.url, call(), auth="api-key")
    assert server.asked[0].headers["api-key"] == KEY
    assert "authorization" not in server.asked[0].headers


@pytest.mark.more
def test_a_storm_of_429_slows_down_and_loses_nothing(serve):
    def script(_, count):
        return (
            completion()
            if count > 40 and count % 3
            else error(429, "slow down", retry_after="0.02")
        )

    server = serve(script)
    with ChatClient(JudgeOptions(base_url=server.url, cache="none", concurrency=32)) as client:
        replies = client.perform(call(100))
        assert kinds(replies) == {None}
        assert client.stats.limited > 0
        assert client.stats.answered == 100
    assert server.answered == 100


def test_a_retry_after_is_waited_for(serve):
    server = serve(lambda _, n: error(429, retry_after="0.4") if n == 1 else completion())
    started = time.monotonic()
    assert kinds(ask(server.url, call())) == {None}
    assert time.monotonic() - started >= 0.4


def test_a_retry_after_beyond_the_deadline_fails_at_once(serve):
    server = serve(lambda *_: error(429, retry_after="3600"))
    (reply,) = ask(server.url, call(), deadline=PATIENCE)
    assert len(server.asked) == 1
    assert reply.error is not None
    assert reply.error.kind == "server"
    assert "limits the rate" in reply.error.message


def test_what_the_tries_before_met_is_told_when_the_time_is_over(serve):
    busy = error(503, "all seats are taken", retry_after="0.01")
    server = serve(lambda _, n: busy if n == 1 else Told(held=lambda: True))
    (reply,) = ask(server.url, call(), deadline=2.0)
    assert reply.error is not None
    assert reply.error.kind == "server"
    assert "all seats are taken" in reply.error.message


def test_no_money_left_is_not_waited_for(serve):
    body = json.dumps({"error": {"message": "no money", "code": "insufficient_quota"}}).encode()
    server = serve(lambda *_: Told(429, body))
    assert kinds(ask(server.url, call())) == {"server"}
    assert len(server.asked) == 1


def test_5xx_and_lost_connections_are_tried_again(serve):
    told = [error(500), Told(cut_at=-1), error(503, retry_after="0.01"), completion()]
    server = serve(lambda _, n: told[n - 1])
    assert kinds(ask(server.url, call())) == {None}
    assert len(server.asked) == 4


def test_an_answer_cut_in_the_middle_is_not_paid_for_twice(serve):
    told = completion()
    told.cut_at = 20
    server = serve(lambda *_: told)
    (reply,) = ask(server.url, call())
    assert reply.error is not None
    assert reply.error.kind == "server"
    assert "middle" in reply.error.message
    assert len(server.asked) == 1


@pytest.mark.more
def test_thirty_percent_of_calls_failing_costs_no_row_and_pays_once(serve):
    dice = random.Random(7)

    def script(_, __):
        roll = dice.random()
        if roll < 0.15:
            return error(500)
        return Told(cut_at=-1) if roll < 0.3 else completion()

    server = serve(script)
    replies = ask(server.url, call(120), concurrency=64, attempts=12)
    assert kinds(replies) == {None}
    assert server.answered == 120


def test_a_slow_body_ends_at_the_deadline(serve):
    told = completion()
    told.slow = 5.0
    server = serve(lambda *_: told)
    assert kinds(ask(server.url, call(), deadline=0.5)) == {"deadline"}
    assert server.answered == 0  # The body would go on for many minutes.


@pytest.mark.parametrize("kind", ["text/html", "text/event-stream", "application/octet-stream"])
def test_an_answer_of_another_kind_is_named(serve, kind):
    server = serve(lambda *_: Told(body=b"<html>hi</html>", headers={"content-type": kind}))
    (reply,) = ask(server.url, call())
    assert reply.error is not None
    assert kind in reply.error.message
    assert "<html>" in reply.error.details
    assert len(server.asked) == 1


def test_a_reply_of_50_mb_is_left_unread(serve):
    server = serve(lambda *_: Told(length=50_000_000))
    replies = ask(server.url, call(20), concurrency=20)
    assert kinds(replies) == {"too_large"}
    assert len(server.asked) == 20


def test_refusals_and_cut_off_replies_have_their_own_kinds_and_count_tokens(serve):
    told = [completion(None, refusal="I will not"), completion('{"ste', "length"),
            completion("x", "content_filter")]  # fmt: skip
    server = serve(lambda _, n: told[n - 1])
    replies = ask(server.url, call(3), concurrency=1)
    assert [one.error.kind for one in replies if one.error] == ["refused", "length", "refused"]
    assert all(one.usage is not None and one.usage.total_tokens == 15 for one in replies)


def test_the_ladder_goes_down_once_and_is_remembered(serve):
    def script(asked, _):
        kind = asked.body.get("response_format", {}).get("type")
        return (
            error(400, "response_format json_schema unknown")
            if kind == "json_schema"
            else completion()
        )

    server = serve(script)
    with ChatClient(JudgeOptions(base_url=server.url, cache="none", concurrency=1)) as client:
        assert kinds(client.perform(call(3))) == {None}
    formats = [one.body.get("response_format", {}).get("type") for one in server.asked]
    assert formats == ["json_schema", "json_schema", "json_object", "json_object", "json_object"]
    assert server.asked[-1].body["response_format"]["schema"]["type"] == "object"


def test_the_last_rung_asks_in_words(serve):
    server = serve(lambda asked, _: error(400) if "response_format" in asked.body else completion())
    (reply,) = ask(server.url, call())
    assert reply.error is None
    assert not reply.enforced
    assert "JSON Schema" in server.asked[-1].body["messages"][0]["content"]


def test_a_real_mistake_is_told_as_the_server_told_it_first(serve):
    server = serve(lambda *_: error(400, "there is no such model"))
    (reply,) = ask(server.url, call())
    assert reply.error is not None
    assert "no such model" in reply.error.message


def test_a_parameter_the_server_names_is_left_out_from_then_on(serve):
    def script(asked, _):
        return error(400, "Unknown parameter: seed") if "seed" in asked.body else completion()

    server = serve(script)
    assert kinds(ask(server.url, call(3, seed=1), concurrency=1)) == {None}
    assert len(server.asked) == 4


def test_a_server_killed_in_the_middle_ends_the_run_soon(serve):
    # No more than a hundred are answered before it is killed.
    server = serve(lambda _, n: Told(body=completion().body, held=lambda: n > 100))

    def kill() -> None:
        until(lambda: server.answered == 100)
        server.stop()

    killer = threading.Thread(target=kill)
    killer.start()
    options = JudgeOptions(base_url=server.url, cache="none", concurrency=8, attempts=3)
    with ChatClient(options) as client:
        replies = client.perform(call(3000))
        killer.join()
        assert client.stats.requests < 500  # Most are not even tried.
    assert len(replies) == 3000
    assert kinds(replies) <= {None, "unreachable", "server"}
    assert "unreachable" in kinds(replies)
    assert None in kinds(replies)


def test_a_reply_is_paid_for_once_whoever_asks_again(serve, tmp_path):
    server = serve(lambda *_: completion())
    file = tmp_path / "c.sqlite"
    same = ChatCall(
        "m", [[{"role": "user", "content": "same"}]] * 50, "v", SCHEMA, {"temperature": 0}
    )
    for _ in range(2):
        ask(server.url, same, cache="auto", cache_file=file)
    assert len(server.asked) == 1
    with ChatClient(JudgeOptions(base_url=server.url, cache="auto", cache_file=file)) as client:
        (reply,) = client.perform(call(temperature=0.7))
        assert not reply.cached
    assert len(server.asked) == 2


def test_offline_replays_the_same_replies_with_no_server(serve, tmp_path, monkeypatch):
    server = serve(lambda *_: completion())
    file = tmp_path / "c.sqlite"
    first = ask(server.url, call(5), cache="all", cache_file=file)
    server.stop()
    monkeypatch.delenv("OPENAI_API_KEY")
    again = ask(server.url, call(6), cache="offline", cache_file=file)
    assert [one.text for one in again[:5]] == [one.text for one in first]
    assert all(one.cached for one in again[:5])
    assert again[5].error is not None
    assert again[5].error.kind == "offline"


def test_refresh_asks_again_and_repeats_are_entries_of_their_own(serve, tmp_path):
    server = serve(lambda *_: completion())
    file = tmp_path / "c.sqlite"
    base = call(2)
    twice = ChatCall(
        base.model, [*base.messages, *base.messages], "verdict", SCHEMA, {}, [0, 0, 1, 1]
    )
    ask(server.url, twice, cache="all", cache_file=file)
    assert len(server.asked) == 4
    ask(server.url, twice, cache="all", cache_file=file)
    assert len(server.asked) == 4
    ask(server.url, twice, cache="refresh", cache_file=file)
    assert len(server.asked) == 8


@pytest.mark.more
def test_processes_share_a_cache(serve, tmp_path):
    server = serve(lambda *_: completion())
    file = tmp_path / "c.sqlite"
    code = f"""
from graders.calls import ChatCall
from graders.models import JudgeOptions
from graders.models.client import ChatClient
call = ChatCall("m", [[{{"role": "user", "content": str(n)}}] for n in range(20)], "v", {{}}, {{}})
with ChatClient(JudgeOptions(base_url={server.url!r}, cache="all", cache_file={str(file)!r})) as c:
    assert all(r.error is None for r in c.perform(call))
""".replace(f"cache_file={str(file)!r}", f"cache_file=__import__('pathlib').Path({str(file)!r})")
    processes = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [one.wait(PATIENCE) for one in processes] == [0] * 2
    base = sqlite3.connect(file)
    assert base.execute("select count(*) from reply").fetchone() == (20,)
    base.close()


def test_a_key_that_a_server_quotes_stands_nowhere(serve, tmp_path):
    told = [error(401, f"bad key {KEY}"), completion(f"the key is {KEY}"), completion(None, refusal=KEY),
            Told(body=KEY.encode(), headers={"content-type": "text/" + "html"})]  # fmt: skip
    server = serve(lambda _, n: told[(n - 1) % 4])
    file = tmp_path / "c.sqlite"
    with ChatClient(
        JudgeOptions(base_url=server.url, cache="all", cache_file=file, concurrency=1)
    ) as one:
        replies = one.perform(call(8))
        assert KEY not in repr(replies)
        assert KEY not in repr(one.options) + repr(vars(one)) + repr(one.stats)
    for path in tmp_path.iterdir():
        assert KEY.encode() not in path.read_bytes()


@pytest.mark.more
def test_no_output_of_a_command_holds_the_key(serve, command, tmp_path):
    server = serve(lambda _, n: error(401, f"bad {KEY}") if n % 2 else completion(f"{KEY}"))
    grader = {
        "type": "multi", "name": "m", "calculate_output": "judge + code",
        "graders": {
            "judge": {"type": "score_model", "name": "j", "model": "gpt-4o-2024-08-06",
                      "input": [{"role": "user", "content": "{{ sample.output_text }}"}]},
            "code": {"type": "python", "name": "p", "source":
                     "import os\ndef grade(sample, item):\n    raise ValueError(str(dict(os.environ)))"},
        },
    }  # fmt: skip
    (tmp_path / "g.json").write_text(json.dumps(grader))
    rows = "\n".join(json.dumps({"item": {}, "sample": str(n)}) for n in range(6))
    (tmp_path / "rows.jsonl").write_text(rows)
    shown = ""
    for arguments in (
        ["score", "g.json", "rows.jsonl", "-o", "out.jsonl"],
        ["run", "g.json", "--sample", "x", "--hosted"],
    ):
        done = command(
            tmp_path, *arguments, "--base-url", server.url, "--cache", "--cache-file", "c.sqlite",
            "--sandbox", "basic",
        )  # fmt: skip
        shown += done.out + done.err
    assert "model_grader" in shown
    assert KEY not in shown
    for path in Path(tmp_path).iterdir():
        assert KEY.encode() not in path.read_bytes(), path


def test_an_interrupted_call_lets_go_of_its_requests(serve):
    server = serve(lambda *_: Told(held=lambda: True))
    code = f"""
from graders.calls import ChatCall
from graders.models import JudgeOptions
from graders.models.client import ChatClient
call = ChatCall("m", [[{{"role": "user", "content": str(n)}}] for n in range(20)], "v", {{}}, {{}})
try:
    with ChatClient(JudgeOptions(base_url={server.url!r}, cache="none")) as c:
        c.perform(call)
except KeyboardInterrupt:
    print("interrupted")
"""
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as running:  # fmt: skip
        until(lambda: server.asked)
        running.send_signal(signal.SIGINT)
        # Nothing is ever answered: it ends because it was interrupted.
        assert running.communicate(timeout=PATIENCE) == ("interrupted\n", "")


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("ftp://x", "http"),
        ("http://user:pw@x/v1", "password"),
        ("nonsense", "http"),
        ("http://x:y/", "port"),
    ],
)
def test_an_address_that_is_none_is_one_sentence(url, word):
    with pytest.raises(graders.GradersError) as caught:
        ChatClient(JudgeOptions(base_url=url))
    assert word in str(caught.value).lower()
    assert "pw" not in str(caught.value)


def test_a_service_without_a_key_says_how_to_give_one(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(graders.GradersError, match="OPENAI_API_KEY"):
        ChatClient(JudgeOptions())


def test_azure_gets_its_v1_path_and_header(monkeypatch, tmp_path):
    from graders.wire.endpoint import resolve

    (tmp_path / "key").write_text("azure-key-123\n")
    found = resolve("https://me.openai.azure.com", tmp_path / "key")
    assert (found.url, found.kind, found.auth) == (
        "https://me.openai.azure.com/openai/v1", "azure", "api-key"
    )  # fmt: skip
    assert found.key.header(found.auth) == {"api-key": "azure-key-123"}
    assert "azure-key" not in repr(found)


@pytest.mark.slow
def test_twenty_thousand_rows_at_256_stay_in_flat_memory(serve):
    import resource

    server = serve(lambda *_: completion())
    with ChatClient(JudgeOptions(base_url=server.url, cache="none", concurrency=256)) as client:
        client.perform(call(2000))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in range(9):
            server.asked.clear()
            assert kinds(client.perform(call(2000))) == {None}
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 30_000


def test_score_repeats_and_replays_offline_to_the_same_bytes(serve, command, tmp_path):
    said = ['{"steps": [], "result": 0.2}', '{"steps": [], "result": 0.9}', "prose"]
    server = serve(lambda _, n: completion(said[n % 3]))
    grader = {"type": "score_model", "name": "j", "model": "gpt-4o-2024-08-06",
              "input": [{"role": "user", "content": "{{ sample.output_text }}"}]}  # fmt: skip
    (tmp_path / "g.json").write_text(json.dumps(grader))
    rows = "\n".join(json.dumps({"item": {}, "sample": str(n)}) for n in range(8))
    (tmp_path / "rows.jsonl").write_text(rows)
    outs = []
    for mode in ("--cache", "--offline"):
        done = command(
            tmp_path, "score", "g.json", "rows.jsonl", "-o", "out.jsonl", "--json", "--repeats", "3",
            "--base-url", server.url, "--cache-file", "c.sqlite", mode,
        )  # fmt: skip
        assert done.code == 0, done.err
        outs.append((tmp_path / "out.jsonl").read_bytes())
        summary = json.loads(done.out)
        assert summary["repeats"][""]["asked"] == 24
        assert summary["usage"]["judge-1"]["total_tokens"] == 24 * 15
    assert outs[0] == outs[1]
    assert len(server.asked) == 24
    assert len(json.loads(outs[0].splitlines()[0])["repeats"][""]) == 3


def test_validate_warns_of_a_model_that_is_switched_off(command, tmp_path):
    grader = {"type": "score_model", "name": "j", "model": "o3-mini-2025-01-31",
              "input": [{"role": "user", "content": "x"}]}  # fmt: skip
    (tmp_path / "g.json").write_text(json.dumps(grader))

    def run(*more: str) -> str:
        done = command(tmp_path, "validate", "g.json", *more)
        assert done.code == 0
        return str(done.out)

    assert "2026-10-23" in run()
    assert "2026-10-23" not in run("--model-map", "o3-mini-2025-01-31=mine")


def multi_of_judges() -> dict[str, Any]:
    def judge(name: str, text: str) -> dict[str, Any]:
        messages = [{"role": "user", "content": f"{name} {text}"}]
        kind: dict[str, Any] = {"type": "score_model", "range": [0, 100]}
        if name == "c":
            kind = {"type": "label_model", "labels": ["yes", "no"], "passing_labels": ["yes"]}
        return {**kind, "name": name, "model": f"model-{name}", "input": messages}

    same = {"type": "string_check", "name": "s", "operation": "eq", "input": "{{ item.n }}",
            "reference": "1"}  # fmt: skip
    graders_ = {
        "a": judge("a", "{{ item.n }}"), "s": same, "b": judge("b", "{{ item.only_some }}"),
        "c": judge("c", "{{ item.n }}"),
    }  # fmt: skip
    return {"type": "multi", "name": "m", "graders": graders_, "calculate_output": "a + s + b + c"}


def told_by_row(asked: Any, _: int) -> Told:
    name, number = asked.body["messages"][-1]["content"].split()[:2]
    result = {"a": int(number), "b": 10 * int(number), "c": "yes" if number == "2" else "no"}[name]
    told: Told = completion(json.dumps({"steps": [], "result": result}))
    told.delay = 0.3
    return told


SOME_ROWS = [{"item": {"n": n, "only_some": n} if n else {"n": n}, "sample": "x"} for n in range(4)]


def test_the_judges_of_a_multi_are_asked_at_once_and_each_score_finds_its_row(serve):
    server = serve(told_by_row)
    options = JudgeOptions(base_url=server.url, cache="none")
    with graders.load(multi_of_judges(), judge=options) as grader:
        found = list(grader.grade_many(SOME_ROWS))
    assert len(server.asked) == 4 + 3 + 4
    assert server.most > 4  # more than any one of them asks
    assert [one.reward for one in found] == [None, 12.0, 23.0, 33.0]
    assert found[0].failures[0].where == "b"
    assert dict(found[0].sub_rewards) == {"a": 0.0, "s": 0.0, "b": None, "c": 0.0}
    assert list(found[2].sub_rewards.items()) == [("a", 2.0), ("s", 0.0), ("b", 20.0), ("c", 1.0)]
    assert {model: usage.total_tokens for model, usage in found[1].usage.items()} == {"judge-1": 45}


def test_a_performer_of_one_call_at_a_time_gives_the_same(serve):
    server = serve(told_by_row)

    class One:
        def __init__(self, client: ChatClient) -> None:
            self.client = client

        def perform(self, call: ChatCall) -> list[ChatReply]:
            return self.client.perform(call)

    with (
        ChatClient(JudgeOptions(base_url=server.url, cache="none")) as client,
        graders.load(multi_of_judges(), judge=One(client)) as grader,
    ):
        found = list(grader.grade_many(SOME_ROWS))
    assert [one.reward for one in found] == [None, 12.0, 23.0, 33.0]
    assert server.most <= 4


def test_calls_made_at_once_share_the_bound_the_cache_and_equal_requests(serve, tmp_path):
    server = serve(lambda *_: Told(body=completion().body, delay=0.01))
    options = JudgeOptions(
        base_url=server.url, cache="all", cache_file=tmp_path / "c.sqlite", concurrency=5
    )
    with ChatClient(options) as client:
        found = client.perform_many([call(20), call(0), call(20), call(3, model="other")])
        assert [len(one) for one in found] == [20, 0, 20, 3]
        assert kinds([reply for one in found for reply in one]) == {None}
        assert client.perform_many([]) == []
    assert server.most <= 5
    assert len(server.asked) == 23
