"""The log: JSON for machines, text for people, and never in the way."""

from __future__ import annotations

import io
import json

from graders.server.guard import retry_headers
from graders.server.log import Log


def test_json_lines_are_json() -> None:
    stream = io.StringIO()
    log = Log(stream=stream)
    log.write("request", status=200, body=None, odd="\u202e\n\ud800")
    (line,) = stream.getvalue().splitlines()
    found = json.loads(line)
    assert found.pop("time").endswith("Z")
    assert found == {"level": "info", "event": "request", "status": 200, "odd": "\u202e\n\ud800"}


def test_text_lines_say_where_to_go() -> None:
    stream = io.StringIO()
    log = Log(stream=stream, form="text", texts=True)
    log.write("listening", url="http://127.0.0.1:8000", data_dir="graders-data")
    said = log.body(b"a text\x1b[31m\n" + b"x" * 5000)
    log.write("request", status=404, method="GET", route="/x", ms=1.5, body=said)
    log.write("fault", "error", message="a\nb")
    lines = stream.getvalue().splitlines()
    assert "the playground is at http://127.0.0.1:8000/" in lines[0]
    assert 'base_url="http://127.0.0.1:8000/v1"' in lines[1]
    assert "404  GET /x  1.5 ms  a text\\u001b[31m" in lines[3]
    assert len(lines[3]) < 4100
    assert "error: fault  message=a\\nb" in lines[4]
    assert len(lines) == 5


def test_a_closed_stream_is_no_reason_to_stop() -> None:
    stream = io.StringIO()
    stream.close()
    Log(stream=stream).write("request")


def test_bodies_are_not_shown_unless_asked_for() -> None:
    assert Log().body(b"text") is None


def test_clients_are_told_when_to_come_again() -> None:
    assert retry_headers(429) == retry_headers(503) == {"retry-after": "1"}
    assert retry_headers(501) == retry_headers(504) == {"x-should-retry": "false"}
    assert retry_headers(400) == {}


def test_the_text_says_whose_rewards_can_be_asked_for() -> None:
    stream = io.StringIO()
    Log(form="text", stream=stream).write(
        "listening", url="http://127.0.0.1:8000", data_dir="data", graders="answer, short"
    )
    assert (
        "rewards of answer, short: http://127.0.0.1:8000/v1/rewards lists where\n"
        in stream.getvalue()
    )
