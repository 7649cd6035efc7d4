"""Users who share the machine: their requests need a token, the server's own user's do not."""

from __future__ import annotations

import os
import pwd
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from graders.cli.serve import serve
from graders.server import neighbour
from graders.server.option import ServeOptions
from tests.server.process import Serving

root = pytest.mark.skipif(os.geteuid() != 0, reason="only the administrator becomes another user")
OTHER = 4242

ASK = f"""
import encodings.idna, http.client, os, socket, sys
os.setgid({OTHER}); os.setuid({OTHER})
asked = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=300)
for path, headers in (("/v1/files", {{}}), ("/v1/files", {{"authorization": "Bearer " + sys.argv[2]}}), ("/healthz", {{}})):
    asked.request("GET", path, headers=headers)
    answer = asked.getresponse()
    answer.read()
    print(answer.status)
# What nobody holds any more is root's by the kernel's word.
for _ in range(20):
    gone = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=300)
    gone.sendall(b"POST /v1/uploads HTTP/1.1\\r\\nhost: localhost\\r\\ncontent-length: 2\\r\\n\\r\\n{{}}")
    gone.close()
"""


def users(monkeypatch: pytest.MonkeyPatch, *found: tuple[str, int, str]) -> None:
    entries = [SimpleNamespace(pw_name=name, pw_uid=uid, pw_shell=shell) for name, uid, shell in found]  # fmt: skip
    monkeypatch.setattr(pwd, "getpwall", lambda: entries)


def test_other_users_are_those_who_can_log_in(monkeypatch: pytest.MonkeyPatch) -> None:
    me = ("me", os.geteuid(), "/bin/bash")
    nobody = ("nobody", 65534, "/bin/sh")
    users(monkeypatch, me, ("daemon", 2, "/bin/sh"), nobody, ("svc", 2000, "/usr/sbin/nologin"))
    monkeypatch.setattr(Path, "glob", lambda *_: iter(()))
    assert neighbour.others() is None
    users(monkeypatch, me, *((f"u{n}", 3000 + n, "/bin/bash") for n in range(5)))
    assert neighbour.others() == "other users of this machine (u0, u1, u2 and 2 more)"


def test_whose_a_connection_is() -> None:
    if not neighbour.can_tell():
        pytest.skip("this kernel does not say")
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()) as asked,
    ):
        connected, _ = listening.accept()
        with connected:
            assert neighbour.is_own(connected)
            asked.shutdown(socket.SHUT_WR)
            assert neighbour.is_own(connected)
            asked.close()
            assert not neighbour.is_own(connected)


def options(monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[ServeOptions, str]:
    given: list[ServeOptions] = []
    monkeypatch.setattr("graders.server.run.serve", given.append)
    monkeypatch.delenv("GRADERS_SERVER_TOKEN", raising=False)
    done = CliRunner().invoke(serve, words, standalone_mode=False)
    assert done.exception is None, done.exception
    return given[0], done.stderr


def test_a_token_is_made_where_others_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(neighbour, "others", lambda: "other user of this machine (ann)")
    folder = tmp_path / "data"
    first, said = options(monkeypatch, "--data-dir", str(folder))
    assert len(first.token) >= 32
    assert "other user of this machine (ann) can reach 127.0.0.1" in said
    assert str(folder / "token") in said
    assert first.token not in said
    assert stat.S_IMODE((folder / "token").stat().st_mode) == 0o600
    assert options(monkeypatch, "--data-dir", str(folder))[0].token == first.token
    for words in (["--no-token"], ["--unix-socket", str(tmp_path / "s")]):
        found, said = options(monkeypatch, "--data-dir", str(tmp_path / "other"), *words)
        assert (found.token, found.trusts_own, said) == ("", False, "")
    monkeypatch.setattr(neighbour, "others", lambda: None)
    assert options(monkeypatch, "--data-dir", str(folder))[0].token == ""


@root
def test_requests_of_another_user_need_the_token(
    start: Callable[..., Serving], tmp_path: Path
) -> None:
    if neighbour.others() is None:
        pytest.skip("this machine has one user")
    server = start("--jobs", "0")
    assert "can reach 127.0.0.1" in server.said
    assert server.ask("GET", "/v1/files").status == 200
    assert server.ask("GET", "/v1/files", Host="evil.example").status == 403
    assert server.ask("GET", "/playground/info").json["token_required"] is False
    token = (server.folder / "token").read_text().strip()
    before = len(server.lines)
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(server.port), token],
        capture_output=True, text=True, check=True, cwd="/",
    )  # fmt: skip
    assert done.stdout.split() == ["401", "200", "200"]
    server.stop()
    asked = [line["status"] for line in server.lines[before:] if line.get("method") == "POST"]
    assert set(asked) <= {401}
