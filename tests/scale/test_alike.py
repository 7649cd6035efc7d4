"""Nodes that would grade otherwise, from the start or late: refused by name, and never graded on."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import graders
from graders.batch.ray_pool import Pool
from graders.extension import installed
from tests.batch.conftest import GRADER, lines
from tests.batch.test_alike import faked
from tests.extension.conftest import forget_loaded
from tests.extension.package import write
from tests.extension.test_metric import CONFIG, GOOD
from tests.scale.cluster import COMMAND, ROWS, At, RayCluster, large, same
from tests.waiting import PATIENCE, until

pytestmark = [pytest.mark.scale, pytest.mark.filterwarnings("ignore")]

PYTHON = {
    "type": "python", "name": "p", "image_tag": "2025-05-08",
    "source": "def grade(sample, item):\n    return float(len(sample['output_text']))\n",
}  # fmt: skip
SHARE = {**CONFIG, "reference": "{{ item.a }}"}
_POINTS = {"metrics": {"share": "acme_share:SHARE"}}
_CODE = GOOD.format(score="float(one == other)", more="")
_NAMED = r"the Ray node \S+ \([\d.]+, [0-9a-f]{8}\) cannot grade as this machine does: "


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder on the search path of this process and of all nodes, with an extension."""
    found = tmp_path_factory.mktemp("site")
    write(found, _POINTS, {"acme_share": _CODE})
    return found


@pytest.fixture(scope="module")
def cluster(site: Path) -> Iterator[RayCluster]:
    found = RayCluster(3, PYTHONPATH=str(site))
    yield found
    found.stop()


@pytest.fixture(autouse=True)
def extended(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have the extension, and another working folder: Ray lets workers import from it first."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("PYTHONPATH", str(site))
    installed.cache_clear()
    yield
    installed.cache_clear()
    forget_loaded()
    sys.modules.pop("acme_share", None)


def _image(folder: Path) -> str:
    """Return a cache folder in which an image seems to be built."""
    version = f"py{sys.version_info.major}.{sys.version_info.minor}"
    place = folder / "local-graders" / "images" / f"2025-05-08-{version}"
    (place / "bin").mkdir(parents=True)
    (place / "bin" / "python").symlink_to(sys.executable)
    (place / "graders-image-ready").touch()
    return str(folder)


_PATCHES = {
    "sandbox": """
from graders.sandbox.inside import lockdown
lockdown.landlock_abi = lambda: 0
""",
    "graders": """
import sys
class Gone:
    def find_spec(self, name, *rest):
        if name == "graders":
            raise ModuleNotFoundError("No module named 'graders'", name=name)
sys.meta_path.insert(0, Gone())
""",
    "Python": """
import platform
platform.python_version = lambda: "3.99.0"
""",
}
"""What Python does first on a node."""


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


def _other(folder: Path, what: str) -> str:
    """Return a path to search that makes a node differ in one thing."""
    folder.mkdir()
    if what == "package":
        return faked(folder, "rapidfuzz", "0.0.1")
    if what == "extension":
        write(folder, _POINTS, {"acme_share": _CODE}, version="1.3")
    elif what == "code of an extension":
        write(folder, _POINTS, {"acme_share": _CODE.replace("float(one == other)", "1.0")})
    elif what == "code":
        whole = Path(graders.__file__).parent
        shutil.copytree(whole, folder / "graders", ignore=shutil.ignore_patterns("__pycache__"))
        with (folder / "graders" / "statistic.py").open("a") as code:
            code.write("# Of another checkout.\n")
    elif what in _PATCHES:
        (folder / "sitecustomize.py").write_text(_PATCHES[what])
    return str(folder)


@pytest.mark.parametrize(
    ("what", "grader", "said"),
    [
        ("nothing", GRADER, ""),
        ("graders", GRADER, r"graders cannot be imported there \(No module named 'graders'\)"),
        ("extension", SHARE, r"the package acme-graders is 1\.3 there and 1\.2 here"),
        *(pytest.param(*one, marks=large) for one in (
            ("package", GRADER, r"the package rapidfuzz is 0\.0\.1 there and .* here"),
            ("code", GRADER, "the code of graders is [0-9a-f]{12} there and [0-9a-f]{12} here"),
            ("Python", GRADER, r"Python is 3\.99\.0 there and 3\.\d+\.\d+ here"),
            ("sandbox", PYTHON, r"this machine \(.*\) cannot confine python graders at the level 'standard'.*"),
            ("code of an extension", SHARE, "the code of acme-graders is [0-9a-f]{12} there and [0-9a-f]{12} here"),
        )),
    ],
)  # fmt: skip
def test_a_node_that_joins_late_is_used_if_it_grades_as_this_machine_does(
    cluster: RayCluster, ray: Any, site: Path, pools: list[Pool], tmp_path: Path,
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch,
    what: str, grader: Any, said: str,
) -> None:  # fmt: skip
    """One that differs is refused, and one that comes after it is used; then comes the second half of the rows."""
    for kind in ("_PURE_BLOCK", "_PYTHON_BLOCK"):
        monkeypatch.setattr(f"graders.batch.parallelism.{kind}", 1 << 13)
    data = lines(ROWS if grader is GRADER else 3000)
    rows, pipe = tmp_path / "rows.jsonl", tmp_path / "pipe.jsonl"
    rows.write_bytes(data)
    os.mkfifo(pipe)
    late: list[Any] = []

    def join() -> None:  # Ray starts nodes in the main thread only.
        if said:
            path = os.pathsep.join([_other(tmp_path / "other", what), str(site)])
            late.append(cluster.add(PYTHONPATH=path))
            until(lambda: "it is not used" in caplog.text)
        late.append(cluster.add(PYTHONPATH=str(site)))
        until(lambda: pools[0]._have == 4)
        nodes = {one.node for one in (*pools[0]._ready, *pools[0]._lent)}
        assert nodes == {one.node_id for one in (*cluster.nodes, late[-1])}
        joined.set()

    with graders.load(grader) as ready, _fed(pipe, data) as joined:
        graders.score_file(ready, rows, tmp_path / "expected.jsonl", workers=0)
        try:
            with caplog.at_level(logging.WARNING):
                run = graders.score_file(
                    ready, pipe, tmp_path / "out.jsonl", engine="ray", workers=4,
                    on_progress=At(1, join),
                )  # fmt: skip
        finally:
            for node in late:
                cluster.remove(node)
    assert "the Ray cluster has 3 CPUs, so 3 of the 4 workers start" in caplog.text
    assert len(run.peaks) == 4  # By worker.
    found = [one for one in caplog.messages if "it is not used" in one]
    assert len(found) == bool(said)
    if said:
        named = _NAMED.replace("[0-9a-f]{8}", late[0].node_id[:8])
        assert re.fullmatch(f"note: {named}{said}; it is not used", found[0]), found
    assert same(tmp_path)


@pytest.mark.parametrize(
    ("what", "grader", "said"),
    [
        ("package", PYTHON, r"the package rapidfuzz is 0\.0\.1 there and .* here"),
        ("sandbox", PYTHON, r"this machine \(.*\) cannot confine python graders at the level 'standard'"),
        ("lacks the extension", SHARE, ".*share.*"),
        pytest.param("graders", PYTHON, r"graders cannot be imported there \(No module named 'graders'\)", marks=large),
        pytest.param("image", PYTHON, "the interpreter of image 2025-05-08 is Python .* there and graders' own here", marks=large),
    ],
)  # fmt: skip
def test_a_node_that_would_grade_otherwise_is_refused_by_name(
    cluster: RayCluster, site: Path, tmp_path: Path, what: str, grader: Any, said: str
) -> None:
    rows, config = tmp_path / "rows.jsonl", tmp_path / "grader.json"
    rows.write_bytes(lines(9))
    config.write_text(json.dumps(grader))
    words = [
        COMMAND, "score", str(config), str(rows), "-o", str(tmp_path / "out.jsonl"),
        "--engine", "ray", "--ray-address", cluster.address,
    ]  # fmt: skip

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=False)

    path = os.pathsep.join([_other(tmp_path / "other", what), str(site)])
    environment = {"PYTHONPATH": path}
    if what == "image":
        environment["XDG_CACHE_HOME"] = _image(tmp_path / "elsewhere")
    if what == "lacks the extension":
        environment["PYTHONPATH"] = ""
    with cluster.another(**environment) as node:
        done = run()
    assert done.returncode == 2, done.stderr
    sentence = done.stderr.strip().splitlines()[-1]
    named = _NAMED.replace("[0-9a-f]{8}", node.node_id[:8])
    assert re.fullmatch(f"graders: {named}{said}.*", sentence), done.stderr
    assert not (tmp_path / "out.jsonl").exists()
    done = run()  # Without it.
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.jsonl").read_bytes().count(b"\n") == rows.read_bytes().count(b"\n")
