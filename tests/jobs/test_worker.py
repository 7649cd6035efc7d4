"""The process that runs one job for a server."""

from __future__ import annotations

import pickle
import subprocess
from typing import Any

import pytest

from graders.jobs import RunOptions, Store
from graders.jobs.worker import ELSEWHERE
from graders.models import RolloutOptions
from graders.program import program
from tests.models.server import Told
from tests.waiting import PATIENCE, until


def begin(store: Store, name: str, options: RunOptions | None = None) -> subprocess.Popen[bytes]:
    started = subprocess.Popen(
        program("graders.jobs.worker", str(store.folder), name, "-"),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert started.stdin is not None
    started.stdin.write(pickle.dumps(options or RunOptions(), protocol=5))
    started.stdin.flush()
    return started


@pytest.mark.more
def test_a_job_is_run_to_its_end(store: Store, body: Any) -> None:
    name = store.jobs.create(body())["id"]
    with begin(store, name) as worker:
        assert worker.wait(PATIENCE) == 0
    assert store.jobs.get(name)["status"] == "succeeded"


@pytest.mark.more
def test_a_worker_is_gone_with_its_server(store: Store, body: Any, serve: Any) -> None:
    server = serve(lambda *_: Told(held=lambda: True))
    plain = [{"messages": [{"role": "user", "content": "?"}], "answer": "2"}]
    name = store.jobs.create(body(plain, plain))["id"]
    with begin(store, name, RunOptions(rollout=RolloutOptions(url=server.url))) as worker:
        until(lambda: server.asked)
        assert worker.stdin is not None
        worker.stdin.close()
        assert worker.wait(PATIENCE) == 3
    assert store.jobs.get(name)["status"] == "running"


def test_a_job_that_another_process_runs_is_left_to_it(store: Store, body: Any) -> None:
    name = store.jobs.create(body())["id"]
    with store.jobs.claim(name), begin(store, name) as worker:
        assert worker.wait(PATIENCE) == ELSEWHERE
        assert worker.stderr is not None
        assert worker.stderr.read() == b""  # Two servers on one store meet like this all the time.
    assert store.jobs.get(name)["status"] == "validating_files"


def test_a_job_that_this_server_cannot_run_fails(store: Store, body: Any) -> None:
    plain = [{"messages": [{"role": "user", "content": "?"}], "answer": "2"}]
    name = store.jobs.create(body(plain, plain))["id"]
    with store.database.writing() as base:  # As if a server with a model had begun it.
        base.execute(
            "UPDATE job SET validated=1, total_steps=1, status='queued', findings='[]', resolved="
            '\'{"batch_size": 1, "n_epochs": 1, "eval_interval": 1, "eval_samples": null,'
            ' "samples": 4, "steps": 1, "shown": {}}\''
        )
    with begin(store, name) as worker:
        assert worker.wait(PATIENCE) == 0
    job = store.jobs.get(name)
    assert job["status"] == "failed"
    assert job["error"]["code"] == "missing_rollouts"


def test_a_fault_of_ours_fails_the_job_rather_than_being_tried_for_ever(
    store: Store, body: Any
) -> None:
    name = store.jobs.create(body())["id"]
    with store.database.writing() as base:
        base.execute("UPDATE job SET validated=1, status='queued', findings='[]', resolved='{}'")
    with begin(store, name) as worker:
        assert worker.wait(PATIENCE) == 0
    error = store.jobs.get(name)["error"]
    assert error["code"] == "internal_error"
    assert "TypeError" in error["message"]
