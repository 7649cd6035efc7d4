"""Runs of evals: every data source, verdicts, failures that are said, counts and usage."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graders import jsontext
from graders.evals.answer import read_answer
from graders.evals.run import run_eval
from graders.evals.store import EvalStore
from graders.evals.stored import keep_call
from graders.jobs import ApiError, RunOptions
from graders.models import JudgeOptions, RolloutOptions
from graders.training.local_sampler import LocalSampler
from graders.training.said import Said
from tests.evals.conftest import ALIKE, EXACT, JUDGE, asking, eval_body, jsonl
from tests.models.server import Asked, ScriptedServer, Told, completion, error

Serve = Callable[..., ScriptedServer]


def ran(
    evals: EvalStore, source: Any, *criteria: Any, url: str | None = None
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Create an eval and a run, run it, and return the run and its items."""
    made = evals.create(eval_body(*criteria))
    run = evals.create_run(made["id"], {"data_source": source})
    options = RunOptions(
        rollout=RolloutOptions(url=url, attempts=1),
        judge=JudgeOptions(base_url=url, cache="none", attempts=1),
    )
    done = run_eval(evals, run["id"], options)
    return done, evals.list_items(made["id"], run["id"], limit=100)[0]


def test_rows_with_samples_get_verdicts_counts_and_reasons(evals: EvalStore) -> None:
    run, items = ran(evals, jsonl(("Paris", "Paris"), ("Paris", "Pariss"), ("Paris", None)))
    assert run["status"] == "completed"
    assert run["result_counts"] == {"total": 3, "passed": 1, "failed": 1, "errored": 1}
    verdicts = {
        one["testing_criteria"].rpartition("-")[0][:5]: (
            one["passed"],
            one["failed"],
            one["errored"],
        )
        for one in run["per_testing_criteria_results"]
    }
    assert verdicts == {"exact": (1, 1, 1), "alike": (2, 0, 1)}
    assert [one["status"] for one in items] == ["pass", "fail", "error"]
    assert [one["datasource_item_id"] for one in items] == [0, 1, 2]
    exact, alike = items[1]["results"]
    assert (exact["passed"], exact["score"], exact["type"]) == (False, 0.0, "string-check-grader")
    assert (alike["passed"], alike["score"]) == (True, 10 / 11)
    assert items[1]["sample"]["output"] == [{"role": "assistant", "content": "Pariss"}]
    # What could not be graded has no score: never a silent zero.
    for result in items[2]["results"]:
        assert (result["score"], result["passed"], result["status"]) == (None, False, "error")
        assert "no sample" in result["error"]["message"]


def test_a_file_of_rows_gives_what_the_same_rows_in_the_body_give(evals: EvalStore) -> None:
    source = jsonl(("Paris", "Paris"), ("Rome", "rome"))
    given, items = ran(evals, source)
    lines = b"".join(jsontext.encode(one) + b"\n" for one in source["source"]["content"])
    file = evals.store.files.create(io.BytesIO(lines), filename="rows.jsonl", purpose="evals")
    filed, others = ran(evals, {"type": "jsonl", "source": {"type": "file_id", "id": file["id"]}})
    assert given["result_counts"] == filed["result_counts"]
    same = ("status", "datasource_item", "sample")
    assert [[one[name] for name in same] for one in items] == [
        [one[name] for name in same] for one in others
    ]


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("", "has no rows"),
        ('{"item": {}}\n{"itm": {}}\n', 'line 2 of the file rows.jsonl (FILE): a row is {"item"'),
        ('{"item": {}}\n{"item": \n', "line 2 of the file rows.jsonl (FILE) is not JSON"),
    ],
)
def test_a_file_that_is_no_rows_fails_the_run_in_a_sentence(
    evals: EvalStore, lines: str, says: str
) -> None:
    file = evals.store.files.create(
        io.BytesIO(lines.encode()), filename="rows.jsonl", purpose="evals"
    )
    run, items = ran(evals, {"type": "jsonl", "source": {"type": "file_id", "id": file["id"]}})
    assert (run["status"], items) == ("failed", [])
    assert says.replace("FILE", file["id"]) in run["error"]["message"]


def test_a_file_that_changed_fails_the_run(evals: EvalStore) -> None:
    content = b'{"item": {"answer": "x"}}\n'
    file = evals.store.files.create(io.BytesIO(content), filename="a.jsonl", purpose="evals")
    evals.store.files.blob(file["id"]).write_bytes(content.replace(b"x", b"y"))
    run, _ = ran(evals, {"type": "jsonl", "source": {"type": "file_id", "id": file["id"]}})
    assert run["error"]["code"] == "file_changed"


@pytest.mark.parametrize("kind", ["completions", "responses"])
def test_a_model_is_asked_for_what_rows_do_not_have(
    evals: EvalStore, serve: Serve, kind: str
) -> None:
    def answer(asked: Asked, _: int) -> Told:
        spoken = asked.body.get("messages") or asked.body["input"]
        text = "a" + spoken[-1]["content"][1:]
        if asked.path == "/v1/chat/completions":
            return completion(text)
        output = [{"type": "reasoning", "summary": []},
                  {"type": "message", "role": "assistant",
                   "content": [{"type": "output_text", "text": text}]}]  # fmt: skip
        usage = {"input_tokens": 10, "output_tokens": 5}
        body = {"object": "response", "model": "judge-1", "output": output, "usage": usage}
        return Told(body=json.dumps(body).encode())

    server = serve(answer)
    params = {"temperature": 0.5, "max_completion_tokens": 9, "seed": 3}
    source = asking(kind, ["a0", "b1"], sampling_params=params)
    run, items = ran(evals, source, EXACT, url=server.url)
    assert run["result_counts"] == {"total": 2, "passed": 1, "failed": 1, "errored": 0}
    assert run["model"] == "small"
    [usage] = run["per_model_usage"]
    assert (usage["model_name"], usage["invocation_count"]) == ("small", 2)
    assert (usage["prompt_tokens"], usage["total_tokens"]) == (20, 30)
    sample = items[0]["sample"]
    assert sample["input"] == [{"role": "user", "content": "q0"}]
    assert sample["output"][0]["content"] == "a0"
    assert (sample["temperature"], sample["max_completion_tokens"], sample["seed"]) == (0.5, 9, 3)
    assert (sample["model"], sample["finish_reason"]) == ("judge-1", "stop")
    sent = server.asked[0].body
    assert sent["model"] == "small"
    if kind == "completions":
        assert (sent["max_completion_tokens"], sent["seed"]) == (9, 3)
    else:
        assert server.asked[0].path == "/v1/responses"
        assert (sent["max_output_tokens"], sent["store"]) == (9, False)
        assert "seed" not in sent  # The Responses API has none.


def test_a_server_without_responses_is_asked_by_chat_completions(
    evals: EvalStore, serve: Serve
) -> None:
    def answer(asked: Asked, _: int) -> Told:
        return completion("a0") if asked.path.endswith("completions") else error(404)

    server = serve(answer)
    text = {"format": {"type": "json_schema", "name": "x", "schema": {"type": "object"}}}
    tool = {"type": "function", "name": "f", "parameters": {"type": "object"}}
    source = asking("responses", ["a0"], sampling_params={"text": text, "tools": [tool]})
    run, _ = ran(evals, source, EXACT, url=server.url)
    assert run["result_counts"]["passed"] == 1
    sent = server.asked[-1].body
    assert sent["response_format"]["json_schema"] == {"name": "x", "schema": {"type": "object"}}
    assert sent["tools"][0]["function"] == {"name": "f", "parameters": {"type": "object"}}


def test_tool_calls_are_seen_by_graders_and_shown(evals: EvalStore, serve: Serve) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": '{"x": 1}'}}
    server = serve(lambda *_: completion(None, "tool_calls", tool_calls=[call]))
    named = {**EXACT, "input": "{{sample.output_tools[0].function.name}}", "reference": "look"}
    run, items = ran(evals, asking("completions", ["a0"]), named, url=server.url)
    assert run["result_counts"]["passed"] == 1
    assert items[0]["sample"]["output"][0]["tool_calls"] == [call]
    assert items[0]["sample"]["finish_reason"] == "tool_calls"


def test_an_item_reference_sends_the_messages_of_the_item(evals: EvalStore, serve: Serve) -> None:
    server = serve(lambda *_: completion("ok"))
    talk = [{"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}]  # fmt: skip
    rows = [{"item": {"talk": talk, "answer": "ok"}}, {"item": {"answer": "ok"}}]
    source = {
        "type": "completions", "model": "m", "source": {"type": "file_content", "content": rows},
        "input_messages": {"type": "item_reference", "item_reference": "item.talk"},
    }  # fmt: skip
    run, items = ran(evals, source, EXACT, url=server.url)
    assert server.asked[0].body["messages"] == [
        {"role": "system", "content": "Be brief."},  # No first-party server: it knows system alone.
        {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
    ]
    assert run["result_counts"] == {"total": 2, "passed": 1, "failed": 0, "errored": 1}
    assert items[1]["sample"]["error"]["code"] == "invalid_variable_error"
    assert len(server.asked) == 1


def test_a_row_that_a_model_does_not_answer_is_an_error_with_its_reason(
    evals: EvalStore, serve: Serve
) -> None:
    def answer(asked: Asked, _: int) -> Told:
        last = asked.body["messages"][-1]["content"]
        return error(400, "no such thing") if last == "q1" else completion("a0")

    run, items = ran(evals, asking("completions", ["a0", "a1"]), EXACT, url=serve(answer).url)
    assert run["result_counts"] == {"total": 2, "passed": 1, "failed": 0, "errored": 1}
    assert (items[1]["status"], items[1]["results"]) == ("error", [])
    assert "no such thing" in items[1]["sample"]["error"]["message"]


def test_a_model_that_is_not_there_fails_the_run_which_goes_on_later(
    evals: EvalStore, serve: Serve
) -> None:
    gone = serve()
    url = gone.url
    gone.stop()
    made = evals.create(eval_body(EXACT))
    source = asking("completions", ["a0", "a1"])
    run = evals.create_run(made["id"], {"data_source": source})
    options = RunOptions(rollout=RolloutOptions(url=url, attempts=1, deadline=20))
    assert run_eval(evals, run["id"], options)["error"]["code"] == "model_unreachable"
    server = serve()
    evals.resume_run(made["id"], run["id"])
    done = run_eval(evals, run["id"], RunOptions(rollout=RolloutOptions(url=server.url)))
    assert (done["status"], done["error"]) == ("completed", None)
    assert done["result_counts"]["passed"] == 2


def test_judges_are_asked_and_what_they_said_is_kept(evals: EvalStore, serve: Serve) -> None:
    server = serve()
    run, items = ran(evals, asking("completions", ["a0", "a1", "b2"]), EXACT, JUDGE, url=server.url)
    assert run["result_counts"] == {"total": 3, "passed": 2, "failed": 1, "errored": 0}
    used = {one["model_name"]: one["invocation_count"] for one in run["per_model_usage"]}
    assert used == {"small": 3, "judge-1": 3}
    judged = items[0]["results"][1]
    assert judged["score"] == 1.0
    assert judged["sample"]["input"] == [{"role": "user", "content": "Q q0 A a0"}]
    assert judged["sample"]["output"][0]["content"] == '{"steps": [], "result": 1.0}'


def test_what_was_logged_is_graded_or_asked_anew(evals: EvalStore, serve: Serve) -> None:
    for at, (user, answer) in enumerate([("q0", "a0"), ("q1", "wrong"), ("q2", "a2")]):
        request = {"model": "big", "messages": [{"role": "user", "content": user}],
                   "metadata": {"use": "chat" if at < 2 else "other"}}  # fmt: skip
        response = jsontext.decode(completion(answer).body) | {"id": f"c{at}", "created": 100 + at}
        assert keep_call(evals.store.database, "completions", request, response)
        assert not keep_call(evals.store.database, "completions", request, response)
    said = {**EXACT, "reference": "a0"}
    source = {"type": "stored_completions", "metadata": {"use": "chat"}}
    run, items = ran(evals, {"type": "completions", "source": source}, said)
    assert run["result_counts"] == {"total": 2, "passed": 1, "failed": 1, "errored": 0}
    assert items[0]["datasource_item"]["input"] == [{"role": "user", "content": "q0"}]
    server = serve()
    anew = {
        "type": "completions", "source": {**source, "limit": 1}, "model": "small",
        "input_messages": {"type": "item_reference", "item_reference": "item.input"},
    }  # fmt: skip
    run, items = ran(evals, anew, said, url=server.url)
    assert (run["result_counts"]["total"], len(server.asked)) == (1, 1)
    none = {"type": "completions", "source": {"type": "stored_completions", "model": "nobody"}}
    assert ran(evals, none)[0]["error"]["code"] == "no_rows"


def test_rows_come_in_order_and_each_once_whatever_was_done_before(
    evals: EvalStore, serve: Serve
) -> None:
    server = serve()
    answers = [f"a{at}" for at in range(150)]
    made = evals.create(eval_body(EXACT))
    run = evals.create_run(made["id"], {"data_source": asking("completions", answers)})
    options = RunOptions(rollout=RolloutOptions(url=server.url))
    stops = iter([False, False, True])
    run_eval(evals, run["id"], options, stopping=lambda: next(stops, True))
    part = evals.get_run(made["id"], run["id"])
    assert part["status"] == "in_progress"
    assert 0 < part["result_counts"]["total"] < 150
    done = run_eval(evals, run["id"], options)
    assert done["result_counts"] == {"total": 150, "passed": 150, "failed": 0, "errored": 0}
    asked = Counter(one.body["messages"][-1]["content"] for one in server.asked)
    assert (len(asked), max(asked.values())) == (150, 1)
    places, after = [], None
    while True:
        page, more = evals.list_items(made["id"], run["id"], after, 40)
        places += [one["datasource_item_id"] for one in page]
        after = page[-1]["id"]
        if not more:
            break
    assert places == list(range(150))


def test_a_canceled_run_stops_and_a_deleted_one_leaves_nothing(
    evals: EvalStore, serve: Serve
) -> None:
    made = evals.create(eval_body(EXACT))
    run = evals.create_run(made["id"], {"data_source": asking("completions", ["a0"] * 200)})

    def answer(asked: Asked, count: int) -> Told:
        if count == 3:
            evals.cancel_run(made["id"], run["id"])
        return completion("a0")

    options = RunOptions(rollout=RolloutOptions(url=serve(answer).url))
    done = run_eval(evals, run["id"], options)
    assert done["status"] == "canceled"
    assert done["result_counts"]["total"] <= 64
    with pytest.raises(ApiError, match="cannot be canceled"):
        evals.cancel_run(made["id"], run["id"])
    evals.delete(made["id"])
    with evals.store.database.reading() as base:
        for table in ("item", "answer"):
            assert base.execute(f"SELECT count(*) FROM {table}").fetchone()[0] == 0
    with pytest.raises(ApiError, match="No such eval"):
        evals.get_run(made["id"], run["id"])


class Slow:
    """A model of this machine that answers one call after the other."""

    def __init__(self, told: Callable[[int], None]) -> None:
        self.count, self._told = 0, told

    async def answer(self, _: Any) -> Said:
        self.count += 1
        self._told(self.count)
        said = Said(1)
        said.add({"choice": 0, "text": "a0", "reason": "stop", "tokens": 1})
        said.add({"done": True, "prompt": 1})
        return said

    async def close(self) -> None:
        pass


def test_a_canceled_run_does_not_wait_for_what_a_local_model_has_not_said(
    evals: EvalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = evals.create(eval_body(EXACT))
    run = evals.create_run(made["id"], {"data_source": asking("completions", ["a0"] * 200)})

    def told(count: int) -> None:
        if count == 3:
            evals.cancel_run(made["id"], run["id"])

    models: Any = Slow(told)
    sampler = LocalSampler(models, "m", read_answer)
    monkeypatch.setattr("graders.evals.run._sampler", lambda *_: sampler)
    assert run_eval(evals, run["id"], RunOptions())["status"] == "canceled"
    assert models.count == 3


def test_criteria_that_cannot_run_here_fail_the_run_and_say_why(evals: EvalStore) -> None:
    source = {"type": "python", "name": "p", "source": "def grade(sample, item):\n    return 1.0 +"}
    run, _ = ran(evals, jsonl(("a", "a")), ALIKE, source)
    assert run["error"]["code"] == "grader_unavailable"
    assert "syntax" in run["error"]["message"].lower()


def test_a_store_of_the_version_before_is_brought_up(tmp_path: Path) -> None:
    import sqlite3

    from graders.files import database
    from graders.jobs import Store

    folder = tmp_path / "old"
    folder.mkdir()
    with sqlite3.connect(folder / "graders.sqlite") as base:
        for statement in database._SCHEMAS[0].split(";"):
            base.execute(statement)
        base.execute("PRAGMA user_version=1")
    base.close()
    with Store(folder) as store:
        assert EvalStore(store).list() == ([], False)
        assert store.jobs.list() == ([], False)
