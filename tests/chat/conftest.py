from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.chat.server import Script, ScriptedServer


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ScriptedServer]]:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret-key-0123456789")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    started = []

    def start(script: Script, port: int = 0) -> ScriptedServer:
        server = ScriptedServer(script, port)
        started.append(server)
        return server

    yield start
    for server in started:
        server.stop()
