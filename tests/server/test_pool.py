"""What requests cannot do to the server: end it, hold it up, or take all its memory."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import graders
from graders.plan import build
from graders.server.weight import excess
from tests.server.process import Answer, Serving
from tests.server.test_grader import CHECK, ITEM, PYTHON, SIMILAR


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task")
    return [
        int(child) for task in tasks.iterdir() for child in (task / "children").read_text().split()
    ]


def test_killed_grading_processes_are_replaced(start: Callable[..., Serving]) -> None:
    server = start("--jobs", "0")
    assert server.run(PYTHON, "x", ITEM).json["reward"] > 0
    for _ in range(3):
        for child in _children(server.process.pid):
            os.kill(child, signal.SIGKILL)
        for grader in (CHECK, PYTHON):
            answers = [server.run(grader, "It is Paris", ITEM) for _ in range(4)]
            # What was under way in a killed process may be lost; it is said, and never a zero.
            assert {one.status for one in answers} <= {200, 500, 503}
            assert answers[-1].status == 200
            assert answers[-1].json["reward"] > 0


def test_amplifying_templates_are_refused_before_they_are_rendered(server: Serving) -> None:
    grader = {**CHECK, "input": "{{ item.answer }}" * 2000}
    answer = server.run(grader, "x", {"answer": "y" * 100_000})
    assert answer.status == 413
    assert "200,100,000 characters" in answer.error["message"]


def test_quadratic_texts_are_refused_before_they_are_compared(server: Serving) -> None:
    text = "".join(chr(97 + n * 7 % 26) for n in range(900_000))
    answer = server.run({**SIMILAR, "evaluation_metric": "fuzzy_match"}, text, {"answer": text[1:]})
    assert answer.status == 413
    assert "pairs of characters" in answer.error["message"]


def test_weight_of_a_row() -> None:
    plan = build(graders.config.load(SIMILAR))
    assert excess(plan, {"answer": "x" * 1000}, "y" * 1000) is None
    assert excess(plan, {"answer": "x" * 300_000}, "y" * 300_000) is not None
    assert excess(plan, {}, "y" * 300_000) is None  # The row fails: nothing is compared.
    assert excess(plan, {"answer": ["x" * 300_000]}, {"output_text": "y" * 300_000}) is not None


def test_sleeping_graders_do_not_hold_up_others(start: Callable[..., Serving]) -> None:
    server = start("--python-timeout", "8", "--jobs", "0")
    sleeper = {
        "type": "python", "name": "s",
        "source": "import time\ndef grade(sample, item):\n    time.sleep(60)\n    return 1\n",
    }  # fmt: skip
    answers: list[Answer] = []
    threads = [
        threading.Thread(target=lambda: answers.append(server.run(sleeper, "x"))) for _ in range(8)
    ]
    for one in threads:
        one.start()
    time.sleep(1)
    for _ in range(20):
        assert server.run(CHECK, "It is Paris", ITEM).json["reward"] == 1.0
    assert server.run(PYTHON, "x" * 64, ITEM).json["reward"] == 1.0
    assert not answers
    for one in threads:
        one.join()
    for answer in answers:
        assert answer.status == 200
        assert answer.json["metadata"]["errors"]["python_grader_runtime_error"] is True


def test_too_many_requests_are_told_to_come_again(start: Callable[..., Serving]) -> None:
    server = start("--max-requests", "4", "--python-timeout", "4", "--jobs", "0")
    sleeper = {
        "type": "python", "name": "s",
        "source": "import time\ndef grade(sample, item):\n    time.sleep(2)\n    return 1\n",
    }  # fmt: skip
    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(lambda _: server.run(sleeper, "x"), range(12)))
    refused = [one for one in answers if one.status == 429]
    assert refused
    assert {one.status for one in answers} == {200, 429}
    assert all(one.headers["retry-after"] == "1" for one in refused)
    assert all(one.error["code"] == "rate_limit_exceeded" for one in refused)


def test_long_bodies_are_refused(start: Callable[..., Serving]) -> None:
    server = start("--max-body", "10k", "--jobs", "0")
    answer = server.run(CHECK, "x" * 20_000, ITEM)
    assert (answer.status, answer.error["code"]) == (413, "request_too_large")
    assert server.run(CHECK, "x" * 9_000, ITEM).status == 200


def test_metrics_that_take_too_long_are_given_up(start: Callable[..., Serving]) -> None:
    server = start("--metric-timeout", "0.05", "--processes", "1", "--jobs", "0")
    words = " ".join(f"w{n % 997}" for n in range(30_000))
    slow = {**SIMILAR, "evaluation_metric": "meteor"}
    answer = server.run(slow, words, {"answer": words[::-1]})
    assert (answer.status, answer.error["code"]) == (504, "timeout")
    assert server.ask("GET", "/healthz").status == 200


def test_shutdown_answers_what_is_under_way(start: Callable[..., Serving]) -> None:
    server = start("--jobs", "0")
    grader: dict[str, Any] = {
        "type": "python", "name": "s",
        "source": "import time\ndef grade(sample, item):\n    time.sleep(2)\n    return 0.5\n",
    }  # fmt: skip
    server.run(PYTHON, "x", ITEM)
    with ThreadPoolExecutor(4) as threads:
        under_way = [threads.submit(server.run, grader, str(n)) for n in range(4)]
        time.sleep(1)
        children = _children(server.process.pid)
        assert server.stop() == 0
        assert [one.result().json["reward"] for one in under_way] == [0.5] * 4
    for child in children:
        assert not Path(f"/proc/{child}").exists()
    assert server.lines[-1]["event"] == "stopped"


def test_nothing_is_left_after_kill(start: Callable[..., Serving]) -> None:
    server = start("--jobs", "0")
    server.run(PYTHON, "x", ITEM)
    children = _children(server.process.pid)
    assert children
    server.process.kill()
    server.process.wait()
    until = time.monotonic() + 20
    while any(Path(f"/proc/{child}").exists() for child in children):
        assert time.monotonic() < until
        time.sleep(0.1)
