from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location(
    "scripted_server", Path(__file__).parent / "server.py"
)
assert _spec is not None
assert _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
sys.modules["scripted_server"] = _module
_spec.loader.exec_module(_module)


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret-key-0123456789")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    started = []

    def start(script: object, port: int = 0) -> object:
        server = _module.ScriptedServer(script, port)
        started.append(server)
        return server

    yield start
    for server in started:
        server.stop()
