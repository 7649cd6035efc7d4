"""Jobs whose processes are killed: the same results, the same events, nothing lost or done twice."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from graders.jobs import ApiError, RunOptions, Store, run_job
from graders.jobs.worker import ELSEWHERE
from graders.models import JudgeOptions, RolloutOptions
from tests.jobs.conftest import row
from tests.jobs.test_worker import begin
from tests.models.server import completion
from tests.waiting import PATIENCE, until

ROOT = Path(__file__).parent.parent.parent


def killed(
    store: Store, folder: Path, url: str = "-", stride: int = 1, module: str = "tests.jobs.killing"
) -> Any:
    """Kill runs of the store's one piece of work at every, or every n-th, transaction; return what came of it."""
    store.close()
    with store.database.writing() as base:
        base.execute("SELECT 1")
    store.close()
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            module,
            str(store.folder),
            str(folder),
            url,
            str(stride),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=3 * PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    "stride", [pytest.param(20, marks=pytest.mark.more), pytest.param(1, marks=pytest.mark.slow)]
)
def test_a_run_killed_at_every_transaction_ends_as_if_nobody_had(
    store: Store, body: Any, tmp_path: Path, stride: int
) -> None:
    store.jobs.create(body(hyperparameters={"n_epochs": 2, "batch_size": 6}, seed=1))
    (tmp_path / "work").mkdir()
    found = killed(store, tmp_path / "work", stride=stride)
    assert found["wrong"] == []
    assert found["wanted"]["status"] == "succeeded"
    assert found["wanted"]["left"] == [0, 0]
    assert found["wanted"]["orphans"] == found["wanted"]["lost"] == 0
    assert found["kills"] > 60 / stride


@pytest.mark.parametrize(
    "stride",
    [pytest.param(20, marks=pytest.mark.more), pytest.param(1, marks=pytest.mark.slow)],
)
def test_a_run_with_a_model_killed_at_every_transaction_asks_for_nothing_that_it_has(
    store: Store, body: Any, tmp_path: Path, serve: Any, stride: int
) -> None:
    plain = [{"messages": [{"role": "user", "content": f"{n}?"}], "answer": "2"} for n in range(2)]
    # What a model answers depends on what it is asked alone.
    server = serve(lambda asked, _: completion("2" if asked.body["seed"] % 2 else "3"))
    store.jobs.create(
        body(plain, plain[:1], seed=1, hyperparameters={"batch_size": 1, "eval_interval": 2})
    )
    (tmp_path / "work").mkdir()
    found = killed(store, tmp_path / "work", server.url, stride)
    assert found["wrong"] == []
    assert found["wanted"]["status"] == "succeeded"
    # Nine samples a round; only the one that was on its way at a kill is asked for again.
    asked = Counter(one.body["seed"] for one in server.asked)
    assert len(asked) == 9
    assert sum(asked.values()) <= 9 * found["rounds"] + found["kills"]
    assert found["kills"] > 60 / stride


@pytest.mark.slow
@pytest.mark.parametrize(("kills", "epochs"), [(2, 8), (8, 50)])
def test_a_worker_killed_at_any_time_goes_on(
    store: Store, body: Any, kills: int, epochs: int
) -> None:
    draw = random.Random(5)
    wanted = store.jobs.create(body(seed=1, hyperparameters={"n_epochs": epochs, "batch_size": 1}))
    result = store.files.path(run_job(store, wanted["id"])["result_files"][0]).read_bytes()
    name = store.jobs.create(
        body(seed=1, hyperparameters={"n_epochs": epochs, "batch_size": 1})
    )["id"]  # fmt: skip
    killed = 0

    def reached(step: int) -> bool:
        return bool(store.jobs.get(name)["dry_run"]["step"] >= step)

    for _ in range(kills):
        with begin(store, name) as worker:
            step = store.jobs.get(name)["dry_run"]["step"] + draw.randint(1, 40)
            until(lambda: worker.poll() is not None or reached(step))  # noqa: B023
            killed += worker.poll() is None
            worker.kill()
    job = run_job(store, name)
    assert job["status"] == "succeeded"
    assert killed
    assert store.files.path(job["result_files"][0]).read_bytes() == result


@pytest.mark.slow
def test_two_processes_never_run_one_job_at_once(store: Store, body: Any) -> None:
    name = store.jobs.create(body(hyperparameters={"n_epochs": 3, "batch_size": 1}))["id"]
    workers = [begin(store, name) for _ in range(2)]
    codes = []
    for worker in workers:
        with worker:
            codes.append(worker.wait(PATIENCE))
    assert 0 in codes
    assert set(codes) <= {0, ELSEWHERE}
    job = store.jobs.get(name)
    assert job["status"] == "succeeded"
    with store.database.reading() as base:
        query = "SELECT message FROM event WHERE job=?"
        messages = Counter(row[0] for row in base.execute(query, (1,)))
    assert messages["Fine-tuning job started"] == 1
    assert sum(one.startswith("Step ") for one in messages.elements()) == 36
    assert len(store.files.list(purpose="fine-tune-results")[0]) == 1


@pytest.mark.parametrize("action", ["pause", "cancel"])
@pytest.mark.parametrize("at", ["validating_files", "running", "step"])
def test_pause_and_cancel_take_effect_before_the_next_step(
    store: Store, body: Any, action: str, at: str
) -> None:
    wanted = body(seed=1, hyperparameters={"batch_size": 2})
    whole = run_job(store, store.jobs.create(wanted)["id"])
    name = store.jobs.create(wanted)["id"]
    done: list[str] = []

    def act(progress: Any) -> None:
        reached = progress.step == 3 if at == "step" else progress.status == at
        if reached and not done:
            done.append(getattr(store.jobs, action)(name)["status"])

    job = run_job(store, name, on_progress=act)
    stopped = {"pause": "paused", "cancel": "cancelled"}[action]
    assert done == [stopped]
    assert job["status"] == stopped
    assert job["dry_run"]["step"] == (3 if at == "step" else 0)
    assert run_job(store, name)["status"] == stopped  # Nothing happens until it is resumed.
    last = store.jobs.events(name)[0][0]["message"]
    assert last == f"The job was {stopped}"
    if action == "cancel":
        with pytest.raises(ApiError, match="is cancelled"):
            store.jobs.resume(name)
        assert job["result_files"] == []
        return
    assert store.jobs.resume(name)["status"] == "queued"
    job = run_job(store, name)
    assert job["status"] == "succeeded"
    results = [store.files.path(one["result_files"][0]).read_bytes() for one in (whole, job)]
    assert results[0] == results[1]


FULL = """
import resource, signal, sys
from graders.jobs import ApiError, Store, run_job
store = Store(sys.argv[1])
name = store.jobs.list()[0][0]["id"]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
def act(progress):
    if progress.step == 3:
        size = (store.folder / "graders.sqlite-wal").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 4096, size + 4096))
try:
    run_job(store, name, on_progress=act)
except ApiError as error:
    print(error.status, error)
"""


@pytest.mark.more
def test_a_disk_that_takes_no_more_stops_a_run_that_later_goes_on(store: Store, body: Any) -> None:
    settings = {"n_epochs": 5, "batch_size": 1}
    name = store.jobs.create(body(seed=1, hyperparameters=settings))["id"]
    store.close()
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(store.folder)], capture_output=True, text=True, check=True
    )
    assert "the store " in done.stdout, done.stderr
    assert done.stdout.startswith(("503", "507"))
    step = store.jobs.get(name)["dry_run"]["step"]
    assert 3 <= step < 60
    job = run_job(store, name, RunOptions())
    assert job["status"] == "succeeded"
    other = store.jobs.create(body(seed=1, hyperparameters=settings))["id"]
    results = [
        store.files.path(one["result_files"][0]).read_bytes()
        for one in (job, run_job(store, other))
    ]
    assert results[0] == results[1]


@pytest.mark.more
def test_judged_grades_are_kept_one_by_one(store: Store, body: Any, serve: Any) -> None:
    judge = {
        "type": "score_model", "name": "j", "model": "m", "range": [0, 1],
        "input": [{"role": "user", "content": "{{ sample.output_text }}"}],
    }  # fmt: skip

    killed = False

    def script(asked: Any, count: int) -> Any:
        told = completion()
        told.held = lambda: count > 20 and not killed
        return told

    def kept() -> int:
        with store.database.reading() as base:
            return int(base.execute("SELECT count(*) FROM grade").fetchone()[0])

    server = serve(script)
    options = RunOptions(judge=JudgeOptions(base_url=server.url, cache="none", concurrency=4))
    texts = [{**row(f"q{n}"), "samples": [f"a{n}"]} for n in range(32)]
    made = body(
        texts, [{**row("v"), "samples": ["z"]}], grader=judge, hyperparameters={"batch_size": 32}
    )
    name = store.jobs.create(made)["id"]
    with begin(store, name, options) as worker:
        # Of 32 that are graded side by side, each that was answered is kept.
        until(lambda: kept() == 20 and len(server.asked) == 24)
        worker.kill()
    killed = True
    assert run_job(store, name, options)["status"] == "succeeded"
    assert len(server.asked) == 24 + 32 + 1 - 20


def test_a_server_that_ends_waits_for_what_is_on_its_way(
    store: Store, body: Any, serve: Any
) -> None:
    def script(*_: Any) -> Any:
        told = completion("2")
        told.delay = 1.0
        return told

    server = serve(script)
    options = RunOptions(rollout=RolloutOptions(url=server.url))
    made = body([row(f"q{n}") for n in range(3)], [row("v")], hyperparameters={"batch_size": 1})
    name = store.jobs.create(made)["id"]
    with begin(store, name, options) as worker:
        until(lambda: server.asked)
        assert worker.stdin is not None
        worker.stdin.close()
        assert worker.wait(PATIENCE) == 3
    asked = len(server.asked)
    until(lambda: server.answered == asked)
    assert run_job(store, name, options)["status"] == "succeeded"
    assert len(server.asked) == 3 * 4 + 3  # An evaluation after each step.
