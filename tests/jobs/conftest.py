"""A store, files in it, and bodies of jobs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from graders.jobs import Store
from tests.models.server import Script, ScriptedServer

CHECK = {
    "type": "string_check", "name": "check", "operation": "eq",
    "input": "{{ sample.output_text }}", "reference": "{{ item.answer }}",
}  # fmt: skip


def row(question: str = "1 + 1?", answer: str = "2", **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}], "answer": answer, **more}


def rows(count: int, first: int = 0) -> list[dict[str, Any]]:
    """Rows whose two recorded samples are a right one and a wrong one, or both right."""
    return [
        row(f"{n} + 1?", str(n + 1), samples=[str(n + 1), str(n + 1) if n % 3 == 0 else "no"])
        for n in range(first, first + count)
    ]


def lines(values: Iterable[Any]) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "data") as opened:
        yield opened


Upload = Callable[..., str]


@pytest.fixture
def upload(store: Store) -> Upload:
    """Put rows, or bytes, into the store; return the id."""

    def put(content: Any, purpose: str = "fine-tune") -> str:
        data = content if isinstance(content, bytes) else lines(content)
        name: str = store.files.create([data], filename="rows.jsonl", purpose=purpose)["id"]
        return name

    return put


Body = Callable[..., dict[str, Any]]


@pytest.fixture
def body(upload: Upload) -> Body:
    """A body of `fine_tuning.jobs.create` over files in the store."""

    def make(
        training: Any = None,
        validation: Any = None,
        *,
        grader: Any = None,
        hyperparameters: Any = None,
        reinforcement: dict[str, Any] | None = None,
        **more: Any,
    ) -> dict[str, Any]:
        inner: dict[str, Any] = {"grader": CHECK if grader is None else grader}
        if hyperparameters is not None:
            inner["hyperparameters"] = hyperparameters
        return {
            "model": "o4-mini-2025-04-16",
            "training_file": upload(rows(12) if training is None else training),
            "validation_file": upload(rows(4, 100) if validation is None else validation),
            "method": {
                "type": "reinforcement",
                "reinforcement": {**inner, **(reinforcement or {})},
            },
            **more,
        }

    return make


@pytest.fixture
def serve(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., ScriptedServer]]:
    """Start a scripted model server."""
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
