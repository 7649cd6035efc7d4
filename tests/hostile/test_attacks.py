"""Every attack in `attacks/`, and a soak, through `run.py`; only with `pytest -m hostile`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).with_name("run.py")

pytestmark = pytest.mark.hostile


@pytest.fixture(autouse=True)
def _only_on_request(request: pytest.FixtureRequest) -> None:
    if "hostile" not in request.config.option.markexpr:
        pytest.skip("attacks run with: pytest -m hostile (or make test-hostile)")
    if not (shutil.which("unshare") and shutil.which("setpriv")):
        pytest.skip("unshare and setpriv (util-linux) are needed")


def run(*words: str) -> None:
    done = subprocess.run(
        [sys.executable, str(RUN), *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_every_attack_is_met_as_root_and_as_an_ordinary_user() -> None:
    run()


def test_every_attack_is_met_with_a_process_a_row() -> None:
    run("--isolation", "row", "--user", "ordinary")


def test_attacks_on_disk_and_memory_are_met_at_strong() -> None:
    run("--level", "strong", "--only", "h2")


def test_attacks_on_disk_and_memory_are_met_without_namespaces() -> None:
    run("--no-namespaces", "--only", "h2")


@pytest.mark.parametrize("version", ["1", "2"])
def test_attacks_on_files_are_met_under_an_older_landlock(version: str) -> None:
    run("--landlock", version, "--only", "file", "--user", "ordinary")


def test_many_calls_with_one_in_a_hundred_hostile() -> None:
    run("--soak", "20000")
