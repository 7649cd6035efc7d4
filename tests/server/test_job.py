"""Jobs that a server runs: beside the command on one store, and when their process is lost."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.chat.server import ScriptedServer, Told, completion
from tests.jobs.conftest import CHECK, lines, row, rows
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


def test_job_of_the_command_is_not_the_servers(
    start: Callable[..., Serving], tmp_path: Path
) -> None:
    server = start()
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
        # The server could not run it: it knows no model to ask.
        done = subprocess.run(
            [sys.executable, "-m", "graders", "job", "run", "body.json", "--data-dir",
             str(server.folder), "--rollout-url", model.url, "--json"],
            cwd=tmp_path, capture_output=True, text=True, check=False,
            env={**os.environ, "NO_PROXY": "127.0.0.1", "PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        job = json.loads(done.stdout)
        assert job["status"] == "succeeded"
        assert server.ask("GET", f"/v1/fine_tuning/jobs/{job['id']}").json == job
        assert not [one for one in server.lines if one["event"] == "job"]
    finally:
        model.stop()


def test_job_whose_process_is_killed_again_and_again_fails(start: Callable[..., Serving]) -> None:
    model = ScriptedServer(lambda *_: Told(held=lambda: True))
    try:
        server = start("--rollout-url", model.url)
        job = _create(server, lines([row("a")]), lines([row("b")]))

        def is_over(now: Any) -> bool:
            for pid in children_of(server.process.pid):
                if b"graders.jobs.worker" in command_of(pid):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            return now["status"] not in ("validating_files", "queued", "running")

        job = _wait(server, job["id"], is_over)
        assert job["status"] == "failed"
        assert job["error"]["code"] == "process_lost"
        assert "killed 5 times at step 1" in job["error"]["message"]
    finally:
        model.stop()


def test_faults_of_a_file_name_it_as_its_owner_does(start: Callable[..., Serving]) -> None:
    server = start()
    job = _create(server, lines(rows(3)) + b"{not json\n", lines(rows(1, 100)))
    job = _wait(server, job["id"], lambda one: one["status"] == "failed")
    assert job["error"]["param"] == "training_file"
    assert f"train.jsonl ({job['training_file']}), line 4: not JSON" in job["error"]["message"]


def test_job_outlives_its_server_and_changes_hands(start: Callable[..., Serving]) -> None:
    resumed = False

    def script(_: Any, count: int) -> Told:
        told: Told = completion("2")
        told.held = lambda: count > 40 and not resumed  # Some steps of the thirty.
        return told

    model = ScriptedServer(script)
    try:
        first = start("--rollout-url", model.url)
        second = start("--rollout-url", model.url, folder=first.folder)
        training = lines([row(f"q{n}") for n in range(30)])
        job = _create(first, training, lines([row("v")]), batch_size=1, eval_interval=30)
        _wait(second, job["id"], lambda one: one["dry_run"]["step"] > 2)
        paused = second.ask("POST", f"/v1/fine_tuning/jobs/{job['id']}/pause").json
        assert paused["status"] == "paused"
        first.process.kill()
        first.process.wait()
        step = _wait(second, job["id"], lambda _: True)["dry_run"]["step"]
        assert 2 < step < 30
        resumed = True
        second.ask("POST", f"/v1/fine_tuning/jobs/{job['id']}/resume")
        done = _wait(second, job["id"], lambda one: one["finished_at"] is not None)
        assert done["status"] == "succeeded"
        path = f"/v1/fine_tuning/jobs/{job['id']}/events?limit=100"
        events = second.ask("GET", path).json["data"]
        steps = [one["data"]["step"] for one in events if one["type"] == "metrics"]
        assert steps == list(range(30, 0, -1))
    finally:
        model.stop()
