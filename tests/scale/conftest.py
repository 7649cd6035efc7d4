"""A cluster of three nodes, rows, and runs over them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import graders
from graders.batch import ray_executor
from graders.batch.ray_pool import Pool
from tests.batch.conftest import GRADER, lines
from tests.scale.cluster import ROWS, RayCluster, until_cpus


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    found = RayCluster(3)
    yield found
    found.stop()


@pytest.fixture
def ray(cluster: RayCluster) -> Iterator[Any]:
    """Ray, connected, with all three nodes and nothing else."""
    import ray

    ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
    until_cpus(ray, 3)
    yield ray
    ray.shutdown()


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of rows in many small blocks, with what a run without Ray gives beside it."""
    monkeypatch.setattr("graders.batch.parallelism._PURE_BLOCK", 1 << 13)
    path = tmp_path / "rows.jsonl"
    path.write_bytes(lines(ROWS))
    graders.score_file(graders.load(GRADER), path, tmp_path / "expected.jsonl", workers=0)
    return path


@pytest.fixture
def pools(monkeypatch: pytest.MonkeyPatch) -> list[Pool]:
    """The pools of workers that runs make."""
    made: list[Pool] = []

    class Seen(Pool):
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            made.append(self)

    monkeypatch.setattr(ray_executor, "Pool", Seen)
    return made


Score = Callable[..., graders.Run]


@pytest.fixture
def score(rows: Path, tmp_path: Path) -> Score:
    """Score the rows over the cluster."""

    def run(source: Any = None, **options: Any) -> graders.Run:
        out = tmp_path / "out.jsonl"
        return graders.score_file(
            graders.load(GRADER), rows if source is None else source, out, engine="ray", **options
        )

    return run
