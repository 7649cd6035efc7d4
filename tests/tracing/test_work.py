"""Runs of evals, jobs and requests as OpenTelemetry has them, sent to a real receiver."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import graders
from graders.api import JudgeOptions
from graders.evals.run import run_eval
from graders.evals.store import EvalStore
from graders.jobs import RunOptions, Store, run_job
from graders.tracing import Span, collected, work_trace
from tests.evals.conftest import JUDGE, eval_body, jsonl
from tests.jobs.conftest import CHECK, rows
from tests.models.server import ScriptedServer, completion
from tests.server.process import Serving
from tests.tracing.conftest import Receiver
from tests.tracing.test_telemetry import told
from tests.waiting import until

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def by_name(spans: list[Any], name: str) -> list[Any]:
    return [one for one in spans if one.name == name]


def test_an_evals_run_has_a_span_around_its_rows_and_judge_calls(
    store: Store, receiver: Receiver, serve: Callable[..., ScriptedServer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    server = serve(lambda asked, n: completion())
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
    evals = EvalStore(store)
    of = evals.create(eval_body(JUDGE))["id"]
    source = jsonl(("a", "a"), ("b", "x"), ("c", "c"))
    run = evals.create_run(of, {"data_source": source}, served=False)["id"]
    done = run_eval(evals, run, RunOptions(judge=JudgeOptions(base_url=server.url, cache="none")))
    assert done["status"] == "completed"
    (whole,) = by_name(receiver.spans, "graders.eval.run")
    known = told(whole.attributes)
    assert (known["graders.eval.id"], known["graders.eval.run.id"]) == (of, run)
    assert (known["graders.status"], known["graders.items.passed"]) == ("completed", 3)
    graded = by_name(receiver.spans, "graders.row")
    assert {one.parent_span_id for one in graded} == {whole.span_id}
    assert sorted(told(one.attributes)["graders.row.index"] for one in graded) == [0, 1, 2]
    calls = by_name(receiver.spans, "chat gpt-4o")
    assert {one.parent_span_id for one in calls} == {one.span_id for one in graded}
    assert {one.trace_id for one in receiver.spans} == {whole.trace_id}


def test_a_job_has_a_span_around_its_samples(
    store: Store, body: Any, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
    job = store.jobs.create(body(rows(4), rows(2, 100), hyperparameters={"n_epochs": 1}))["id"]
    done = run_job(store, job, RunOptions())
    assert done["status"] == "succeeded"
    (whole,) = by_name(receiver.spans, "graders.job")
    known = told(whole.attributes)
    assert (known["graders.job.id"], known["graders.job.method"]) == (job, "reinforcement")
    assert known["graders.status"] == done["status"]
    graded = by_name(receiver.spans, "graders.row")
    assert {one.parent_span_id for one in graded} == {whole.span_id}
    names = ("graders.split", "graders.row.index", "graders.sample")
    samples = {tuple(told(one.attributes)[name] for name in names) for one in graded}
    assert samples == {
        (split, line, sample)
        for split, count in (("train", 4), ("valid", 2)) for line in range(count) for sample in (0, 1)
    }  # fmt: skip


@pytest.mark.parametrize("sampled", ["01", "00"])
def test_a_request_goes_on_with_the_trace_that_it_names(
    tmp_path: Path, receiver: Receiver, sampled: str
) -> None:
    serving = Serving(
        tmp_path / "store", ("--jobs", "0", "--processes", "1"),
        {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url},
    )  # fmt: skip
    try:
        asked = {"grader": CHECK, "item": {"answer": "2"}, "model_sample": "2"}
        path = "/v1/fine_tuning/alpha/graders/run"
        parent = PARENT[:-2] + sampled
        answer = serving.ask("POST", path, asked, traceparent=parent)
        assert answer.json["reward"] == 1.0
        assert serving.ask("POST", path, {"grader": 1}).status == 400
        assert serving.ask("GET", "/healthz").status == 200
        assert serving.ask("GET", "/nowhere/secret").status == 404
        assert serving.stop() == 0
    finally:
        serving.close()
    requests = by_name(receiver.spans, f"POST {path}")
    inside = [one for one in requests if one.parent_span_id.hex() == "b7ad6b7169203331"]
    graded = by_name(receiver.spans, "graders.row")
    assert len(inside) == len(graded) == (sampled == "01")
    for one, row in zip(inside, graded, strict=True):
        known = told(one.attributes)
        assert (one.kind, one.trace_id.hex()) == (2, "0af7651916cd43dd8448eb211c80319c")
        assert known["http.response.status_code"] == 200
        assert known["graders.request.id"] == answer.headers["x-request-id"]
        assert (known["graders.rows"], known["graders.grader.type"]) == (1, "string_check")
        assert (row.parent_span_id, row.trace_id) == (one.span_id, one.trace_id)
        assert told(row.attributes)["graders.reward"] == 1.0
    (refused,) = [one for one in requests if one not in inside]
    assert refused.trace_id.hex() != "0af7651916cd43dd8448eb211c80319c"
    assert (refused.status.code, told(refused.attributes)["http.response.status_code"]) == (0, 400)
    assert [one.name for one in receiver.spans if "healthz" in one.name] == []
    (other,) = by_name(receiver.spans, "GET")
    assert "http.route" not in told(other.attributes)


def ended(serving: Serving, place: str) -> bool:
    return serving.ask("GET", place).json["status"] in {"succeeded", "completed", "failed"}


def test_what_a_request_creates_has_a_link_to_that_request(
    store: Store, body: Any, receiver: Receiver
) -> None:
    asked = body(rows(4), rows(2, 100), hyperparameters={"n_epochs": 1})
    serving = Serving(
        store.folder, ("--jobs", "1", "--processes", "1"),
        {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url},
    )  # fmt: skip
    jobs, evals = "/v1/fine_tuning/jobs", "/v1/evals"
    try:
        job = serving.ask("POST", jobs, asked, traceparent=PARENT).json["id"]
        assert serving.ask("POST", jobs, {"model": 1}).status == 400
        of = serving.ask("POST", evals, eval_body(CHECK)).json["id"]
        source = {"data_source": jsonl(("a", "a"), ("b", "x"))}
        run = serving.ask("POST", f"{evals}/{of}/runs", source).json["id"]
        for place in (f"{jobs}/{job}", f"{evals}/{of}/runs/{run}"):
            until(partial(ended, serving, place))
        assert serving.stop() == 0
    finally:
        serving.close()
    for route, work in ((jobs, "graders.job"), (f"{evals}/{{id}}/runs", "graders.eval.run")):
        created = [
            one for one in by_name(receiver.spans, f"POST {route}")
            if told(one.attributes)["http.response.status_code"] < 300
        ]  # fmt: skip
        ((one,), (whole,)) = created, by_name(receiver.spans, work)
        (link,) = whole.links
        assert (link.trace_id, link.span_id) == (one.trace_id, one.span_id)
        assert one.kind == 2
        assert whole.trace_id != one.trace_id
        assert one.start_time_unix_nano < one.end_time_unix_nano <= whole.end_time_unix_nano
    (first,) = [one for one in receiver.spans if one.parent_span_id.hex() == "b7ad6b7169203331"]
    assert (first.name, first.trace_id.hex()) == (f"POST {jobs}", PARENT.split("-")[1])


def test_a_server_whose_collector_is_away_answers_and_says_so_at_its_end(tmp_path: Path) -> None:
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
    }
    serving = Serving(tmp_path / "store", ("--jobs", "0", "--processes", "1"), environment)
    try:
        assert serving.ask("GET", "/v1/files").status == 200
        assert serving.stop() == 0
    finally:
        serving.close()
    (line,) = [one for one in serving.lines if one["event"] == "trace"]
    assert "1 spans were lost: http://127.0.0.1:9" in line["message"]


def test_what_hinders_a_trace_is_a_warning_and_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "no-such-exporter")
    with caplog.at_level(logging.WARNING), work_trace("graders.job", {}) as trace:
        with trace.rows(lambda: pytest.fail("nobody asks")):
            pass
        trace.finish({"graders.status": "succeeded"})
    assert "no exporter no-such-exporter for traces" in caplog.text


def test_nothing_is_collected_unless_it_is_wanted() -> None:
    grader = graders.load({**CHECK, "reference": "2"})
    with collected(wanted=False) as none:
        grader.grade({}, "2")
    with collected(wanted=True) as some:
        grader.grade({}, "2")
        list(grader.grade_many([{"item": {}, "sample": "x"}] * 3))
    assert none == []
    assert [one.attributes["graders.reward"] for one in some] == [1.0, 0.0, 0.0, 0.0]
    assert [Span.of(json.loads(json.dumps(asdict(one)))) for one in some] == some
