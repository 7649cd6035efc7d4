"""A server of pages, and waits that take no time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import graders
from tests.batch.conftest import GRADER
from tests.remote.pages import Pages, pages


@pytest.fixture
def served() -> Iterator[Pages]:
    with pages() as found:
        yield found


@pytest.fixture(scope="module")
def expected(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The results of a module's ROWS, read from a file of this machine."""
    folder = tmp_path_factory.mktemp("expected")
    (folder / "rows.jsonl").write_bytes(request.module.ROWS)
    graders.score_file(graders.load(GRADER), folder / "rows.jsonl", folder / "out.jsonl")
    return (folder / "out.jsonl").read_bytes()


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tried again is tried at once."""
    monkeypatch.setattr("graders.remote.fault._LONGEST", 0.0)
