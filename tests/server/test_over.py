"""A request that is over leaves nothing running, and its place is free for others."""

from __future__ import annotations

import asyncio
import http.client
import json
import signal
import socket
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from graders.models import JudgeOptions
from graders.server.asked import Asked
from graders.server.option import RequestLimits, ServeOptions
from graders.server.pool import Pool
from graders.server.worker import THREADS
from tests.attacking import TOOLS
from tests.server.process import Serving
from tests.server.test_grader import CHECK, ITEM, PYTHON
from tests.waiting import PATIENCE, children_of, until

# Ways to stay on: each ends by itself after five minutes, so the tests see it if nobody ends it.
HOLD = f"""{TOOLS}
END = time.monotonic() + 300
def spin(after=0):
    deaf()
    time.sleep(after)
    while time.monotonic() < END:
        pass
def sleep():
    deaf()
    time.sleep(300)
def stop():
    os.kill(os.getpid(), signal.SIGSTOP)
def threads():
    for _ in range(4):
        threading.Thread(target=spin, daemon=True).start()
"""
KINDS = (
    "drip(struct.pack('<I', 1 << 20), b' ', 0.2)",
    "drip(struct.pack('<I', 100), b'', 0.2)",
    "sleep()",
    "stop()",
    "threads()",
)


def held(call: str, *, at_load: bool = False) -> dict[str, Any]:
    """Return a grader that does something in `grade`, or at its top level, and stays."""
    where = f"{call}\ndef grade(sample, item): return 0.5" if at_load else ""
    source = where or f"def grade(sample, item):\n    {call}\n    return 0.5"
    return {"type": "python", "name": "held", "source": f"{HOLD}{source}\n"}


def below(pid: int) -> list[int]:
    """Return a process's children, and theirs, and so on."""
    return [one for child in children_of(pid) for one in (child, *below(child))]


def goes_on(pid: int) -> bool:
    """Whether anything below a process uses the CPU, or would if its turn came."""
    tasks = [task for one in below(pid) for task in Path(f"/proc/{one}/task").glob("*/stat")]
    return any(field(path, 0) in {"R", "D"} for path in tasks)


def field(path: Path, number: int) -> str:
    """Return what stands in a `stat` of /proc after the name; "" where the process has ended."""
    try:
        return path.read_text().rpartition(")")[2].split()[number]
    except OSError:
        return ""


def used(pid: int) -> int:
    """Return the hundredths of a second of CPU that a process has used."""
    path = Path(f"/proc/{pid}/stat")
    return int(field(path, 11) or 0) + int(field(path, 12) or 0)


def at_work(server: Serving, there: set[int]) -> bool:
    """Whether a process that was not there before has used so much of the CPU that it grades."""
    return any(used(one) > 50 for one in set(below(server.process.pid)) - there)


def ask_and_leave(server: Serving, grader: dict[str, Any]) -> None:
    """Ask for a grade, and go once the grader is at work: a new process uses much of the CPU."""
    there = set(below(server.process.pid))
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    body = json.dumps({"grader": grader, "model_sample": "x"})
    headers = {"Content-Type": "application/json"}
    connection.request("POST", "/v1/fine_tuning/alpha/graders/run", body, headers)
    until(lambda: at_work(server, there))
    connection.close()


def waiting(server: Serving) -> int:
    lines = server.ask("GET", "/metrics").body.decode().splitlines()
    (line,) = [one for one in lines if one.startswith("graders_waiting_requests ")]
    return int(float(line.split()[1]))


def test_a_client_that_leaves_takes_its_work_along(server: Serving) -> None:
    # It gives a call 120 seconds.
    spinning = held("spin()")
    ask_and_leave(server, spinning)
    until(lambda: waiting(server) == 0)
    until(lambda: not goes_on(server.process.pid))
    assert server.run(PYTHON, "x", ITEM).status == 200


@pytest.mark.more
def test_a_request_that_is_given_up_takes_its_work_along(start: Callable[..., Serving]) -> None:
    server = start("--timeout", "10", "--jobs", "0")
    # Most of its time it sleeps: at the end it uses the CPU, which is what is looked for.
    answer = server.run(held("spin(after=9)"), "x")
    assert (answer.status, answer.error["code"]) == (504, "timeout")
    until(lambda: not goes_on(server.process.pid))
    assert server.run(PYTHON, "x", ITEM).json["reward"] > 0


def test_a_server_told_twice_to_stop_ends_at_once_and_says_so_to_who_waits(
    start: Callable[..., Serving],
) -> None:
    server = start("--jobs", "0")
    with ThreadPoolExecutor(1) as threads:
        sent = threads.submit(server.run, held("sleep()"), "x")
        until(lambda: server.is_busy_with(1))
        server.process.send_signal(signal.SIGINT)
        until(lambda: any(one["event"] == "stopping" for one in server.lines))
        assert server.stop(signal.SIGINT) == 0
        answer = sent.result(PATIENCE)
    assert (answer.status, answer.error["code"]) == (503, "server_stopping")
    assert answer.headers["retry-after"] == "1"
    (said,) = [one["message"] for one in server.lines if one["event"] == "stopping"]
    assert "4 seconds" in said
    assert "Traceback" not in server.said


def storm(server: Serving, count: int) -> None:
    """Send requests that stay, of all kinds; meanwhile and afterwards others are answered."""
    graders = [held(kind, at_load=at_load) for kind in KINDS for at_load in (False, True)]
    with ThreadPoolExecutor(count + 1) as threads:
        sent = [
            threads.submit(server.run, graders[number % len(graders)], "x")
            for number in range(count)
        ]
        for number in range(5):
            # Another source each time: it has no process yet.
            other = {**PYTHON, "source": PYTHON["source"] + f"# {number}\n"}
            answer = server.run(other, "It is Paris", ITEM)
            assert (answer.status, answer.json.get("reward", 0) > 0) == (200, True)
            assert server.run(CHECK, "It is Paris", ITEM).json["reward"] == 1.0
        answers = [one.result() for one in sent]
    for answer in answers:
        if answer.status == 200:  # threads() gives its score: what it left is what is killed
            failed = answer.json["metadata"]["errors"]
            assert failed["python_grader_runtime_error"] or answer.json["reward"] == 0.5
        else:
            assert (answer.status, answer.error["code"]) == (504, "timeout")
    assert server.run(PYTHON, "x", ITEM).json["reward"] > 0
    until(lambda: not goes_on(server.process.pid))


@pytest.mark.more
def test_requests_that_stay_leave_room_for_others(start: Callable[..., Serving]) -> None:
    storm(start("--python-timeout", "2", "--timeout", "60", "--jobs", "0"), 10)  # Each kind once.


@pytest.mark.load
def test_two_hundred_requests_that_stay_leave_room_for_others(
    start: Callable[..., Serving],
) -> None:
    storm(start("--python-timeout", "2", "--timeout", "60", "--jobs", "0"), 200)


JUDGED: dict[str, Any] = {
    "type": "score_model", "name": "j", "model": "m",
    "input": [{"role": "user", "content": "{{ sample.output_text }}"}],
}  # fmt: skip


DEAF = """
from graders.wire.loop import Loop
from graders.server.worker import main
run = Loop.run
Loop.run = lambda self, work, stop=None: run(self, work)
main()
"""


def test_a_judge_is_asked_no_further_for_a_request_that_is_over(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        judge = JudgeOptions(base_url=f"http://127.0.0.1:{silent.getsockname()[1]}/v1")
        options = ServeOptions(data_dir=tmp_path, jobs=0, processes=1, judge=judge)
        asyncio.run(_given_up(options, silent))


async def _given_up(options: ServeOptions, silent: socket.socket) -> None:
    pool = Pool(options)
    await pool.start()
    try:
        body = {"grader": JUDGED, "model_sample": "x", "item": {}}
        silent.settimeout(60)
        for _ in range(2):  # The second is graded by what graded the first.
            gone = asyncio.ensure_future(pool.ask("run", json.dumps(body).encode()))
            asked, _ = await asyncio.to_thread(silent.accept)
            with asked:
                gone.cancel()
                while await asyncio.to_thread(asked.recv, 1 << 16):
                    pass  # What was asked, and then the end.
            await _when(lambda: not pool._models._processes[0]._over)
        assert pool.restarts == 0
    finally:
        await pool.close()


def test_a_process_whose_work_is_overdue_is_replaced_and_loses_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A judge that never answers, and work that does not hear that its request is over."""
    monkeypatch.setattr("graders.server.pool.program", lambda _: [sys.executable, "-c", DEAF])
    with socket.create_server(("127.0.0.1", 0)) as silent:
        judge = JudgeOptions(base_url=f"http://127.0.0.1:{silent.getsockname()[1]}/v1")
        options = ServeOptions(
            data_dir=tmp_path, jobs=0, processes=1, judge=judge,
            limits=RequestLimits(request_seconds=200, overdue_seconds=1),
        )  # fmt: skip
        asyncio.run(_overdue(options))


async def _when(true: Callable[[], bool]) -> None:
    while not true():  # noqa: ASYNC110  (nothing tells of it)
        await asyncio.sleep(0.05)


async def _overdue(options: ServeOptions) -> None:
    pool = Pool(options)
    await pool.start()
    try:
        body = {"grader": JUDGED, "model_sample": "x", "item": {}}
        gone = asyncio.ensure_future(pool.ask("run", json.dumps(body).encode()))
        await _when(lambda: bool(pool._models._processes[0]._asked))
        first = pool._models._processes[0]
        slow = {
            **PYTHON,
            "source": "import time\ndef grade(s, i):\n    time.sleep(15)\n    return 0.5\n",
        }
        other = {"grader": slow, "model_sample": "x", "item": {}}
        stays = asyncio.ensure_future(pool.ask("run", json.dumps(other).encode()))
        await _when(lambda: len(first._asked) == 2)
        gone.cancel()
        await _when(lambda: pool.restarts == 1)
        assert not stays.done()  # the process that has it goes on with it
        assert json.loads((await stays).body)["reward"] == 0.5
        await _when(lambda: not pool._models._leaving)
        assert first._process is None
        quick = {"grader": PYTHON, "model_sample": "x", "item": ITEM}
        assert json.loads((await pool.ask("run", json.dumps(quick).encode())).body)["reward"] > 0
    finally:
        await pool.close()


def test_one_grader_leaves_places_for_others(tmp_path: Path) -> None:
    async def taken(rows: list[bytes]) -> list[bytes]:
        group = Pool(ServeOptions(data_dir=tmp_path, jobs=0))._models
        (process,) = group._processes
        for grader in rows:
            answer = asyncio.get_running_loop().create_future()
            group._waiting.append(Asked(1, b"", answer, grader))
        found = []
        while process.has_room and (asked := group._next(process)) is not None:
            process._queue.append(asked)
            found.append(asked.grader)
        return found

    alone = asyncio.run(taken([b"one"] * 500))
    assert THREADS / 2 < len(alone) < THREADS
    # One that comes last has a place at once; many that share a grader have not all of them.
    assert asyncio.run(taken([b"one"] * 500 + [b"two"])) == [*alone, b"two"]
    assert len(asyncio.run(taken([b"%d" % n for n in range(500)]))) == THREADS
