"""A real local Ray of two workers: the same bytes, whatever becomes of the workers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import graders
from graders.adapters.ray import RayGrader
from graders.batch.run import MaxFailures
from graders.errors import StoppedError
from tests.batch.conftest import GRADER
from tests.models.server import ScriptedServer, Told, completion
from tests.scale.cluster import COMMAND, JUDGE
from tests.waiting import PATIENCE

pytestmark = [pytest.mark.scale, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield ray
    ray.shutdown()


def test_ray_gives_the_same_bytes_and_goes_on_where_it_was_stopped(
    ray: Any, rows: Path, tmp_path: Path
) -> None:
    grader, out = graders.load(GRADER), tmp_path / "out.jsonl"
    with pytest.raises(StoppedError):
        graders.score_file(
            grader, rows, out, engine="ray", workers=2, max_failures=MaxFailures(count=200)
        )
    run = graders.score_file(grader, rows, out, engine="ray", workers=2, resume=True)
    assert 0 < run.resumed < run.tally.rows
    assert out.read_bytes() == (tmp_path / "expected.jsonl").read_bytes()
    assert ray.is_initialized()  # It was not ours to end.


def test_a_worker_killed_in_the_middle_costs_no_row(ray: Any, rows: Path, tmp_path: Path) -> None:
    killed: list[int] = []
    stop = threading.Event()

    def kill() -> None:
        while not stop.wait(0.02) and not killed:
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    command = path.read_bytes()
                except OSError:
                    continue
                if command.startswith(b"ray::") and b"_Actor.score" in command:
                    killed.append(int(path.parent.name))
                    os.kill(killed[0], signal.SIGKILL)
                    return

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        run = graders.score_file(
            graders.load(GRADER), rows, tmp_path / "out.jsonl", engine="ray", workers=2
        )
    finally:
        stop.set()
        thread.join()
    assert killed
    assert "other_error" not in run.tally.codes
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "expected.jsonl").read_bytes()


def test_python_graders_are_sandboxed_there_too(ray: Any, tmp_path: Path) -> None:
    source = "def grade(sample, item):\n    return len(sample['output_text']) / item['n']\n"
    body = {"type": "python", "name": "p", "source": source}
    path = tmp_path / "rows.jsonl"
    found = [{"item": {"n": n % 7}, "sample": "x" * (n % 5)} for n in range(300)]
    path.write_text("".join(json.dumps(one) + "\n" for one in found))
    with graders.load(body) as grader:
        graders.score_file(grader, path, tmp_path / "expected.jsonl", workers=0)
        run = graders.score_file(grader, path, tmp_path / "out.jsonl", engine="ray", workers=2)
    assert run.python is not None
    assert run.python.level == "standard"
    assert run.tally.failed == 43
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "expected.jsonl").read_bytes()


@pytest.mark.parametrize("form", ["numpy", "pyarrow"])
def test_ray_data_gets_the_grades_as_columns(ray: Any, form: str) -> None:
    from ray import data

    found = [{"a": "x", "sample": "x"}, {"a": "y", "sample": "x"}, {"a": "x", "sample": None}] * 5
    graded = data.from_items(found).map_batches(
        RayGrader,
        fn_constructor_args=[GRADER],
        compute=data.ActorPoolStrategy(size=1),
        batch_size=4,
        batch_format=form,
    )
    rows = graded.take_all()
    assert [row["reward"] for row in rows] == [1.0, 0.0, None] * 5
    assert rows[0]["sub_rewards"] == {"same": 1.0, "near": 1.0}
    assert rows[0]["failures"] == ""
    assert json.loads(rows[2]["failures"])[0]["code"] == "invalid_variable_error"


@pytest.mark.parametrize("by", ["ray data", "graders score"])
def test_judges_are_asked_as_often_and_as_fast_as_by_one_process(
    ray: Any, tmp_path: Path, by: str
) -> None:
    """By one actor for all of Ray Data's actors: one concurrency, one cache."""

    def answer(*_: Any) -> Told:
        return replace(completion(), held=lambda: server.most < 3)  # Until so many are under way.

    server = ScriptedServer(answer)
    options: Any = {
        "base_url": server.url,
        "concurrency": 3,
        "cache": "all",
        "cache_file": tmp_path / "replies",
    }
    rows = [{"item": {"number": n % 30}, "sample": f"answer {n % 30}"} for n in range(120)]
    try:
        for _ in range(2):  # The second time all is in the cache.
            if by == "ray data":
                from ray import data

                graded = data.from_items(rows, override_num_blocks=8).map_batches(
                    RayGrader,
                    fn_constructor_args=[JUDGE],
                    fn_constructor_kwargs=options,
                    compute=data.ActorPoolStrategy(size=2),
                    batch_size=10,
                    batch_format="pyarrow",
                    num_cpus=0.5,
                )
                rewards = [row["reward"] for row in graded.take_all()]
            else:
                path = tmp_path / "rows.jsonl"
                path.write_text("".join(json.dumps(one) + "\n" for one in rows))
                run = graders.score_file(
                    graders.load(JUDGE, **options), path, tmp_path / "out.jsonl",
                    engine="ray", workers=2, restart=True,
                )  # fmt: skip
                rewards = [0.5] * run.tally.scored
            assert rewards == [0.5] * 120
            asked = sorted(one.body["messages"][-1]["content"] for one in server.asked)
            assert asked == sorted(set(asked))
            assert len(asked) == 30
        assert server.most == 3
    finally:
        server.stop()


def test_no_cluster_is_one_sentence(rows: Path, tmp_path: Path) -> None:
    """In a process of its own: once the Ray of these tests was shut down, what comes next would join any other on the machine."""
    grader = tmp_path / "grader.json"
    grader.write_text(json.dumps(GRADER))
    words = ["score", str(grader), str(rows), "-o", str(tmp_path / "out.jsonl"), "--engine", "ray"]
    done = subprocess.run(
        [COMMAND, *words, "--ray-address", "127.0.0.1:1"], capture_output=True, text=True,
        timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "graders: no Ray cluster at 127.0.0.1:1: Connection refused" in done.stderr


def test_a_reward_goes_to_actors_and_along_in_a_closure(ray: Any) -> None:
    """After its first use here, when it has a sandbox of this process."""
    source = "def grade(sample, item):\n    return float(item['number'])"
    with graders.Reward({"type": "python", "name": "p", "source": source}, failed=-1.0) as reward:
        assert reward({"number": 0}, "x") == 0.0

        class Scorer:
            def __init__(self, given: graders.Reward) -> None:
                self.reward = given

            def score(self, numbers: list[Any]) -> list[float | None]:
                return self.reward.batch([{"number": one, "sample": "x"} for one in numbers])

            async def one(self, number: Any) -> float | None:
                return await self.reward.areward({"number": number}, "x")

        actors = [ray.remote(Scorer).options(num_cpus=0).remote(reward) for _ in range(2)]
        asked = [one.score.remote([1, 2, "no"]) for one in actors * 3]
        assert ray.get(asked) == [[1.0, 2.0, -1.0]] * 6
        assert ray.get([one.one.remote(3) for one in actors * 8]) == [3.0] * 16
        closure = ray.remote(lambda number: reward({"number": number}, "x"))
        assert ray.get([closure.options(num_cpus=0).remote(at) for at in range(4)]) == [
            0.0,
            1.0,
            2.0,
            3.0,
        ]
