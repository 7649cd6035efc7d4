from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.environment import ROOT
from tests.clients.serving import Serving, free_port
from tests.models.server import Asked, ScriptedServer, Told, completion, error
from tests.waiting import PATIENCE

TOKEN = "a-token-of-the-tests-0123456789"


def judge(asked: Asked, _: int) -> Told:
    """Answer as a judge would; `labels-1` picks a label. There is no Responses API, as on most servers."""
    if not asked.path.endswith("/chat/completions"):
        return error(404)
    if asked.body.get("model") == "labels-1":
        return completion('{"steps": [], "result": "good"}')
    return completion()


@pytest.fixture(scope="session", autouse=True)
def _environments(request: pytest.FixtureRequest) -> None:
    """Say what to do where the environments are missing: nothing here skips itself."""
    if "clients" in request.config.option.markexpr and not ROOT.is_dir():
        pytest.fail("the clients are not installed: make test-clients")


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Three servers: one open, one with a token, one that is soon too busy; and a judge."""
    folder = tmp_path_factory.mktemp("servers")
    token = folder / "token"
    token.write_text(TOKEN + "\n")
    asked = ScriptedServer(judge)
    words = ("--base-url", asked.url)
    running: list[Serving] = []
    try:
        running.append(Serving(folder / "open", *words, "--jobs", "2"))
        running.append(Serving(folder / "token-data", *words, "--token-file", str(token)))
        running.append(Serving(folder / "narrow", *words, "--max-requests", "2"))
        yield {
            "open": running[0].url, "token": running[1].url, "key": TOKEN,
            "narrow": running[2].url, "nobody": f"http://127.0.0.1:{free_port()}",
            "judge": asked.url,
        }  # fmt: skip
    finally:
        for each in running:
            each.stop()
        asked.stop()


def report(command: list[Path | str], servers: dict[str, Any], cwd: Path) -> dict[str, Any]:
    """Run a client's script and return what it reports."""
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=cwd, timeout=PATIENCE,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "GRADERS_CLIENTS": json.dumps(servers),
             "LANG": "C.UTF-8", "HOME": str(cwd)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told
