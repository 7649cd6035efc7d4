from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.serving import Serving

Serve = Callable[..., Serving]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start servers that end with the test."""
    running: list[Serving] = []

    def start(*words: str, folder: Path | None = None, **options: Any) -> Serving:
        made = Serving(folder or tmp_path / "data", *words, **options)
        running.append(made)
        return made

    yield start
    for each in running:
        each.kill()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """One server for the tests of a module that leave it as it was."""
    server = Serving(tmp_path_factory.mktemp("shared") / "data")
    yield server
    assert server.process.poll() is None, server.said[-4000:]
    assert server.stop() == 0, server.said[-4000:]
    assert "Traceback" not in server.said, server.said[-4000:]
