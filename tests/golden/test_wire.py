"""What judges are sent and what the server answers, byte for byte."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

import graders
from graders import __version__, jsontext
from graders.calls import ChatCall, ChatReply
from graders.models import request
from graders.server.handler import Answer, Handler
from graders.server.option import ServeOptions
from graders.wire.endpoint import resolve
from tests.golden import kept

SERVERS: Final = {
    "openai": None,
    "azure": "https://here.openai.azure.com",
    "local": "local",
    "other": "http://127.0.0.1:8000/v1",
}
_TIMES: Final = re.compile(r'"(execution_time|seconds)":(\{[^}]*\}|[\d.e-]+)')


class _Asked:
    """Keeps what it is asked."""

    def __init__(self) -> None:
        self.calls: list[ChatCall] = []

    def perform(self, call: ChatCall) -> list[ChatReply]:
        self.calls.append(call)
        return [ChatReply("{}") for _ in call.messages]


def of_judge(given: dict[str, Any]) -> list[str]:
    """What is sent for one row, in each form that is tried."""
    asked = _Asked()
    item = {"a": "x", "url": "https://example.com/a.png"}
    graders.load(given["grader"], judge=asked).grade(item, "y")
    (call,) = asked.calls
    endpoint = resolve(SERVERS[given["server"]], None, "auto")
    params, notes = request.sampling(endpoint, call.model, call.sampling)
    rest = (call.model, call.messages[0], call.schema_name, call.schema, params)
    return [
        *notes,
        *(
            jsontext.encode(request.body(endpoint, *rest, form)).decode()
            for form in request.forms(endpoint, given["form"])
        ),
    ]


def of_server(given: dict[str, Any]) -> str:
    handler = Handler(ServeOptions(data_dir=Path("store")), "metrics")
    answer = handler.answer(given["task"], json.dumps(given["body"]).encode())
    assert isinstance(answer, Answer)
    said = _TIMES.sub(r'"\1":…', answer.body.decode()).replace(__version__, "VERSION")
    return f"{answer.status} {said}"


SORTS: Final[dict[str, Callable[[Any], Any]]] = {
    "judge request": of_judge,
    "server answer": of_server,
}


@pytest.mark.parametrize("sort", SORTS)
def test_the_wire_is_the_same_byte_for_byte(sort: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    for name in ("OPENAI_BASE_URL", "AZURE_OPENAI_API_KEY", "OPENAI_API_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    kept.check("wire.json", sort, SORTS[sort])
