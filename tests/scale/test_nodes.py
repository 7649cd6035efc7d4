"""A cluster of three nodes, each of processes of its own: the same bytes, whatever becomes of them."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import random
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import graders
from graders.batch import ray_executor
from graders.batch.ray_pool import Pool
from graders.errors import UnavailableError
from tests.batch.conftest import GRADER, lines
from tests.extension.package import write
from tests.extension.test_metric import CONFIG, GOOD
from tests.scale.cluster import RayCluster, until_cpus
from tests.waiting import PATIENCE, until

pytestmark = [pytest.mark.scale, pytest.mark.filterwarnings("ignore")]

ROWS = 20_000
LARGE = "GRADERS_LARGE" in os.environ
ROUNDS = 12 if LARGE else 1
large = pytest.mark.skipif(not LARGE, reason="make test-scale-large")
PYTHON = {
    "type": "python", "name": "p", "image_tag": "2025-05-08",
    "source": "def grade(sample, item):\n    return len(sample['output_text']) / item['n']\n",
}  # fmt: skip


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
    def run(source: Any = None, **options: Any) -> graders.Run:
        out = tmp_path / "out.jsonl"
        return graders.score_file(
            graders.load(GRADER), rows if source is None else source, out, engine="ray", **options
        )

    return run


def same(folder: Path) -> bool:
    return (folder / "out.jsonl").read_bytes() == (folder / "expected.jsonl").read_bytes()


class At:
    """Does something once, when so many rows are done."""

    def __init__(self, rows: int, act: Callable[[], Any]) -> None:
        self._rows, self._act = rows, act
        self.done = False

    def __call__(self, now: Any) -> None:
        if now.tally.rows >= self._rows and not self.done:
            self.done = True
            self._act()


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_a_node_killed_at_any_time_costs_no_row(
    cluster: RayCluster, ray: Any, score: Score, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    victim = cluster.add()
    until_cpus(ray, 4)
    act = At(chance.randrange(ROWS // 2), lambda: cluster.kill(victim, workers_first=seed % 2 == 0))
    run = score(workers=4, on_progress=act)
    assert act.done
    assert run.complete
    assert "other_error" not in run.tally.codes
    assert same(tmp_path)


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


@contextlib.contextmanager
def _fed(pipe: Path, data: bytes) -> Iterator[threading.Event]:
    """Write the first half into a pipe, and the second once the event is set."""
    middle = data.index(b"\n", len(data) // 2) + 1
    go_on = threading.Event()

    def feed() -> None:
        with pipe.open("wb") as stream:
            stream.write(data[:middle])
            stream.flush()
            go_on.wait(PATIENCE)
            stream.write(data[middle:])

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        yield go_on
    finally:
        go_on.set()
        thread.join(PATIENCE)


def test_a_node_that_joins_late_is_used_where_more_workers_are_wanted(
    cluster: RayCluster, ray: Any, rows: Path, score: Score, pools: list[Pool], tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    pipe = tmp_path / "pipe.jsonl"
    os.mkfifo(pipe)
    late: list[Any] = []

    def join() -> None:  # Ray starts nodes in the main thread only.
        late.append(cluster.add())
        until(lambda: pools[0]._have == 4)
        joined.set()

    with _fed(pipe, rows.read_bytes()) as joined:
        try:
            with caplog.at_level(logging.WARNING):
                run = score(pipe, workers=4, on_progress=At(1, join))
        finally:
            for node in late:
                cluster.kill(node)
    assert "the Ray cluster has 3 CPUs, so 3 of the 4 workers start" in caplog.text
    assert len(run.peaks) == 4  # By worker.
    assert same(tmp_path)


def test_a_node_that_joins_late_and_would_grade_otherwise_is_left_out_by_name(
    cluster: RayCluster, ray: Any, rows: Path, score: Score, pools: list[Pool], tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    other = _faked(tmp_path / "other", "rapidfuzz", "0.0.1")
    late: list[Any] = []

    def join() -> None:
        late.append(cluster.add(PYTHONPATH=other))
        until(lambda: "it is not used" in caplog.text or pools[0]._have == 4)
        joined.set()

    pipe = tmp_path / "pipe.jsonl"
    os.mkfifo(pipe)
    with _fed(pipe, rows.read_bytes()) as joined:
        try:
            with caplog.at_level(logging.WARNING):
                run = score(pipe, workers=4, on_progress=At(1, join))
        finally:
            for node in late:
                cluster.kill(node)
    said = (
        r"note: the Ray node \S+ \([\d.]+, [0-9a-f]{8}\) cannot grade as this machine does: "
        r"the package rapidfuzz is 0\.0\.1 there and .* here; it is not used"
    )
    assert re.search(said, caplog.text)
    assert len(run.peaks) == 3  # By worker: none of them on that node.
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


def _faked(folder: Path, name: str, version: str) -> str:
    """Return a path to search in which a package seems to have another version."""
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    return str(folder)


def _patched(folder: Path, text: str) -> str:
    """Return a path to search whose Python does something first."""
    folder.mkdir(parents=True)
    (folder / "sitecustomize.py").write_text(text)
    return str(folder)


def _image(folder: Path) -> str:
    """Return a cache folder in which an image seems to be built."""
    version = f"py{sys.version_info.major}.{sys.version_info.minor}"
    place = folder / "local-graders" / "images" / f"2025-05-08-{version}"
    (place / "bin").mkdir(parents=True)
    (place / "bin" / "python").symlink_to(sys.executable)
    (place / "graders-image-ready").touch()
    return str(folder)


_NO_LANDLOCK = """
from graders.sandbox.inside import lockdown
lockdown.landlock_abi = lambda: 0
"""
_NO_GRADERS = """
import sys
class Gone:
    def find_spec(self, name, *rest):
        if name == "graders":
            raise ModuleNotFoundError("No module named 'graders'", name=name)
sys.meta_path.insert(0, Gone())
"""


@pytest.mark.parametrize(
    "what",
    [
        "package",
        "sandbox",
        pytest.param("graders", marks=large),
        pytest.param("image", marks=large),
    ],
)
def test_a_node_that_would_grade_otherwise_is_refused_by_name(
    cluster: RayCluster, tmp_path: Path, what: str
) -> None:
    elsewhere = tmp_path / "elsewhere"
    path, said = {
        "package": (
            {"PYTHONPATH": _faked(elsewhere / "a", "rapidfuzz", "0.0.1")},
            r"the package rapidfuzz is 0\.0\.1 there and .* here",
        ),
        "sandbox": (
            {"PYTHONPATH": _patched(elsewhere / "b", _NO_LANDLOCK)},
            r"this machine \(.*\) cannot confine python graders at the level 'standard'",
        ),
        "graders": (
            {"PYTHONPATH": _patched(elsewhere / "c", _NO_GRADERS)},
            r"graders cannot be imported there \(No module named 'graders'\)",
        ),
        "image": (
            {"XDG_CACHE_HOME": _image(elsewhere / "d")},
            r"the interpreter of image 2025-05-08 is Python .* there and graders' own here",
        ),
    }[what]
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"item": {"n": n}, "sample": "x"}) + "\n" for n in range(9)))
    grader = tmp_path / "grader.json"
    grader.write_text(json.dumps(PYTHON))
    words = [
        str(Path(sys.executable).with_name("graders")), "score", str(grader), str(rows), "-o",
        str(tmp_path / "out.jsonl"), "--engine", "ray", "--ray-address", cluster.address,
    ]  # fmt: skip
    with cluster.another(**path):
        done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 2, done.stderr
    sentence = done.stderr.strip().splitlines()[-1]
    named = r"graders: the Ray node \S+ \([\d.]+, [0-9a-f]{8}\) cannot grade as this machine does: "
    assert re.fullmatch(named + said + ".*", sentence), done.stderr
    assert not (tmp_path / "out.jsonl").exists()


def test_an_extension_that_one_node_lacks_is_said_of_that_node(tmp_path: Path) -> None:
    site = tmp_path / "site"
    write(
        site,
        {"metrics": {"share": "acme_share:SHARE"}},
        {"acme_share": GOOD.format(score="float(one == other)", more="")},
    )
    rows, grader = tmp_path / "rows.jsonl", tmp_path / "grader.json"
    rows.write_text(
        "".join(json.dumps({"item": {"a": f"x{n % 2}"}, "sample": "x1"}) + "\n" for n in range(9))
    )
    grader.write_text(json.dumps(CONFIG))
    having = RayCluster(0)
    words = [
        str(Path(sys.executable).with_name("graders")), "score", str(grader), str(rows), "-o",
        str(tmp_path / "out.jsonl"), "--engine", "ray", "--ray-address", having.address,
    ]  # fmt: skip

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words, capture_output=True, text=True, timeout=PATIENCE, check=False,
            env={**os.environ, "PYTHONPATH": str(site)},
        )  # fmt: skip

    try:
        having.add(PYTHONPATH=str(site))
        lacking = having.add()
        done = run()
        assert done.returncode == 2, done.stderr
        sentence = done.stderr.strip().splitlines()[-1]
        assert f", {lacking.node_id[:8]}) cannot grade as this machine does: " in sentence
        assert "share" in sentence
        assert not (tmp_path / "out.jsonl").exists()
        having.kill(lacking)
        done = run()
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "out.jsonl").read_text().count("\n") == 9
    finally:
        having.stop()


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


@large
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_the_head_lost_ends_a_run_that_another_cluster_goes_on_with(
    rows: Path, tmp_path: Path, seed: int
) -> None:
    grader, out = tmp_path / "grader.json", tmp_path / "out.jsonl"
    grader.write_text(json.dumps(GRADER))
    many = tmp_path / "many.jsonl"
    many.write_bytes(rows.read_bytes() * 40)
    graders.score_file(graders.load(GRADER), many, tmp_path / "expected.jsonl")
    words = [
        str(Path(sys.executable).with_name("graders")), "score", str(grader), str(many), "-o",
        str(out), "--resume", "--engine", "ray",
    ]  # fmt: skip
    whole = (tmp_path / "expected.jsonl").stat().st_size
    least = random.Random(seed).randrange(whole * 3 // 4) if LARGE else 1
    first = RayCluster(2)
    try:
        with subprocess.Popen(
            [*words, "--ray-address", first.address], stderr=subprocess.PIPE, text=True
        ) as running:
            partial = tmp_path / "out.jsonl.partial"
            until(
                lambda: (
                    running.poll() is not None
                    or (partial.exists() and partial.stat().st_size >= least)
                )
            )
            first.kill_head()
            said = running.communicate(timeout=PATIENCE)[1]
    finally:
        first.stop()
    # Ray ends a process whose node is gone by itself at times, before it can say anything: then another does.
    assert running.returncode == 2, said
    by_itself = r"graders: the .*Ray cluster.* is gone.*--resume goes on with them"
    for_it = r"graders: the process that was connected to Ray was ended .*--resume goes on after the last"
    assert re.search(f"{by_itself}|{for_it}", said.replace("\n", " ")), said
    logging.getLogger(__name__).warning("seed %d, %d bytes: %s", seed, least, said[-300:])
    second = RayCluster(2)
    try:
        subprocess.run([*words, "--ray-address", second.address], check=True, timeout=PATIENCE)
    finally:
        second.stop()
    assert same(tmp_path)
