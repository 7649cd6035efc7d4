"""Jobs that a server runs: beside the command on one store, and when their process is lost."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from graders import cli
from tests.jobs.conftest import CHECK, lines, row, rows
from tests.models.server import ScriptedServer, Told, completion
from tests.server.process import Serving
from tests.waiting import children_of, command_of, until


def _create(server: Serving, training: bytes, validation: bytes, **hyperparameters: Any) -> Any:
    body = {
        "model": "o4-mini-2025-04-16",
        "training_file": server.upload(training, "train.jsonl").json["id"],
        "validation_file": server.upload(validation, "valid.jsonl").json["id"],
        "method": {
            "type": "reinforcement",
            "reinforcement": {"grader": CHECK, "hyperparameters": hyperparameters},
        },
    }
    answer = server.ask("POST", "/v1/fine_tuning/jobs", body)
    assert answer.status == 200, answer.body
    return answer.json


def _wait(server: Serving, name: str, wanted: Callable[[Any], bool]) -> Any:
    def found() -> Any:
        job = server.ask("GET", f"/v1/fine_tuning/jobs/{name}").json
        return job if wanted(job) else None

    return until(found)


class Model:
    """A model server that never answers, but for what a test lets it say."""

    def __init__(self) -> None:
        self.says: Callable[[], Told] = self.silent
        self.server = ScriptedServer(lambda *_: self.says())

    @staticmethod
    def silent() -> Told:
        return Told(held=lambda: True)


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    made = Model()
    yield made
    made.server.stop()


@pytest.fixture(scope="module")
def working(tmp_path_factory: pytest.TempPathFactory, model: Model) -> Iterator[Serving]:
    """A server that runs jobs, and asks that model."""
    options = ("--processes", "1", "--rollout-url", model.server.url)
    serving = Serving(tmp_path_factory.mktemp("working"), options)
    yield serving
    serving.close()


@pytest.mark.more
def test_job_of_the_command_is_not_the_servers(
    working: Serving,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = ScriptedServer(lambda *_: completion("2"))
    try:
        (tmp_path / "train.jsonl").write_bytes(lines([row(f"q{n}") for n in range(4)]))
        (tmp_path / "valid.jsonl").write_bytes(lines([row("v")]))
        body = {
            "model": "o4-mini-2025-04-16", "training_file": "train.jsonl",
            "validation_file": "valid.jsonl",
            "method": {"type": "reinforcement", "reinforcement": {"grader": CHECK}},
        }  # fmt: skip
        (tmp_path / "body.json").write_text(json.dumps(body))
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        # The server could not run it: the model that it asks never answers.
        code = cli._main(
            ["job", "run", "body.json", "--data-dir", str(working.folder),
             "--rollout-url", model.url, "--json"]
        )  # fmt: skip
        done = capsys.readouterr()
        assert code == 3, done.err  # It always answers the same.
        job = json.loads(done.out)
        assert job["status"] == "succeeded"
        assert working.ask("GET", f"/v1/fine_tuning/jobs/{job['id']}").json == job
        jobs = [one["id"] for one in working.lines if one["event"] == "job"]
        assert job["id"] not in jobs
    finally:
        model.stop()


@pytest.mark.more
def test_job_whose_process_is_killed_again_and_again_fails(working: Serving) -> None:
    job = _create(working, lines([row("a")]), lines([row("b")]))

    def is_over(now: Any) -> bool:
        for pid in children_of(working.process.pid):
            if b"graders.jobs.worker" in command_of(pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        return now["status"] not in ("validating_files", "queued", "running")

    job = _wait(working, job["id"], is_over)
    assert job["status"] == "failed"
    assert job["error"]["code"] == "process_lost"
    assert "killed 5 times at step 1" in job["error"]["message"]


@pytest.mark.more
def test_faults_of_a_file_name_it_as_its_owner_does(working: Serving) -> None:
    job = _create(working, lines(rows(3)) + b"{not json\n", lines(rows(1, 100)))
    job = _wait(working, job["id"], lambda one: one["status"] == "failed")
    assert job["error"]["param"] == "training_file"
    assert f"train.jsonl ({job['training_file']}), line 4: not JSON" in job["error"]["message"]


def test_job_is_paused_resumed_and_cancelled(server: Serving) -> None:
    job = _create(server, lines([row("a", samples=["2"])]), lines([row("b", samples=["2"])]))
    path = f"/v1/fine_tuning/jobs/{job['id']}"
    for action, status in (("pause", "paused"), ("resume", "queued"), ("cancel", "cancelled")):
        assert server.ask("POST", f"{path}/{action}").json["status"] == status
        assert server.ask("GET", path).json["status"] == status


@pytest.mark.more
def test_job_outlives_its_server_and_changes_hands(
    working: Serving, model: Model, start: Callable[..., Serving]
) -> None:
    resumed = False
    asked = itertools.count()

    def says() -> Told:
        told: Told = completion("2")
        count = next(asked)
        told.held = lambda: count > 40 and not resumed  # Some steps of the thirty.
        return told

    model.says = says
    try:
        first = start("--rollout-url", model.server.url, folder=working.folder)
        training = lines([row(f"q{n}") for n in range(30)])
        job = _create(first, training, lines([row("v")]), batch_size=1, eval_interval=30)
        _wait(working, job["id"], lambda one: one["dry_run"]["step"] > 2)
        paused = working.ask("POST", f"/v1/fine_tuning/jobs/{job['id']}/pause").json
        assert paused["status"] == "paused"
        first.process.kill()
        first.process.wait()
        step = _wait(working, job["id"], lambda _: True)["dry_run"]["step"]
        assert 2 < step < 30
        resumed = True
        working.ask("POST", f"/v1/fine_tuning/jobs/{job['id']}/resume")
        done = _wait(working, job["id"], lambda one: one["finished_at"] is not None)
        assert done["status"] == "succeeded"
        path = f"/v1/fine_tuning/jobs/{job['id']}/events?limit=100"
        events = working.ask("GET", path).json["data"]
        steps = [one["data"]["step"] for one in events if one["type"] == "metrics"]
        assert steps == list(range(30, 0, -1))
    finally:
        resumed = True
        model.says = model.silent


def test_a_served_job_tells_the_verdict_for_the_servers_target(tmp_path: Path) -> None:
    serving = Serving(tmp_path, ("--processes", "1", "--target", "openai"))
    try:
        job = _create(serving, lines(rows(3)), lines(rows(1, 50)))
        done = _wait(serving, job["id"], lambda one: one["finished_at"] is not None)
        events = serving.ask("GET", f"/v1/fine_tuning/jobs/{job['id']}/events").json["data"]
    finally:
        serving.close()
    found = done["dry_run"]["verdict"]
    assert (found["target"], found["outcome"]) == ("openai", "would_be_refused")
    assert found["reasons"][0]["code"] == "base_model_off"
    # The newest event comes first.
    assert events[0]["message"].startswith(
        "Verdict: this job would be refused: OpenAI has switched"
    )
    assert (events[0]["level"], events[0]["data"]["verdict"]) == ("error", found)
