"""After every test of the sandbox: no worker process and no scratch folder of ours is left."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from graders.sandbox import PythonSandbox, probe
from tests.waiting import children_of, is_gone, until

needs_standard = pytest.mark.skipif(
    probe().default is None, reason="this machine does not give the level `standard`"
)


def children() -> set[int]:
    return {child for child in children_of(os.getpid()) if not is_gone(child)}


@pytest.fixture(autouse=True)
def nothing_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = children()
    yield
    until(lambda: not children() - before)  # No worker was left behind.
    assert not list(tmp_path.glob("gr-*")), "a scratch folder was left behind"


@pytest.fixture
def sandbox() -> Iterator[PythonSandbox]:
    with PythonSandbox() as opened:
        yield opened
