from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server.process import TOKEN, Serving
from tests.server.visit import Visit

REPLIES = Path(__file__).parents[2] / "samples/judge/replies.sqlite"


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server with a token, low limits and few descriptors that logs texts; shared like `server`.

    Of the 256 descriptors its own needs come first.
    """
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "token").write_text(TOKEN + "\n")
    serving = Serving(
        folder / "store",
        ("--jobs", "0", "--processes", "1", "--host", "0.0.0.0",
         "--token-file", str(folder / "token"), "--max-body", "500k", "--max-file", "2M",
         "--python-timeout", "0.5", "--log-texts"),
        before=("sh", "-c", 'ulimit -n 256; exec "$@"', "sh"),
    )  # fmt: skip
    yield serving
    try:
        assert serving.stop() == 0
        assert "Traceback" not in serving.said
    finally:
        serving.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Serving]]:
    """Starts servers of a test's own."""
    started: list[Serving] = []

    def begin(*options: str, folder: Path | None = None, **environment: str) -> Serving:
        # One process that grades is as good as many, and sooner there.
        many = () if "--processes" in options else ("--processes", "1")
        serving = Serving(folder or tmp_path / "store", (*options, *many), environment)
        started.append(serving)
        return serving

    yield begin
    for one in started:
        one.close()


@pytest.fixture(scope="module")
def playground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server to look at in a browser; its judge's replies were recorded."""
    folder = tmp_path_factory.mktemp("playground")
    (folder / "replies.sqlite").write_bytes(REPLIES.read_bytes())
    judge = ("--base-url", "local", "--offline", "--cache-file", str(folder / "replies.sqlite"))
    serving = Serving(folder / "store", judge)
    yield serving
    serving.close()


@pytest.fixture
def visit(browser: Any, playground: Serving) -> Iterator[Callable[..., Visit]]:
    """Opens the page; at the end, it has said nothing and asked nobody else for anything."""
    visits: list[Visit] = []

    def go(fragment: str = "", *, of: Serving | None = None, **settings: Any) -> Visit:
        address = f"{(of or playground).url}/{fragment}"
        visits.append(Visit(browser, address, **settings))
        return visits[-1]

    yield go
    for one in visits:
        unexpected = [line for line in one.said if not any(w in line for w in one.expected)]
        assert unexpected == []
        assert one.foreign == []
        assert one.page.evaluate("window.ran ?? null") is None
        assert len(one.context.pages) == 1
        one.context.close()
