"""Drivers and connections killed at random while judges are asked with a budget: their calls are counted.

By `make test-storm`, and not in CI: twelve seeds take some minutes. `make test-scale-large` kills more nodes.
"""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.models.server import Asked, ScriptedServer, Told, completion
from tests.scale.cluster import RayCluster
from tests.waiting import PATIENCE, children_of, until

pytestmark = [
    pytest.mark.scale,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif("GRADERS_STORM" not in os.environ, reason="make test-storm"),
]

SEEDS = range(int(os.environ.get("GRADERS_STORM", "0")))
CONCURRENCY = 8
_SCRIPT = """
from graders.batch import parallelism
from graders.cli import main
parallelism._PURE_BLOCK = 1 << 14
main()
"""
_log = logging.getLogger(__name__)


class Driver:
    """A run as a user types it, and whatever may end it."""

    def __init__(self, address: str, folder: Path, *words: str) -> None:
        self._partial = folder / "out.jsonl.partial"
        self.process = subprocess.Popen(
            [sys.executable, "-c", _SCRIPT, "score", *words, "-o", str(folder / "out.jsonl"),
             "--resume", "--engine", "ray", "--ray-address", address, "--json"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def until_written(self, size: int) -> bool:
        """Wait for so many bytes of results; whether the run goes on still."""

        def there() -> bool:
            return self._partial.exists() and self._partial.stat().st_size >= size

        until(lambda: there() or self.process.poll() is not None)
        return self.process.poll() is None

    def kill(self) -> None:
        """End what is connected to Ray, as a machine without memory does; the one that waits says so."""
        for pid in children_of(self.process.pid):
            os.kill(pid, signal.SIGKILL)

    def end(self) -> tuple[int, str]:
        _, said = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, said


def _paid_or_over(paid: list[str], count: int, driver: Driver) -> bool:
    return len(paid) >= count or driver.process.poll() is not None


@pytest.mark.parametrize("seed", SEEDS)
def test_judges_are_paid_within_the_budget_and_once(
    cluster: RayCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Models are asked from the driver, whatever becomes of the cluster. Faults 20 %, the driver killed once or twice, each time a node too, a budget that ends before all rows are paid."""
    chance = random.Random(seed)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    judge: dict[str, Any] = {
        "type": "score_model", "name": "j", "model": "m", "range": [0, 1],
        "input": [{"role": "user", "content": "{{ item.number }}"}],
        "sampling_params": {"temperature": 0, "max_completions_tokens": 5},
    }  # fmt: skip
    grader, rows = tmp_path / "grader.json", tmp_path / "rows.jsonl"
    grader.write_text(json.dumps(judge))
    rows.write_text(
        "".join(
            json.dumps({"item": {"number": f"row {n}"}, "sample": "x"}) + "\n" for n in range(400)
        )
    )
    paid: list[str] = []  # Who was answered in whole: that is what a server bills.

    def answer(asked: Asked, _: int) -> Told:
        if (fault := chance.random()) < 0.2:
            return Told(status=503, body=b"{}") if fault < 0.1 else Told(cut_at=-1)
        paid.append(asked.body["messages"][-1]["content"])
        return completion()

    server = ScriptedServer(answer)
    budget = 15 * chance.randrange(150, 300)
    words = [str(grader), str(rows), "--base-url", server.url, "--concurrency", str(CONCURRENCY)]
    kills = chance.randrange(1, 3)
    try:
        for at in sorted(chance.randrange(1, budget // 15) for _ in range(kills)):
            driver = Driver(cluster.address, tmp_path, *words, "--budget-tokens", str(budget))
            until(partial(_paid_or_over, paid, at, driver))
            cluster.kill(cluster.nodes.pop(chance.randrange(3)))
            driver.kill()
            driver.end()
            cluster.nodes.append(cluster.add())
        code, said = Driver(cluster.address, tmp_path, *words, "--budget-tokens", str(budget)).end()
        assert code == 5, said
        tokens = 15 * len(paid)
        # A killed process cannot write down what it was just told: as many as were under way.
        assert tokens <= budget + 15 * CONCURRENCY * kills
        code, said = Driver(cluster.address, tmp_path, *words, "--budget-tokens", "1000000").end()
        assert code == 0, said
    finally:
        server.stop()
    assert server.most <= CONCURRENCY
    twice = len(paid) - len(set(paid))
    assert len(set(paid)) == 400
    assert twice <= CONCURRENCY * kills
    found = [json.loads(one) for one in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [(one["index"], one["reward"]) for one in found] == [(n, 0.5) for n in range(400)]
    _log.warning(
        "seed %d: %d of %d tokens when it stopped, %d kills; 400 rows paid %d times, %d requests",
        seed, tokens, budget, kills, len(paid), len(server.asked),
    )  # fmt: skip
