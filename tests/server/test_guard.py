"""Who may ask, and what is written down about it."""

from __future__ import annotations

import contextlib
import json
import socket
from typing import Any

import pytest

from graders.errors import OptionError
from graders.server.app import _API, _LOCAL, _OWN, _REWARDS, PREFIXES
from graders.server.openapi import document
from graders.server.option import RequestLimits, ServeOptions, is_loopback
from tests.server.process import BEARER, TOKEN, Serving
from tests.server.test_grader import CHECK, ITEM
from tests.waiting import PATIENCE, until


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", ""]
)
def test_other_hosts_are_refused(server: Serving, host: str) -> None:
    answer = server.ask("GET", "/healthz", Host=host)
    assert (answer.status, answer.error["code"]) == (403, "host_not_allowed")


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1:{port}", "[::1]:{port}", "LOCALHOST:{port}"]
)
def test_own_hosts_are_answered(server: Serving, host: str) -> None:
    assert server.ask("GET", "/healthz", Host=host.format(port=server.port)).status == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "file://"])
def test_pages_of_other_origins_are_refused(server: Serving, origin: str) -> None:
    answer = server.run(CHECK, "x", ITEM, Origin=origin)
    assert (answer.status, answer.error["code"]) == (403, "origin_not_allowed")


def test_own_page_is_answered(server: Serving) -> None:
    assert server.run(CHECK, "x", ITEM, Origin=server.url).status == 200


def test_another_name_can_be_allowed(server: Serving) -> None:
    assert server.ask("GET", "/healthz", Host="graders.internal:80").status == 200
    assert server.ask("GET", "/healthz", Host="other.internal").status == 403


def test_token_is_demanded(guarded: Serving) -> None:
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"api_key": "x"},
        {"Authorization": TOKEN[:-1]},
    ):
        answer = guarded.run(CHECK, "x", ITEM, **headers)
        assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")
        assert answer.headers["www-authenticate"] == "Bearer"
    for path in (
        "/metrics", "/v1/files", "/openapi.json", "/playground/info", "/nowhere", "/playground/evals",
        "/playground/evals/a/runs/b", "/evals/a/runs/b/rows", "/evals/a", "/v1/evals/a/runs/b",
    ):  # fmt: skip
        assert guarded.ask("GET", path).status == 401
    for path in ("/", "/healthz", "/readyz", "/evals/a/runs/b"):
        assert guarded.ask("GET", path).status == 200
    assert guarded.run(CHECK, "x", ITEM, **BEARER).status == 200
    assert guarded.run(CHECK, "x", ITEM, api_key=TOKEN, Host="any.example").status == 200
    assert TOKEN not in guarded.said


def test_log_has_a_line_a_request_and_no_texts(server: Serving) -> None:
    before = len(server.lines)
    answer = server.run(CHECK, "a secret sample", ITEM)
    server.ask("GET", "/v1/files/secret-name?secret=1")
    until(lambda: len(server.lines) >= before + 2)
    line, other = server.lines[before : before + 2]
    assert line["id"] == answer.headers["x-request-id"]
    assert (line["method"], line["status"]) == ("POST", 200)
    assert line["route"] == "/v1/fine_tuning/alpha/graders/run"
    assert other["route"] == "/v1/files/{id}"
    assert "secret" not in json.dumps([line, other])


def test_log_shows_texts_when_asked(guarded: Serving) -> None:
    guarded.run(CHECK, "a secret sample", ITEM, **BEARER)
    until(lambda: "a secret sample" in guarded.said)
    assert "warning" in guarded.said


def test_wrong_paths_and_methods_are_said(server: Serving) -> None:
    answer = server.ask("GET", "/v1/fine_tuning/alpha/graders/run")
    assert (answer.status, answer.error["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"
    answer = server.ask("POST", "/v1/embeddings", {})
    assert (answer.status, answer.error["code"]) == (404, "unknown_url")
    assert server.ask("PUT", "/v1/files").headers["allow"] == "GET, POST"
    answer = server.ask("GET", "/files")  # Not a path of ours, whatever stands behind /v1.
    assert (answer.status, answer.error["code"]) == (404, "unknown_url")
    for path in ("//v1/files", "/v1/files/", "/v1/../v1/files", "/v1/files/%2e%2e/x"):
        assert server.ask("GET", path).status == 404


def test_metrics_are_counted(server: Serving) -> None:
    server.run(CHECK, "It is Paris", ITEM)
    text = server.ask("GET", "/metrics").body.decode()
    assert 'graders_grades_total{outcome="scored",type="string_check"}' in text
    assert 'route="/v1/fine_tuning/alpha/graders/run",status="200"' in text
    assert "Paris" not in text


def described(**said: Any) -> set[tuple[str, str]]:
    paths = document(**said)["paths"]
    return {
        (way.upper(), path) for path, one in paths.items() for way in one if way != "parameters"
    }


def test_openapi_has_every_endpoint_and_no_other() -> None:
    served = {(method, PREFIXES[0] + path) for method, path, _ in _API}
    rewards = {(method, path) for method, path, _ in _REWARDS if "{form}" not in path}
    own = {(method, path) for method, path, _ in _OWN}
    assert served | rewards <= described() <= served | rewards | own
    # Where jobs train there are models; what is passed on alone describes itself.
    models = {(way, f"{PREFIXES[0]}{path}".replace(":path", "")) for way, path, _ in _LOCAL}
    passed = {(way, path) for way, path in models if "deployment" in path or "responses" in path}
    assert described(trains=True) - described() == models - passed


def test_a_server_that_does_not_train_says_that_models_need_it(server: Serving) -> None:
    for way, path in (("GET", "/v1/models"), ("GET", "/v1/models/ft:x"), ("DELETE", "/v1/models/ft:x"),
                      ("POST", "/v1/chat/completions"), ("POST", "/v1/completions")):  # fmt: skip
        answer = server.ask(way, path, {"model": "m"} if way == "POST" else None)
        assert answer.status == 404
        assert "--train" in answer.error["message"]


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("[::1]", True), ("127.8.9.1", True),
     ("0.0.0.0", False), ("::", False), ("example.com", False), ("192.168.1.1", False), ("", False)],
)  # fmt: skip
def test_loopback_is_told(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_options_are_checked(tmp_path: Any) -> None:
    with pytest.raises(OptionError, match="can be reached from other machines"):
        ServeOptions(data_dir=tmp_path, host="0.0.0.0")
    with pytest.raises(OptionError, match="shorter than 16"):
        ServeOptions(data_dir=tmp_path, token="short")
    with pytest.raises(OptionError, match="no header can carry"):
        ServeOptions(data_dir=tmp_path, token="a-token-with-a-line\nend-0123456789")
    with pytest.raises(OptionError, match="max_requests is at least 1, got 0"):
        RequestLimits(requests=0)
    assert TOKEN not in repr(ServeOptions(data_dir=tmp_path, token=TOKEN))


def test_port_in_use_is_one_sentence(server: Serving, tmp_path: Any) -> None:
    with pytest.raises(AssertionError, match="cannot be listened on: Address already in use"):
        Serving(tmp_path, ("--port", str(server.port)))


def test_head_that_does_not_come_is_not_waited_for(server: Serving) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as slow:
        slow.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n")
        slow.settimeout(PATIENCE)
        with contextlib.suppress(ConnectionResetError):
            assert slow.recv(100) == b""  # Closed after ten seconds, and not answered.
        assert server.ask("GET", "/healthz").status == 200
