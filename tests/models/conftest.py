from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from graders import cli
from tests.models.server import Script, ScriptedServer


@pytest.fixture
def serve(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., ScriptedServer]]:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret-key-0123456789")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    # Plain HTTP is spoken: clients need not read all certificates of this machine, each anew.
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path_factory.mktemp("certificates")))
    started = []

    def start(script: Script, port: int = 0) -> ScriptedServer:
        server = ScriptedServer(script, port)
        started.append(server)
        return server

    yield start
    for server in started:
        server.stop()


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


Command = Callable[..., Done]


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command in this process, and in a folder."""

    def call(folder: Path, *arguments: str) -> Done:
        monkeypatch.chdir(folder)
        capfd.readouterr()
        code = cli._main(list(arguments))
        sys.stdout.flush()
        said = capfd.readouterr()
        return Done(code, said.out, said.err)

    return call
