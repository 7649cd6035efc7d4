"""Killed in every state a job has, restarted, stopped politely, doubled: nothing lost, nothing twice."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import random
import re
import signal
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.serving import Serving
from tests.load.crowd import RUN, Crowd
from tests.load.wire import Wire, ask, multipart, request
from tests.models.server import Asked, ScriptedServer, Told, completion
from tests.waiting import PATIENCE, command_of, is_gone
from tests.waiting import until as gone

pytestmark = pytest.mark.load

ROWS = 24
SAMPLES = 2
JUDGE = {
    "type": "score_model", "name": "judge", "model": "judge-1", "range": [0, 1],
    "input": [{"role": "user", "content": "row {{ item.number }} sample {{ sample.output_text }}"}],
}  # fmt: skip
EXACT = {
    "type": "string_check", "name": "exact", "operation": "eq",
    "input": "{{ sample.output_text }}", "reference": "{{ item.number }}",
}  # fmt: skip
GRADER = {
    "type": "multi", "name": "both", "graders": {"judge": JUDGE, "exact": EXACT},
    "calculate_output": "0.5 * judge + 0.5 * exact",
}  # fmt: skip


class Judge:
    """A judge whose word depends on what it is asked alone; it counts what it was asked."""

    def __init__(self, delay: float = 0.2) -> None:
        self.delay = delay
        self.counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self.server = ScriptedServer(self._answer)

    def _answer(self, asked: Asked, _: int) -> Told:
        text = str(asked.body["messages"][-1]["content"])
        with self._lock:
            self.counts[text] += 1
        value = hashlib.sha256(text.encode()).digest()[0] / 255
        told = completion(json.dumps({"steps": [], "result": value}))
        told.delay = self.delay
        return told


@pytest.fixture
def judge() -> Iterator[Judge]:
    made = Judge()
    yield made
    made.server.stop()


def call(server: Serving, method: str, path: str, body: Any = None, kind: str = "") -> Any:
    data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(server.url + path, data=data, method=method)
    asked.add_header("content-type", kind or "application/json")
    with urllib.request.urlopen(asked, timeout=PATIENCE) as reply:
        text = reply.read()
    return json.loads(text) if path.rpartition("/")[2] != "content" else text


def send(server: Serving, rows: int) -> str:
    lines = [
        json.dumps({
            "messages": [{"role": "user", "content": f"Say {n}."}],
            "number": n, "samples": [str(n), *(f"no {k}" for k in range(SAMPLES - 1))],
        })
        for n in range(rows)
    ]  # fmt: skip
    body, kind = multipart(
        [('name="purpose"', b"fine-tune"),
         ('name="file"; filename="a.jsonl"', "\n".join(lines).encode())]
    )  # fmt: skip
    return str(call(server, "POST", "/v1/files", body, kind)["id"])


def create(server: Serving, rows: int = ROWS, **metadata: str) -> str:
    body = {
        "model": "o4-mini-2025-04-16", "training_file": send(server, rows),
        "validation_file": send(server, 3), "seed": 7, "metadata": metadata,
        "method": {"type": "reinforcement", "reinforcement": {
            "grader": GRADER,
            "hyperparameters": {"n_epochs": 2, "batch_size": 3, "eval_interval": 2, "eval_samples": 2},
        }},
    }  # fmt: skip
    return str(call(server, "POST", "/v1/fine_tuning/jobs", body)["id"])


def get(server: Serving, job: str) -> Any:
    return call(server, "GET", f"/v1/fine_tuning/jobs/{job}")


def events(server: Serving, job: str) -> list[Any]:
    found: list[Any] = []
    after = ""
    while True:
        page = call(server, "GET", f"/v1/fine_tuning/jobs/{job}/events?limit=100{after}")
        found += page["data"]
        if not page["has_more"]:
            return found[::-1]
        after = f"&after={page['data'][-1]['id']}"


def until(
    server: Serving, job: str, *statuses: str, step: int = 0, seconds: float = PATIENCE
) -> Any:
    end = time.monotonic() + seconds
    while True:
        now = get(server, job)
        if now["status"] in statuses and (now["dry_run"]["step"] or 0) >= step:
            return now
        over = now["status"] in ("failed", "cancelled", "succeeded")
        assert not over, f"{now['status']}, not {statuses}: {now['error']}"
        assert time.monotonic() < end, now
        time.sleep(0.02)


def essence(server: Serving, job: str) -> dict[str, Any]:
    """Return all that two runs of the same job must have in common."""
    done = get(server, job)
    steady = {}
    for event in events(server, job):
        if event["type"] == "metrics":
            data = {name: value for name, value in event["data"].items() if name != "timing"}
            step = data["step"]
            assert step not in steady, f"step {step} was told twice"
            steady[step] = data
    verdict = {
        name: value for name, value in done["dry_run"]["verdict"].items() if "second" not in name
    }
    return {
        "status": done["status"],
        "steps": steady,
        "verdict": json.loads(re.sub(r"(ftjob|file)-\w+", "-", json.dumps(verdict))),
        "results": [
            re.sub(rb"(ftjob|file)-\w+", b"-", call(server, "GET", f"/v1/files/{each}/content"))
            for each in done["result_files"]
        ],
    }


def kill_family(server: Serving) -> None:
    """Kill all of it at one instant, as a power cut would."""
    family = server.family()
    for pid in family:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    for pid in family:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    server.kill()


def kill_alone(server: Serving) -> None:
    """Kill the server; what it started has to notice and end."""
    family = server.family()
    server.kill()
    gone(lambda: all(map(is_gone, family)))


@pytest.fixture
def whole(serve: Any, judge: Judge, tmp_path: Path) -> dict[str, Any]:
    """What the job comes to when nobody disturbs it; and that each sample is judged once."""
    judge.delay = 0.0
    server = serve("--base-url", judge.server.url, folder=tmp_path / "whole")
    job = create(server)
    until(server, job, "succeeded")
    found = essence(server, job)
    assert found["steps"]
    assert found["results"]
    assert server.stop() == 0
    judge.delay = 0.2
    judge.counts.clear()
    return found


@pytest.mark.parametrize("kill", [kill_alone, kill_family])
def test_killed_in_every_state(serve: Any, judge: Judge, whole: dict[str, Any], kill: Any) -> None:
    words = ("--base-url", judge.server.url)
    server = serve(*words)

    def again(old: Serving) -> Serving:
        kill(old)
        made: Serving = serve(*words, folder=old.folder)
        return made

    # Validating: not a moment after it was created.
    job = create(server)
    server = again(server)
    # Queued or running: at several steps, and at odd moments within them.
    for step in (0, 1, 3, 4):
        now = until(server, job, "queued", "running", "validating_files", step=step)
        time.sleep(random.Random(step).random() * 0.2)
        server = again(server)
        assert get(server, job)["dry_run"]["step"] >= now["dry_run"]["step"]
    # Paused, and paused with grading in flight.
    until(server, job, "running")
    assert call(server, "POST", f"/v1/fine_tuning/jobs/{job}/pause")["status"] == "paused"
    server = again(server)
    assert get(server, job)["status"] == "paused"
    asked = sum(judge.counts.values())
    time.sleep(1.0)
    assert sum(judge.counts.values()) == asked
    assert call(server, "POST", f"/v1/fine_tuning/jobs/{job}/resume")["status"] == "queued"
    server = again(server)
    until(server, job, "succeeded")
    # Finished.
    before = get(server, job)
    found = essence(server, job)
    server = again(server)
    assert get(server, job) == before
    assert essence(server, job) == found
    assert found == whole
    # Only what was in flight at one of the deaths may have been asked once more.
    assert all(count <= 1 + 8 for count in judge.counts.values()), judge.counts
    # Cancelled while in flight.
    job = create(server)
    until(server, job, "running", step=1)
    assert call(server, "POST", f"/v1/fine_tuning/jobs/{job}/cancel")["status"] == "cancelled"
    server = again(server)
    told = events(server, job)
    asked = sum(judge.counts.values())
    time.sleep(1.5)
    assert get(server, job)["status"] == "cancelled"
    assert events(server, job) == told
    assert sum(judge.counts.values()) == asked
    assert server.stop() == 0


def test_a_job_whose_runner_is_killed_goes_on(
    serve: Any, judge: Judge, whole: dict[str, Any]
) -> None:
    server = serve("--base-url", judge.server.url)
    job = create(server)
    for step in (1, 3):
        until(server, job, "running", step=step)
        runners = [pid for pid in server.family() if b"jobs.worker" in command_of(pid)]
        assert runners
        for pid in runners:
            os.kill(pid, signal.SIGKILL)
    until(server, job, "succeeded")
    assert essence(server, job) == whole
    assert server.stop() == 0


def test_two_servers_share_a_store(serve: Any, judge: Judge) -> None:
    words = ("--base-url", judge.server.url, "--jobs", "2")
    one = serve(*words)
    two = serve(*words, folder=one.folder, log=one.folder.with_name("two.log"))
    made = [create((one, two)[n % 2], metadata_n=str(n)) for n in range(6)]
    # What either does, the other sees at once.
    assert call(two, "POST", f"/v1/fine_tuning/jobs/{made[5]}/pause")["status"] == "paused"
    assert get(one, made[5])["status"] == "paused"
    with pytest.raises(urllib.error.HTTPError):
        call(one, "POST", f"/v1/fine_tuning/jobs/{made[5]}/pause")
    call(one, "POST", f"/v1/fine_tuning/jobs/{made[5]}/resume")
    listed = [
        [each["id"] for each in call(server, "GET", "/v1/fine_tuning/jobs")["data"]]
        for server in (one, two)
    ]
    assert listed[0] == listed[1] == made[::-1]
    found = []
    for job in made:
        until(one, job, "succeeded")
        found.append(essence(two, job))
    assert all(each["steps"] == found[0]["steps"] for each in found)
    # Each job asked as often as every other: nothing was graded by both.
    assert all(count % len(made) == 0 for count in judge.counts.values()), judge.counts
    assert one.stop() == 0
    # The other goes on alone.
    job = create(two)
    until(two, job, "succeeded")
    assert two.stop() == 0


def test_two_servers_one_killed(serve: Any, judge: Judge, whole: dict[str, Any]) -> None:
    words = ("--base-url", judge.server.url)
    one = serve(*words)
    job = create(one)
    until(one, job, "running", step=1)
    two = serve(*words, folder=one.folder, log=one.folder.with_name("two.log"))
    kill_alone(one)
    until(two, job, "succeeded")
    assert essence(two, job) == whole
    assert two.stop() == 0


SLEEP = {
    "type": "python", "name": "sleep",
    "source": "import time\ndef grade(sample, item):\n    time.sleep(item['wait'])\n    return 0.25\n",
}  # fmt: skip


def test_a_polite_end(serve: Any, judge: Judge) -> None:
    server = serve("--base-url", judge.server.url)
    job = create(server, 40)
    until(server, job, "running", step=1)

    async def end() -> None:
        # Requests in flight: python, a judge, an upload of which half has come.
        judge.delay = 1.5
        asked = {"grader": SLEEP, "model_sample": "a", "item": {"wait": 1.5}}
        judged = {"grader": JUDGE, "model_sample": "a", "item": {"number": 1}}
        body, kind = multipart(
            [('name="purpose"', b"user_data"), ('name="file"; filename="a"', b"x" * 200_000)]
        )
        sent = request("POST", "/v1/files", body, content_type=kind)
        async with Wire(server.port) as idle, Wire(server.port) as upload:
            assert (await idle.ask("GET", "/healthz")).status == 200
            await upload.write(sent[:100_000])
            running = [
                asyncio.create_task(ask(server.port, "POST", RUN, each))
                for each in (asked, asked, judged, judged)
            ]
            await asyncio.sleep(0.5)
            server.process.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.4)
            # Nothing new is let in: refused, or closed without an answer.
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                reply = await ask(server.port, "GET", "/healthz", seconds=5)
                assert reply.status == 503, reply
            await upload.write(sent[100_000:])
            replies = await asyncio.gather(*running)
            assert [each.status for each in replies] == [200] * 4, replies
            assert replies[0].json["reward"] == 0.25
            made = await upload.read()
            assert made.status == 200, made
            await asyncio.to_thread(server.process.wait, PATIENCE)
        assert server.process.returncode == 0, server.said[-3000:]

    asyncio.run(end())
    assert "Traceback" not in server.said, server.said[-3000:]
    judge.delay = 0.0
    again = serve("--base-url", judge.server.url, folder=server.folder)
    until(again, job, "succeeded")
    assert again.stop() == 0


def test_an_end_that_slow_requests_cannot_put_off(serve: Any) -> None:
    server = serve("--python-timeout", "9999")

    async def end() -> None:
        asked = {"grader": SLEEP, "model_sample": "a", "item": {"wait": 9999}}
        async with Wire(server.port) as wire, Wire(server.port) as half:
            await wire.write(request("POST", RUN, asked))
            await half.write(request("POST", RUN, asked)[:-20])
            await asyncio.sleep(1.0)
            assert await asyncio.to_thread(server.stop, PATIENCE) == 0

    asyncio.run(end())
    assert "Traceback" not in server.said, server.said[-3000:]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_server_ends_at_once(serve: Any, number: int) -> None:
    server = serve()

    async def end() -> None:
        async with Wire(server.port) as wire:
            await wire.ask("GET", "/healthz")
            family = server.family()
            server.process.send_signal(number)
            assert await asyncio.to_thread(server.process.wait, PATIENCE) in (0, 130)
            assert all(is_gone(pid) for pid in family)

    asyncio.run(end())
    assert "Traceback" not in server.said


def test_a_grading_process_that_is_killed_is_replaced(serve: Any) -> None:
    server = serve()

    async def attack() -> Crowd:
        # What a process was at when it was killed is answered so, and what was lost twice; no other.
        people = Crowd(
            forgives=(
                "grading this request ended the process that did so",
                "the process that graded this request was lost",
            )
        )
        async with people.around(server.port, 3):
            for _ in range(5):
                await asyncio.sleep(0.5)
                graders = [
                    pid for pid in server.family()[1:] if b"server.worker" in command_of(pid)
                ]
                assert graders
                for pid in graders:
                    os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(1)
        return people

    people = asyncio.run(attack())
    assert people.forgiven <= 5 * 3
    assert people.done.total() > 10
    assert server.stop() == 0
