"""What a stranger found: odd requests that were answered otherwise than they should be."""

from __future__ import annotations

import json
import socket
from typing import Any

from tests.server.process import Serving
from tests.server.test_grader import CHECK, ITEM
from tests.waiting import PATIENCE


def _raw(server: Serving, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as wire:
        wire.sendall(data)
        answer = b""
        while part := wire.recv(65536):  # Until the server closes, which it does.
            answer += part
    return answer


def test_two_lengths_are_refused_and_nothing_follows(server: Serving) -> None:
    smuggled = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answer = _raw(
        server,
        b"POST /v1/fine_tuning/alpha/graders/run HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled,
    )
    assert answer.startswith(b"HTTP/1.1 400")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"ambiguous_length" in answer


def test_what_is_no_http_gets_the_envelope(server: Serving) -> None:
    head, _, body = _raw(server, b"NONSENSE\r\n\r\n").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400")
    assert json.loads(body)["error"]["code"] == "invalid_http"


def test_a_long_body_that_asks_first_is_refused_at_once(server: Serving) -> None:
    answer = _raw(
        server,
        b"POST /v1/fine_tuning/alpha/graders/run HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Length: 13000000\r\nExpect: 100-continue\r\n\r\n",
    )
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"100 Continue" not in answer


def test_absolute_targets_are_paths(server: Serving) -> None:
    answer = _raw(
        server,
        b"GET http://localhost/healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    )
    assert answer.startswith(b"HTTP/1.1 200")


def test_pages_of_other_sites_get_nothing(server: Serving) -> None:
    answer = server.ask("GET", "/v1/files", Sec_Fetch_Site="cross-site")
    assert (answer.status, answer.error["code"]) == (403, "origin_not_allowed")
    # A link to the page is a link.
    assert server.ask("GET", "/", Sec_Fetch_Site="cross-site").status == 200
    assert server.ask("GET", "/v1/files", Sec_Fetch_Site="same-origin").status == 200


def test_graders_that_nest_deeply_are_the_senders_fault(server: Serving) -> None:
    grader: Any = CHECK
    for _ in range(300):
        grader = {"type": "multi", "name": "m", "graders": {"a": grader}, "calculate_output": "a"}
    answer = server.run(grader, "x", ITEM)
    assert answer.status == 400
    assert "deep" in answer.error["message"]


def test_a_byte_order_mark_is_no_fault(server: Serving) -> None:
    body = json.dumps({"grader": CHECK, "model_sample": "it is paris", "item": ITEM}).encode()
    answer = server.ask("POST", "/v1/fine_tuning/alpha/graders/run", b"\xef\xbb\xbf" + body)
    assert answer.json["reward"] == 1.0


def test_every_line_of_the_log_is_json(server: Serving) -> None:
    server.ask("GET", "/healthz", Connection="Upgrade", Upgrade="websocket")
    server.run(CHECK, "x", ITEM)
    assert [line for line in server.said.splitlines() if not line.startswith("{")] == []
