"""Traces as OpenTelemetry has them: in a program with a provider, and sent to a real receiver."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import graders
from graders.batch.run import Run
from tests.models.server import ScriptedServer, completion, error
from tests.tracing.conftest import Receiver
from tests.waiting import PATIENCE

CHECK = {"type": "string_check", "name": "c", "operation": "eq", "input": "a", "reference": "a"}
JUDGE = {
    "type": "score_model", "name": "judge", "model": "judge-0",
    "input": [{"role": "user", "content": "{{ item.a }}"}],
    "sampling_params": {"temperature": 0.25, "seed": 7},
}  # fmt: skip

Score = Callable[..., Run]


def told(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.more)])
def test_rows_graded_in_workers_belong_to_the_runs_trace(
    memory: Any, score: Score, workers: int
) -> None:
    run = score(workers=workers, trace_rows=20)
    assert run.traced is not None
    spans = memory.get_finished_spans()
    assert {f"{one.context.trace_id:032x}" for one in spans} == {run.traced["trace_id"]}
    (whole,) = (one for one in spans if one.name == "graders.score")
    rows = [one for one in spans if one.name == "graders.row"]
    assert len(rows) + 1 == len(spans) == run.traced["spans"]
    assert all(one.parent.span_id == whole.context.span_id for one in rows)
    drawn = [one for one in rows if one.attributes["graders.row.index"] < 20]
    assert len(drawn) == 20
    failed = [one for one in rows if one.attributes.get("error.type")]
    assert 20 <= len(failed) <= 25  # And those that are drawn anyhow.
    assert whole.attributes["graders.rows"] == run.tally.rows
    assert whole.attributes["graders.rows.failed"] == run.tally.failed
    assert whole.attributes["graders.reward.mean"] == run.tally.rewards.mean
    assert whole.attributes["graders.reward.low"] < run.tally.rewards.mean
    assert all(one.start_time <= one.end_time for one in spans)


@pytest.mark.more
def test_results_are_the_same_bytes_with_a_trace(memory: Any, score: Score, tmp_path: Path) -> None:
    score(output="with.jsonl", workers=2)
    assert memory.get_finished_spans()
    score(output="without.jsonl", workers=2, trace_rows=0)
    assert (tmp_path / "with.jsonl").read_bytes() == (tmp_path / "without.jsonl").read_bytes()


def test_without_a_word_of_it_nothing_of_opentelemetry_is_imported(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"item": {"a": "x"}, "sample": "x"}\n')
    check = {"type": "string_check", "name": "c", "operation": "eq",
             "input": "{{ sample.output_text }}", "reference": "{{ item.a }}"}  # fmt: skip
    source = (
        f"import sys, graders; g = graders.load({check!r}); g.grade({{'a': 'x'}}, 'x')\n"
        "run = graders.score_file(g, 'rows.jsonl', 'out.jsonl')\n"
        "print(run.traced, [one for one in sys.modules if one.startswith('opentelemetry')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", source], cwd=tmp_path, capture_output=True, text=True, check=True,
        timeout=PATIENCE,
    )  # fmt: skip
    assert done.stdout == "None []\n"


@pytest.fixture
def judged(tmp_path: Path) -> Path:
    rows = [{"item": {"a": f"secret {n}"}, "sample": "s"} for n in range(4)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    (tmp_path / "grader.json").write_text(json.dumps(JUDGE))
    return tmp_path


def test_judge_calls_stand_in_their_rows_and_arrive_at_a_receiver(
    serve: Callable[..., ScriptedServer], receiver: Receiver, judged: Path, command: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    server = serve(
        lambda asked, n: completion() if "secret 2" not in str(asked.body) else error(400, "no")
    )
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "team=evals")
    monkeypatch.setenv("TRACEPARENT", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    done = command(
        judged, "score", "grader.json", "rows.jsonl", "-o", "out.jsonl", "--base-url", server.url,
        "--no-cache", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    body = json.loads(done.out)
    assert body["trace"] == {"trace_id": "0af7651916cd43dd8448eb211c80319c", "spans": 9, "lost": 0}
    assert receiver.headers[0]["path"] == "/v1/traces"
    assert receiver.resource["service.name"] == "graders"
    assert receiver.resource["team"] == "evals"
    spans = {one.span_id: one for one in receiver.spans}
    assert len(spans) == 9
    assert {one.trace_id.hex() for one in spans.values()} == {"0af7651916cd43dd8448eb211c80319c"}
    (whole,) = (one for one in spans.values() if one.name == "graders.score")
    assert whole.parent_span_id.hex() == "b7ad6b7169203331"
    calls = [one for one in spans.values() if one.name == "chat judge-0"]
    assert sorted(
        told(spans[one.parent_span_id].attributes)["graders.row.index"] for one in calls
    ) == [0, 1, 2, 3]
    (failed,) = (one for one in calls if one.status.code == 2)
    assert told(spans[failed.parent_span_id].attributes)["graders.row.index"] == 2
    asked = told(next(one for one in calls if one.status.code != 2).attributes)
    assert asked["gen_ai.request.temperature"] == 0.25
    assert asked["gen_ai.request.seed"] == 7
    assert asked["gen_ai.response.model"] == "judge-1"
    assert (asked["gen_ai.usage.input_tokens"], asked["gen_ai.usage.output_tokens"]) == (10, 5)
    assert (asked["server.address"], asked["server.port"]) == ("127.0.0.1", server.port)
    for row in (one for one in spans.values() if one.name == "graders.row"):
        (call,) = (one for one in calls if one.parent_span_id == row.span_id)
        assert row.start_time_unix_nano <= call.start_time_unix_nano
        assert call.end_time_unix_nano <= row.end_time_unix_nano
    assert b"secret" not in b"".join(one.SerializeToString() for one in receiver.requests)


def test_texts_arrive_where_the_standard_variable_asks_for_them(
    serve: Callable[..., ScriptedServer], receiver: Receiver, judged: Path, command: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    server = serve(lambda asked, n: completion())
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{receiver.url}/v1/traces")
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")
    done = command(
        judged, "score", "grader.json", "rows.jsonl", "-o", "out.jsonl", "--base-url", server.url
    )
    assert done.code == 0, done.err
    assert "9 spans" in done.out
    assert b"secret 3" in b"".join(one.SerializeToString() for one in receiver.requests)


def test_what_cannot_be_delivered_is_said_in_a_sentence_and_stops_nothing(
    receiver: Receiver, judged: Path, command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.status = 403
    (judged / "grader.json").write_text(json.dumps(CHECK))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
    done = command(judged, "score", "grader.json", "rows.jsonl", "-o", "out.jsonl")
    assert done.code == 0
    assert f"5 spans; 5 could not be delivered: {receiver.url}" in done.out
    assert "403" in done.out
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkim"}, "no exporter zipkim for traces is installed: there are console, none, otlp"),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grp"}, "is http/protobuf or grpc, got grp; did you mean grpc?"),
    ],
)  # fmt: skip
def test_a_variable_that_names_what_there_is_not_is_refused(
    judged: Path,
    command: Any,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    said: str,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    done = command(judged, "score", "grader.json", "rows.jsonl", "-o", "out.jsonl")
    assert done.code == 2, done
    assert said in done.err
    assert not (judged / "out.jsonl").exists()


@pytest.mark.parametrize(
    "variables",
    [
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_the_standard_ways_to_switch_it_off_do(
    score: Score, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert score(trace=variables.get("OTEL_SDK_DISABLED") == "true").traced is None


def test_a_sampler_that_draws_no_trace_makes_no_span(
    score: Score, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    traced = score().traced
    assert traced is not None
    assert (traced["spans"], traced["lost"], receiver.requests) == (0, 0, [])


def test_a_run_that_stops_has_its_figures_and_its_fault(memory: Any, score: Score) -> None:
    with pytest.raises(graders.StoppedError) as stopped:
        score(on_error="raise")
    (whole,) = (one for one in memory.get_finished_spans() if one.name == "graders.score")
    assert whole.attributes["error.type"] == "StoppedError"
    assert whole.attributes["graders.complete"] is False
    assert whole.attributes["graders.rows"] == stopped.value.run.tally.rows
    assert stopped.value.run.traced is not None


def test_grades_in_a_program_that_has_tracing_stand_in_its_current_span(
    memory: Any, grader: graders.Grader
) -> None:
    from opentelemetry import trace

    with trace.get_tracer_provider().get_tracer("mine").start_as_current_span("mine") as mine:
        grader.grade({"a": "x"}, "x")
        [*grader.grade_many([{"item": {"a": "x"}, "sample": "x"}] * 3)]
    rows = [one for one in memory.get_finished_spans() if one.name == "graders.row"]
    assert len(rows) == 4
    assert {one.parent.span_id for one in rows} == {mine.get_span_context().span_id}


OWN = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
import graders
memory = InMemorySpanExporter()
trace.set_tracer_provider(TracerProvider())
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(memory))
check = {"type": "string_check", "name": "c", "operation": "eq", "input": "{{ item.a }}", "reference": "x"}
run = graders.score_file(graders.load(check), "rows.jsonl", "out.jsonl")
print([one.name for one in memory.get_finished_spans()], run.traced['lost'])
"""


@pytest.mark.more
def test_a_programs_own_provider_is_taken_and_left_running(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"item": {"a": "x"}}\n')
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-c", OWN], cwd=tmp_path, capture_output=True, text=True, check=False,
        timeout=PATIENCE, env={**kept, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("['graders.row', 'graders.score'] 0\n", "")


def test_where_it_is_not_installed_a_variable_costs_a_sentence_and_an_option_is_refused(
    judged: Path, command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (judged / "grader.json").write_text(json.dumps(CHECK))
    monkeypatch.setattr("graders.tracing.telemetry.find_spec", lambda _: None)
    done = command(judged, "score", "grader.json", "rows.jsonl", "-o", "out.jsonl", "--trace")
    assert done.code == 2
    assert "--trace: OpenTelemetry is not installed: pip install 'local-graders[otel]'" in done.err
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    done = command(judged, "score", "grader.json", "rows.jsonl", "-o", "out.jsonl")
    assert done.code == 0
    assert (
        "no trace: OTEL_EXPORTER_OTLP_ENDPOINT is set, and OpenTelemetry is not installed"
        in done.out
    )
