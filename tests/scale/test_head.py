"""The head of a cluster lost: a run ends with a sentence, and goes on over another cluster."""

from __future__ import annotations

import json
import logging
import random
import re
import subprocess
from pathlib import Path

import pytest

import graders
from tests.batch.conftest import GRADER, lines
from tests.scale.cluster import COMMAND, ROUNDS, ROWS, RayCluster, large, same
from tests.waiting import PATIENCE, until

pytestmark = [pytest.mark.scale, pytest.mark.filterwarnings("ignore"), large]

_BY_ITSELF = r"graders: the .*Ray cluster.* is gone.*--resume goes on with them"
# Ray ends a process whose node is gone by itself at times, before it can say anything: then another does.
_FOR_IT = (
    r"graders: the process that was connected to Ray was ended .*--resume goes on after the last"
)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with so many rows that a run is far from its end when it is hit, and what they give."""
    folder = tmp_path_factory.mktemp("many")
    (folder / "grader.json").write_text(json.dumps(GRADER))
    (folder / "rows.jsonl").write_bytes(lines(ROWS) * 40)
    graders.score_file(
        graders.load(GRADER), folder / "rows.jsonl", folder / "expected.jsonl", workers=2
    )
    return folder


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_the_head_lost_ends_a_run_that_another_cluster_goes_on_with(many: Path, seed: int) -> None:
    """Each other time a third worker waits for a CPU, so that Ray is being asked whenever the head goes."""
    words = [
        COMMAND, "score", str(many / "grader.json"), str(many / "rows.jsonl"), "-o",
        str(many / "out.jsonl"), "--engine", "ray", "--workers", str(2 + seed % 2),
    ]  # fmt: skip
    whole = (many / "expected.jsonl").stat().st_size
    least = random.Random(seed).randrange(whole * 3 // 4)
    for left in many.glob("out.jsonl*"):
        left.unlink()
    partial = many / "out.jsonl.partial"
    first = RayCluster(2)
    try:
        with subprocess.Popen(
            [*words, "--ray-address", first.address], stderr=subprocess.PIPE, text=True
        ) as running:

            def is_far() -> bool:
                return partial.exists() and partial.stat().st_size >= least

            until(lambda: running.poll() is not None or is_far())
            first.kill_head()
            said = running.communicate(timeout=PATIENCE)[1]
    finally:
        first.stop()
    assert running.returncode == 2, said
    assert re.search(f"{_BY_ITSELF}|{_FOR_IT}", said.replace("\n", " ")), said
    logging.getLogger(__name__).warning("seed %d, %d bytes: %s", seed, least, said[-300:])
    second = RayCluster(2)
    try:
        subprocess.run(
            [*words, "--resume", "--ray-address", second.address], check=True, timeout=PATIENCE
        )
    finally:
        second.stop()
    assert same(many)
