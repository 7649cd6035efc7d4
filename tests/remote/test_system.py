"""Servers of storage that are not there, or say nothing: each package asks once, and we say the rest."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from graders.cli import _main
from graders.remote import RemoteError, named
from graders.remote.place import _store
from tests.remote.cloud import pointed_at
from tests.remote.storage import pointed_at as s3_pointed_at

pytestmark = [pytest.mark.remote, pytest.mark.filterwarnings("ignore")]

VARIABLES = {
    "s3": "AWS_ENDPOINT_URL",
    "gs": "STORAGE_EMULATOR_HOST",
    "az": "AZURE_STORAGE_CONNECTION_STRING",
}


@pytest.fixture(params=VARIABLES)
def asked(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, socket.socket]]:
    """A scheme, and the socket where its server should answer: bound, and nobody listens yet."""
    scheme = request.param
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{place.getsockname()[1]}"
        there = (
            s3_pointed_at(url, tmp_path) if scheme == "s3" else pointed_at(scheme, url, tmp_path)
        )
        for name, value in there.items():
            monkeypatch.setenv(name, value)
        _store.cache_clear()
        yield scheme, place
        _store.cache_clear()


def said(scheme: str, place: socket.socket) -> str:
    where = "the server" if scheme == "az" else f"http://127.0.0.1:{place.getsockname()[1]}"
    return f"{where} (named by {VARIABLES[scheme]})"


def test_a_server_that_says_nothing_is_asked_once_and_named(
    asked: tuple[str, socket.socket], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    scheme, place = asked
    monkeypatch.setattr("graders.remote.system.SILENCE", 0.2)
    monkeypatch.setattr("graders.remote.fault._PATIENCE", 0.0)
    place.listen(9)  # It takes connections, and that is all.
    grader = tmp_path / "g.json"
    grader.write_text(json.dumps({"type": "string_check", "name": "g", "input": "a",
                                  "reference": "a", "operation": "eq"}))  # fmt: skip
    rows = f"{scheme}://bucket/rows.jsonl"
    assert _main(["score", str(grader), rows, "-o", str(tmp_path / "out.jsonl")]) == 2
    # Nothing else, such as a traceback in the words of a package's log.
    assert capfd.readouterr().err == (
        f"graders: {rows}: cannot be read: {said(scheme, place)} gives no answer (tried once); "
        "see whether this machine can reach it\n"
    )
    questions = sorted(heard(place))
    assert questions
    assert questions == sorted(set(questions))  # gcsfs asks for object and folder at once.


def heard(place: socket.socket) -> Iterator[bytes]:
    """Yield the first line of what each connection said."""
    place.settimeout(0)
    with contextlib.suppress(BlockingIOError):
        while True:
            with place.accept()[0] as taken:
                yield taken.recv(1 << 14).partition(b"\r\n")[0]


def test_a_server_that_is_not_there_is_named(
    asked: tuple[str, socket.socket], at_once: None, capfd: Any
) -> None:
    scheme, place = asked
    with pytest.raises(RemoteError) as raised:
        named(f"{scheme}://bucket/rows.jsonl").stat()
    assert f"{said(scheme, place)} cannot be reached (tried 8 times" in str(raised.value)
    assert "key" not in str(raised.value).lower()
    assert capfd.readouterr().err == ""
