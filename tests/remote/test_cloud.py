"""Google's and Azure's storage, on emulators: the same bytes as on this machine, through faults and kills."""

from __future__ import annotations

import functools
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from graders.batch import elsewhere
from graders.cli import _main
from graders.remote import reader
from graders.remote.place import _store, named
from tests.batch.conftest import GRADER, lines
from tests.remote.cloud import CLOUDS, emulator, pointed_at, system
from tests.remote.storage import Way, way
from tests.waiting import PATIENCE, until

pytestmark = [pytest.mark.remote, pytest.mark.filterwarnings("ignore")]

ROWS = lines(3000)


@pytest.fixture(scope="module", params=CLOUDS)
def server(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[tuple[str, str]]:
    with emulator(request.param, tmp_path_factory.mktemp("azurite")) as url:
        yield request.param, url


class There(NamedTuple):
    """A bucket with rows, as this process sees it.

    Attributes:
        at: its address.
        way: to the emulator.
        environment: of another process that sees it.
        system: to look at it.
    """

    at: str
    way: Way
    environment: dict[str, str]
    system: Any

    def content(self, name: str) -> bytes:
        data: bytes = named(f"{self.at}/{name}").read(1 << 30)  # type: ignore[union-attr]
        return data

    def listed(self) -> set[str]:
        return {one.rpartition("/")[2] for one in self.system.find("bucket/out")}


@pytest.fixture
def there(
    server: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[There]:
    cloud, url = server
    monkeypatch.setattr("graders.remote.fault._LONGEST", 0.0)
    monkeypatch.setattr(reader, "PIECE", 1 << 14)
    with way(url) as to_it:
        environment = pointed_at(cloud, to_it.url, tmp_path / "spool")
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        _store.cache_clear()
        found = system(cloud)
        if cloud == "az" and not found.exists("bucket"):
            found.mkdir("bucket")
        for name in found.find("bucket"):
            found.rm_file(name)
        found.pipe_file("bucket/in/rows.jsonl", ROWS)
        found.pipe_file("bucket/g.json", json.dumps(GRADER).encode())
        yield There(f"{cloud}://bucket", to_it, environment, found)
        _store.cache_clear()


def score(there: There, *words: str) -> int:
    return _main(["score", f"{there.at}/g.json", *words, "--workers", "0"])


def test_the_same_bytes_as_on_this_machine(there: There, expected: bytes, capsys: Any) -> None:
    words = (f"{there.at}/in/*.jsonl", "-o", f"{there.at}/out/r.jsonl")
    assert score(there, *words) == 0
    assert there.content("out/r.jsonl") == expected
    assert there.listed() == {"r.jsonl", "r.jsonl.manifest.json"}
    manifest = there.content("out/r.jsonl.manifest.json")
    assert b"devstoreaccount" not in manifest
    assert score(there, *words, "--resume") == 0
    assert there.content("out/r.jsonl.manifest.json") == manifest
    assert _main(["report", words[2], "-o", f"{there.at}/out/r.html"]) == 0
    assert there.content("out/r.html").startswith(b"<!doctype html>")
    capsys.readouterr()
    assert score(there, f"{there.at}/in/none.jsonl", "-o", f"{there.at}/out/n.jsonl") == 2
    assert f"{there.at}/in/none.jsonl: there is no such object" in capsys.readouterr().err


def test_faults_on_the_way_cost_no_row(
    there: There, expected: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elsewhere, "_BYTES", 30_000)
    kinds = ["cut", "lost", "500", "503"]
    there.way.fault = lambda number, *_: kinds[number // 3 % 4] if number % 3 == 0 else ""
    assert score(there, f"{there.at}/in/rows.jsonl", "-o", f"{there.at}/out/r.jsonl") == 0
    there.way.fault = lambda *_: ""
    assert {*kinds} <= {*there.way.seen}
    assert there.content("out/r.jsonl") == expected
    assert there.listed() == {"r.jsonl", "r.jsonl.manifest.json"}


_SCRIPT = """
import sys
from graders.batch import elsewhere, parallelism
from graders.cli import main
elsewhere._BYTES, parallelism._PURE_BLOCK = 30_000, 1 << 13
main(sys.argv[1:])
"""


def test_a_killed_run_goes_on(there: There, tmp_path: Path, expected: bytes) -> None:
    out = f"{there.at}/out/killed.jsonl"
    words = [
        "score",
        f"{there.at}/g.json",
        f"{there.at}/in/rows.jsonl",
        "-o",
        out,
        "--workers",
        "0",
    ]
    command = [sys.executable, "-c", _SCRIPT, *words, "--resume"]

    def parts() -> int:
        try:
            return len(json.loads(there.content("out/killed.jsonl.partial/state.json"))["parts"])
        except FileNotFoundError:
            return 0

    def far(process: subprocess.Popen[bytes]) -> bool:
        return parts() >= 2 or process.poll() is not None

    process = subprocess.Popen(command, env=there.environment, cwd=tmp_path)
    until(functools.partial(far, process))
    process.send_signal(signal.SIGKILL)
    process.wait(PATIENCE)
    assert "killed.jsonl" not in there.listed()  # Whole or not at all.
    done = subprocess.run(
        [*command, "--json"], env=there.environment, cwd=tmp_path, capture_output=True, check=True
    )
    assert json.loads(done.stdout)["resumed_rows"] > 0
    assert there.content("out/killed.jsonl") == expected
    assert there.listed() == {"killed.jsonl", "killed.jsonl.manifest.json"}
