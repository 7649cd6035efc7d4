from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.server.process import Serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server that several tests share: none of them may leave it otherwise than it was."""
    serving = Serving(tmp_path_factory.mktemp("store"), ("--jobs", "0"))
    yield serving
    try:
        assert serving.stop() == 0
    finally:
        serving.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Serving]]:
    """Starts servers of a test's own."""
    started: list[Serving] = []

    def begin(*options: str, folder: Path | None = None, **environment: str) -> Serving:
        serving = Serving(folder or tmp_path / "store", options, environment)
        started.append(serving)
        return serving

    yield begin
    for one in started:
        one.close()
