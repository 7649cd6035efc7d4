"""After every test of the sandbox: no worker process and no scratch folder of ours is left."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from graders.sandbox import PythonSandbox, probe
from tests.waiting import until

needs_standard = pytest.mark.skipif(
    probe().default is None, reason="this machine does not give the level `standard`"
)


def children() -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid() and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


@pytest.fixture(autouse=True)
def nothing_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[None]:
    scoped = request.node.get_closest_marker("shared_sandbox")
    if scoped is None:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = children()
    yield
    if scoped is not None:
        return
    until(lambda: not set(children()) - set(before))  # No worker was left behind.
    assert not list(tmp_path.glob("gr-*")), "a scratch folder was left behind"


@pytest.fixture
def sandbox() -> Iterator[PythonSandbox]:
    with PythonSandbox() as opened:
        yield opened
