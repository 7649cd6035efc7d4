"""What requests cannot do to the server: end it, hold it up, or take all its memory."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import graders
from graders.plan import build
from graders.server import handler
from graders.server.option import RequestLimits, ServeOptions
from graders.server.pool import Pool
from graders.server.weight import excess
from tests.server.process import BEARER, Answer, Serving
from tests.server.test_grader import CHECK, ITEM, PYTHON, SIMILAR
from tests.waiting import children_of, is_gone, until

SLEEPER: dict[str, Any] = {
    "type": "python", "name": "s",
    "source": "import time\ndef grade(sample, item):\n    time.sleep(item['seconds'])\n    return 0.5\n",
}  # fmt: skip


@pytest.mark.parametrize(
    "times", [pytest.param(1, marks=pytest.mark.more), pytest.param(2, marks=pytest.mark.slow)]
)
def test_killed_grading_processes_are_replaced(start: Callable[..., Serving], times: int) -> None:
    server = start("--jobs", "0")
    assert server.run(PYTHON, "x", ITEM).json["reward"] > 0
    for _ in range(times):  # What takes a lost one's place is no other.
        for child in children_of(server.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        for grader in (CHECK, PYTHON):
            answers: list[Answer] = []

            def served() -> bool:
                answers.append(server.run(grader, "It is Paris", ITEM))  # noqa: B023
                return answers[-1].status == 200  # noqa: B023

            until(served)
            # What was under way in a killed process may be lost; it is said, and never a zero.
            assert {one.status for one in answers} <= {200, 500, 503, 504}
            assert answers[-1].json["reward"] > 0


@pytest.mark.more
def test_another_loop_that_is_installed_is_left_alone(
    start: Callable[..., Serving], tmp_path: Path
) -> None:
    # uvloop comes with vLLM and others, and refuses the arguments that our processes start with.
    (tmp_path / "uvloop.py").write_text("raise SystemExit('imported')\n")
    server = start("--jobs", "0", PYTHONPATH=str(tmp_path))
    assert server.run(CHECK, "It is Paris", ITEM).json["reward"] == 1.0


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


def test_sleeping_graders_hold_up_nobody_and_one_too_many_is_told_to_come_again(
    start: Callable[..., Serving],
) -> None:
    server = start("--max-requests", "5", "--jobs", "0")
    with ThreadPoolExecutor(5) as threads:
        sleepers = [threads.submit(server.run, SLEEPER, "x", {"seconds": 110}) for _ in range(4)]
        until(lambda: server.is_busy_with(4))
        for _ in range(20):
            assert server.run(CHECK, "It is Paris", ITEM).json["reward"] == 1.0
        assert server.run(PYTHON, "x" * 64, ITEM).json["reward"] == 1.0
        sleepers.append(threads.submit(server.run, SLEEPER, "x", {"seconds": 110}))
        until(lambda: server.is_busy_with(5))
        for _ in range(3):
            refused = server.run(SLEEPER, "x", {"seconds": 0})
            assert (refused.status, refused.error["code"]) == (429, "rate_limit_exceeded")
            assert refused.headers["retry-after"] == "1"
        assert not any(one.done() for one in sleepers)
        server.close()
        assert all(one.exception() for one in sleepers)


def test_long_bodies_are_refused(guarded: Serving) -> None:
    answer = guarded.run(CHECK, "x" * 600_000, ITEM, **BEARER)
    assert (answer.status, answer.error["code"]) == (413, "request_too_large")
    assert guarded.run(CHECK, "x" * 500_000, ITEM, **BEARER).status == 200


def test_metrics_that_take_too_long_are_given_up(tmp_path: Path) -> None:
    words = " ".join(f"w{n % 997}" for n in range(30_000))
    slow = {**SIMILAR, "evaluation_metric": "meteor"}
    body = {"grader": slow, "model_sample": words, "item": {"answer": words[::-1]}}

    async def asked() -> handler.Answer:
        limits = RequestLimits(metric_seconds=0.05)
        pool = Pool(ServeOptions(data_dir=tmp_path, jobs=0, processes=1, limits=limits))
        await pool.start()
        try:
            return await pool.ask("run", json.dumps(body).encode())
        finally:
            await pool.close()

    answer = asyncio.run(asked())
    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (504, "timeout")


def test_a_grader_that_sleeps_too_long_is_given_up(guarded: Serving) -> None:
    answer = guarded.run(SLEEPER, "x", {"seconds": 100}, **BEARER)
    assert answer.status == 200
    assert answer.json["metadata"]["errors"]["python_grader_runtime_error"] is True


def test_shutdown_answers_what_is_under_way(start: Callable[..., Serving]) -> None:
    server = start("--jobs", "0")
    server.run(PYTHON, "x", ITEM)
    with ThreadPoolExecutor(2) as threads:
        under_way = [threads.submit(server.run, SLEEPER, str(n), {"seconds": 2}) for n in range(2)]
        until(lambda: server.is_busy_with(2))
        children = children_of(server.process.pid)
        assert server.stop() == 0
        assert [one.result().json["reward"] for one in under_way] == [0.5] * 2
    assert all(map(is_gone, children))
    assert server.lines[-1]["event"] == "stopped"
