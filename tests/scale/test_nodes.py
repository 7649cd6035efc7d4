"""A cluster of three nodes, each of processes of its own: the same bytes, whatever becomes of them."""

from __future__ import annotations

import json
import logging
import random
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import graders
from graders.adapters.ray import RayGrader
from graders.batch.ray_pool import Pool
from graders.errors import UnavailableError
from tests.models.server import Asked, ScriptedServer, Told, completion
from tests.scale.cluster import JUDGE, ROUNDS, ROWS, At, RayCluster, large, same, until_cpus
from tests.scale.conftest import Score
from tests.waiting import until

pytestmark = [pytest.mark.scale, pytest.mark.filterwarnings("ignore")]

PYTHON = {
    "type": "python", "name": "p", "image_tag": "2025-05-08",
    "source": "def grade(sample, item):\n    return len(sample['output_text']) / item['n']\n",
}  # fmt: skip

COUNT, CONCURRENCY = 400, 4
_log = logging.getLogger(__name__)


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_nodes_killed_at_random_cost_no_row(
    cluster: RayCluster, ray: Any, score: Score, tmp_path: Path, seed: int
) -> None:
    """Two to five of them, whichever they are, and as many late ones: before, after or beside."""
    chance = random.Random(seed)
    kills = sorted(chance.randrange(ROWS * 3 // 4) for _ in range(chance.randrange(2, 6)))
    told: list[str] = []

    def kill() -> None:
        victim = chance.choice(cluster.nodes)
        late = chance.random() < 0.5
        if late:
            cluster.nodes.append(cluster.add())
        cluster.nodes.remove(victim)
        cluster.kill(victim, workers_first=chance.random() < 0.5)
        if not late:
            cluster.nodes.append(cluster.add())
        told.append(f"{victim.node_id[:8]} {'after' if late else 'before'} a late one")

    act = At(kills, kill)
    run = score(workers=4, on_progress=act)
    assert act.done
    assert run.complete
    assert "other_error" not in run.tally.codes
    assert same(tmp_path)
    _log.warning("seed %d, killed at rows %s: %s", seed, kills, told)


@large
def test_without_any_node_a_run_ends_with_a_sentence_and_goes_on_later(
    cluster: RayCluster, ray: Any, score: Score, tmp_path: Path
) -> None:
    def all_gone() -> None:
        for one in cluster.nodes:
            cluster.kill(one)

    act = At(1000, all_gone)
    sentence = (
        r"no worker on the Ray cluster for 15 seconds: .*; --ray-wait allows more; "
        r"the finished rows are in .*out\.jsonl\.partial, and --resume goes on with them"
    )
    try:
        with pytest.raises(UnavailableError, match=sentence):
            score(on_progress=act, ray_wait=15.0)
        assert act.done
    finally:
        until_cpus(ray, 0)
        cluster.nodes = [cluster.add() for _ in range(3)]
        until_cpus(ray, 3)
    run = score(resume=True)
    assert run.resumed >= 1000
    assert same(tmp_path)


def test_processors_that_other_work_holds_are_waited_for_and_not_for_ever(
    ray: Any, score: Score, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Holder:
        def __init__(self) -> None:
            self.held = True

        def answer(self) -> bool:
            return self.held

    holders = [ray.remote(num_cpus=1)(Holder).remote() for _ in range(3)]
    assert all(ray.get([one.answer.remote() for one in holders]))
    until(lambda: not ray.available_resources().get("CPU"))
    with (
        caplog.at_level(logging.WARNING),
        pytest.raises(UnavailableError, match="for 15 seconds: other work held 3 of its 3 CPUs"),
    ):
        score(ray_wait=15.0)
    assert "0 of 3 workers run on the Ray cluster: other work held 3 of its 3 CPUs" in caplog.text
    for one in holders:
        ray.kill(one)
    score()
    assert same(tmp_path)


def test_python_graders_are_the_same_on_every_node(
    ray: Any, tmp_path: Path, pools: list[Pool]
) -> None:
    path = tmp_path / "rows.jsonl"
    found = [{"item": {"n": n % 7}, "sample": "x" * (n % 5)} for n in range(6000)]
    path.write_text("".join(json.dumps(one) + "\n" for one in found))
    with graders.load(PYTHON) as grader:
        graders.score_file(grader, path, tmp_path / "expected.jsonl", workers=0)
        run = graders.score_file(grader, path, tmp_path / "out.jsonl", engine="ray")
    assert run.python is not None
    assert (run.python.level, run.python.calls) == ("standard", 6000)
    assert same(tmp_path)


@pytest.mark.parametrize("seed", range(min(ROUNDS, 4)))
def test_judges_of_a_job_are_asked_once_while_nodes_and_connections_are_killed(
    cluster: RayCluster, ray: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """By one actor for all of Ray Data's: where its node is lost, another goes on with its cache."""
    from ray import data

    chance = random.Random(seed)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    kills = sorted(chance.randrange(5, COUNT // 2) for _ in range(chance.randrange(1, 3)))
    spare = [cluster.add() for _ in kills]
    until_cpus(ray, 3 + len(spare))
    cluster.nodes += spare
    left, killed, paid = list(kills), list[str](), list[str]()

    def kill() -> None:
        """End a node; the first time the one that asks, where it is not the head."""
        among = [one for one in cluster.nodes if cluster.runs(one, b"_Judging") and not killed]
        victim = chance.choice(among or cluster.nodes)
        cluster.nodes.remove(victim)
        cluster.kill(victim)
        killed.append(f"{victim.node_id[:8]}{' (which asked)' if among else ''}")

    def answer(asked: Asked, _: int) -> Told:
        if left and len(paid) >= left[0]:
            left.pop(0)
            threading.Thread(target=kill).start()
        if (fault := chance.random()) < 0.2:
            return Told(status=503, body=b"{}") if fault < 0.1 else Told(cut_at=-1)
        paid.append(asked.body["messages"][-1]["content"])
        return replace(completion(), held=lambda: server.most < CONCURRENCY)

    server = ScriptedServer(answer)
    options: Any = {"base_url": server.url, "concurrency": CONCURRENCY, "cache": "all"}
    try:
        graded = data.from_items(
            [{"item": {"number": n}, "sample": f"answer {n}"} for n in range(COUNT)],
            override_num_blocks=20,
        ).map_batches(
            RayGrader, fn_constructor_args=[JUDGE],
            fn_constructor_kwargs={**options, "cache_file": tmp_path / "replies"},
            compute=data.ActorPoolStrategy(size=2), batch_size=10, batch_format="pyarrow",
            num_cpus=0.5,
        )  # fmt: skip
        rewards = {row["sample"]: row["reward"] for row in graded.take_all()}
    finally:
        server.stop()
    assert rewards == {f"answer {n}": 0.5 for n in range(COUNT)}
    assert not left
    assert server.most == CONCURRENCY
    assert len(set(paid)) == COUNT
    # What was under way as its node went was answered, and nobody could write it down.
    assert len(paid) - COUNT <= CONCURRENCY * len(killed)
    _log.warning("seed %d: killed %s; %d rows paid %d times", seed, killed, COUNT, len(paid))
