"""Calls passed on to a model server: byte for byte, as they come, recorded afterwards."""

from __future__ import annotations

import http.client
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from graders.evals.recorded import answer_of, is_to_be_stored
from graders.evals.stored import StoredCalls, keep_call, stored_places
from graders.jobs import ApiError, Store
from tests.models.server import Asked, ScriptedServer, Told, error
from tests.server.process import TOKEN, Serving
from tests.waiting import PATIENCE, until

ASK = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
KEY = "sk-upstream-0123456789"


def event(value: Any) -> bytes:
    return b"data: " + (value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n\n"


def chunks(name: str, *texts: str, end: bool = True) -> bytes:
    head = {"id": name, "created": 7, "model": "m-1", "object": "chat.completion.chunk"}
    told = [{**head, "choices": [{"index": 0, "delta": {"content": one}}]} for one in texts]
    last = {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    return b"".join(map(event, [*told, *([last, b"[DONE]"] if end else [])]))


class Model:
    """Answers as a model server does, each time by another id."""

    def __init__(self) -> None:
        self.ids = itertools.count()
        self.held = [False]
        self.server = ScriptedServer(self.answer)

    def answer(self, asked: Asked, _: int) -> Told:
        assert asked.headers["authorization"] == f"Bearer {KEY}"
        name, said = f"c{next(self.ids)}", str(asked.body.get("messages", [{}])[-1].get("content"))
        if asked.body.get("model") == "bad":
            return error(404, "no such model")
        if said == "hang":
            return Told(held=lambda: self.held[0])
        if asked.path == "/v1/responses":
            output = [
                {
                    "type": "message",
                    "role": "assistant",
                    "content": [{"type": "output_text", "text": "Hello"}],
                }
            ]
            whole = {
                "id": name,
                "object": "response",
                "model": "m-1",
                "created_at": 7,
                "output": output,
            }
            return Told(body=json.dumps(whole).encode())
        if asked.body.get("stream"):
            body = chunks(name, "Hel", "lo", end=said != "break")
            cut = len(body) if said == "break" else None
            return Told(body=body, headers={"content-type": "text/event-stream"}, chunked=7 if cut is None else 0, cut_at=cut,
                        length=None)  # fmt: skip
        message = {"role": "assistant", "content": "Hello"}
        whole = {"id": name, "object": "chat.completion", "model": "m-1", "created": 7,
                 "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}  # fmt: skip
        return Told(body=json.dumps(whole, indent=3).encode(), headers={"x-request-id": "theirs"})


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    made = Model()
    yield made
    made.server.stop()


@pytest.fixture(scope="module")
def passing(tmp_path_factory: pytest.TempPathFactory, model: Model) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("passing")
    options = (
        "--processes",
        "1",
        "--jobs",
        "0",
        "--record",
        "--rollout-url",
        model.server.url,
        "--max-body",
        "100k",
    )
    serving = Serving(folder / "store", options, {"OPENAI_API_KEY": KEY})
    yield serving
    assert serving.stop() == 0
    assert "Traceback" not in serving.said
    assert KEY not in serving.said


def recorded(server: Serving) -> list[str]:
    listed = server.ask("GET", "/v1/chat/completions?limit=100").json["data"]
    return [one["id"] for one in listed]


def test_an_answer_comes_back_byte_for_byte(passing: Serving, model: Model) -> None:
    for path in (
        "/v1/chat/completions",
        "/openai/v1/chat/completions",
        "/openai/chat/completions?api-version=x",
    ):
        answer = passing.ask("POST", path, ASK)
        assert answer.status == 200
        assert answer.body.startswith(b'{\n   "id"')
        assert model.server.asked[-1].body == ASK
    refused = passing.ask("POST", "/v1/chat/completions", {**ASK, "model": "bad"})
    assert (refused.status, refused.error["message"]) == (404, "no such model")
    named = passing.ask(
        "POST", "/openai/deployments/dep/chat/completions", {"messages": ASK["messages"]}
    )
    assert named.status == 200
    assert model.server.asked[-1].body["model"] == "dep"
    assert recorded(passing) == []  # Nobody asked for any of it to be kept.


def test_what_asks_to_be_kept_is_and_can_be_found(passing: Serving) -> None:
    plain = passing.ask(
        "POST", "/v1/chat/completions", {**ASK, "store": True, "metadata": {"use": "a"}}
    ).json["id"]
    streamed = passing.ask(
        "POST",
        "/v1/chat/completions",
        {**ASK, "store": True, "stream": True, "metadata": {"use": "b"}},
    )
    assert streamed.body.count(b"data: ") == 4
    assert streamed.headers["content-type"].startswith("text/event-stream")
    until(lambda: len(recorded(passing)) == 2)
    found = recorded(passing)
    assert found[0] == plain
    one = passing.ask("GET", f"/v1/chat/completions/{found[1]}").json
    assert one["choices"][0]["message"]["content"] == "Hello"
    assert one["metadata"] == {"use": "b"}
    filtered = passing.ask("GET", "/v1/chat/completions?metadata[use]=a&model=m-1").json["data"]
    assert [each["id"] for each in filtered] == [plain]
    changed = passing.ask("POST", f"/v1/chat/completions/{plain}", {"metadata": {"use": "c"}}).json
    assert changed["metadata"] == {"use": "c"}
    wrong = passing.ask("POST", f"/v1/chat/completions/{plain}", {"metadta": {}})
    assert wrong.error["param"] == "metadta"
    messages = passing.ask("GET", f"/v1/chat/completions/{plain}/messages").json["data"]
    assert [(each["content"], bool(each["id"])) for each in messages] == [("Hi", True)]
    assert passing.ask("DELETE", f"/v1/chat/completions/{plain}").json["deleted"] is True
    assert passing.ask("GET", f"/v1/chat/completions/{plain}").status == 404
    response = passing.ask("POST", "/v1/responses", {"model": "m", "input": "Hi"}).json["id"]
    until(lambda: passing.ask("GET", f"/v1/responses/{response}").status == 200)
    items = passing.ask("GET", f"/v1/responses/{response}/input_items").json["data"]
    assert [each["content"] for each in items] == ["Hi"]
    hidden = passing.ask(
        "POST", "/v1/responses", {"model": "m", "input": "Hi", "store": False}
    ).json["id"]
    assert passing.ask("DELETE", f"/v1/responses/{response}").json["deleted"] is True
    assert passing.ask("GET", f"/v1/responses/{hidden}").status == 404


def test_an_answer_that_breaks_off_is_passed_on_and_not_kept(passing: Serving) -> None:
    before = recorded(passing)
    broken = {
        **ASK,
        "messages": [{"role": "user", "content": "break"}],
        "store": True,
        "stream": True,
    }
    body = b""
    try:
        body = passing.ask("POST", "/v1/chat/completions", broken).body
    except http.client.IncompleteRead as cut:
        body = cut.partial
    assert b"Hel" in body
    passing.ask("POST", "/v1/chat/completions", {**ASK, "store": True})
    until(lambda: len(recorded(passing)) == len(before) + 1)


def test_a_client_that_goes_takes_its_call_along(passing: Serving, model: Model) -> None:
    model.held[0] = True
    hanging = {**ASK, "messages": [{"role": "user", "content": "hang"}]}
    asked = len(model.server.asked)
    connection = http.client.HTTPConnection("127.0.0.1", passing.port, timeout=PATIENCE)
    connection.request(
        "POST", "/v1/chat/completions", json.dumps(hanging), {"Content-Type": "application/json"}
    )
    until(lambda: len(model.server.asked) > asked)
    assert passing.ask("GET", "/healthz").status == 200  # Others are answered meanwhile.
    assert passing.ask("POST", "/v1/chat/completions", ASK).status == 200
    connection.close()
    model.held[0] = False


def test_what_is_no_call_is_refused_before_it_goes_up(passing: Serving, model: Model) -> None:
    asked = len(model.server.asked)
    assert passing.ask("POST", "/v1/chat/completions", b"{nope").error["code"] == "invalid_json"
    assert passing.ask("POST", "/v1/responses", b"[]").error["code"] == "invalid_json"
    huge = {**ASK, "messages": [{"role": "user", "content": "x" * 200_000}]}
    assert passing.ask("POST", "/v1/chat/completions", huge).status == 413
    assert len(model.server.asked) == asked


@pytest.mark.more
def test_two_hundred_calls_at_once_are_all_passed_on(passing: Serving) -> None:
    found: list[int] = []

    def call() -> None:
        found.append(passing.ask("POST", "/v1/chat/completions", {**ASK, "store": True}).status)

    before = len(StoredIds(passing).all())
    threads = [threading.Thread(target=call) for _ in range(200)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(PATIENCE)
    assert found == [200] * 200
    until(lambda: len(StoredIds(passing).all()) == before + 200)


class StoredIds:
    """Every recorded id, page by page."""

    def __init__(self, server: Serving) -> None:
        self.server = server

    def all(self) -> list[str]:
        found: list[str] = []
        after = ""
        while True:
            query = f"?limit=100&after={after}" if after else "?limit=100"
            page = self.server.ask("GET", f"/v1/chat/completions{query}").json
            found += [one["id"] for one in page["data"]]
            if not page["has_more"]:
                return found
            after = found[-1]


def test_nothing_of_it_is_there_unless_it_is_asked_for(start: Callable[..., Serving]) -> None:
    server = start("--jobs", "0")
    for path in ("/v1/chat/completions", "/v1/responses"):
        answer = server.ask("POST", path, ASK)
        assert (answer.status, answer.error["code"]) == (404, "unknown_url")
        assert "--record" in answer.error["message"]
        assert server.ask("GET", path).status == 405


def test_a_model_server_that_is_not_there_is_said(start: Callable[..., Serving]) -> None:
    gone = ScriptedServer(lambda *_: Told())
    gone.stop()
    server = start("--jobs", "0", "--record", "--base-url", gone.url, OPENAI_API_KEY=KEY)
    answer = server.ask("POST", "/v1/chat/completions", ASK)
    assert (answer.status, answer.error["code"]) == (502, "upstream_unreachable")


def test_the_server_s_token_is_for_the_server_and_goes_no_further(
    start: Callable[..., Serving], model: Model, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(TOKEN)
    server = start(
        "--jobs", "0", "--record", "--base-url", model.server.url, "--token-file", str(tmp_path / "token"),
        OPENAI_API_KEY=KEY,
    )  # fmt: skip
    assert server.ask("POST", "/v1/chat/completions", ASK).status == 401
    assert (
        server.ask("POST", "/v1/chat/completions", ASK, Authorization=f"Bearer {TOKEN}").status
        == 200
    )  # The model checks its key.


def test_a_judge_in_this_process_has_nobody_to_pass_calls_to(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="--rollout-url"):
        Serving(tmp_path / "store", ("--record", "--base-url", "local"))


CALL = {"index": 0, "id": "t", "function": {"name": "f", "arguments": '{"a"'}}
MORE = {"index": 0, "function": {"arguments": ": 1}"}}


def test_chunks_add_up_to_what_was_said() -> None:
    head = {"id": "c", "created": 1, "model": "m"}
    parts = [
        {"role": "assistant", "content": ""},
        {"tool_calls": [CALL]},
        {"tool_calls": [MORE]},
        {"refusal": "No"},
    ]
    told = [{**head, "choices": [{"index": 0, "delta": part}]} for part in parts]
    told += [{**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]},
             {**head, "choices": [], "usage": {"total_tokens": 3}}]  # fmt: skip
    raw = (
        b": ping\n\n"
        + b"".join(map(event, told)).replace(b"\n\n", b"\r\n\r\n")
        + b"data: [DONE]\n\n"
    )
    found = answer_of("completions", raw, events=True)
    assert found is not None
    [choice] = found["choices"]
    assert choice["message"]["tool_calls"][0]["function"] == {"name": "f", "arguments": '{"a": 1}'}
    assert (choice["message"]["refusal"], choice["finish_reason"]) == ("No", "tool_calls")
    assert (found["usage"], found["id"]) == ({"total_tokens": 3}, "c")


@pytest.mark.parametrize(
    ("kind", "raw", "events"),
    [
        ("completions", b"", True), ("completions", b"data: [DONE]\n\n", True), ("completions", b"{", False),
        ("completions", b"[]", False), ("completions", b'{"error": {}}', False),
        ("completions", chunks("c", "Hel", end=False), True),
        ("completions", event({"id": "c", "choices": [{"index": 0, "delta": {"tool_calls": [{"index": 9}]}}]}), True),
        ("responses", event({"type": "response.failed", "response": {"id": "r"}}), True),
        ("responses", event({"type": "response.completed", "response": 5}), True),
    ],
)  # fmt: skip
def test_what_broke_off_or_is_no_answer_is_none(kind: Any, raw: bytes, events: bool) -> None:
    assert answer_of(kind, raw, events=events) is None


def test_what_is_stored_by_default_is_what_the_api_stores() -> None:
    assert [is_to_be_stored("completions", {"store": one}) for one in (True, False, None)] == [
        True,
        False,
        False,
    ]
    assert [is_to_be_stored("responses", {"store": one}) for one in (True, False, None)] == [
        True,
        False,
        True,
    ]


def test_the_log_is_asked_by_every_filter_that_a_source_has(tmp_path: Path) -> None:
    with Store(tmp_path / "data") as store:
        base = store.database
        tool = {"type": "function", "name": "look"}
        for at in range(4):
            request = {"input": "x", "temperature": at / 2, "user": f"u{at}", "tools": [tool] if at else [],
                       "reasoning": {"effort": "low" if at % 2 else "high"}, "instructions": f"Be {at}"}  # fmt: skip
            keep_call(
                base,
                "responses",
                request,
                {"id": f"r{at}", "model": f"m{at % 2}", "created_at": at, "output": []},
            )

        def places(**source: Any) -> int:
            return len(stored_places(base, {"type": "responses", **source}, 99))

        assert (
            places(),
            places(model="m1"),
            places(created_after=2),
            places(created_before=0),
        ) == (4, 2, 2, 1)
        assert (places(temperature=0.5), places(users=["u1", "u2"]), places(tools=["look"])) == (
            1,
            2,
            3,
        )
        assert (
            places(reasoning_effort="low"),
            places(instructions_search="Be 3"),
            places(limit=2),
        ) == (2, 1, 2)
        assert (
            len(stored_places(base, {"type": "responses"}, 2)) == 2
        )  # What comes later is not of the run.
        with pytest.raises(ApiError, match="only what was recorded"):
            StoredCalls(base).get("completions", "r1")
