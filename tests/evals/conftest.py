"""A store with evals, and a scripted model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from graders.evals.store import EvalStore
from graders.jobs import Store
from tests.models.server import Asked, ScriptedServer, Told, completion

EXACT = {
    "type": "string_check", "name": "exact", "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}", "operation": "eq",
}  # fmt: skip
ALIKE = {
    "type": "text_similarity", "name": "alike", "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}", "evaluation_metric": "fuzzy_match", "pass_threshold": 0.5,
}  # fmt: skip
JUDGE = {
    "type": "score_model", "name": "judge", "model": "gpt-4o", "pass_threshold": 0.5,
    "input": [{"role": "user", "content": "Q {{item.question}} A {{sample.output_text}}"}],
}  # fmt: skip
SCHEMA = {
    "type": "object",
    "properties": {"question": {"type": "string"}, "answer": {"type": "string"}},
}
TEMPLATE = {"type": "template", "template": [{"role": "user", "content": "{{item.question}}"}]}


def eval_body(*criteria: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a body of `evals.create`."""
    config = {"type": "custom", "item_schema": SCHEMA, "include_sample_schema": True}
    return {
        "name": "capitals", "data_source_config": config,
        "testing_criteria": list(criteria or (EXACT, ALIKE)), **more,
    }  # fmt: skip


def jsonl(*rows: tuple[str, str | None]) -> dict[str, Any]:
    """Return a data source of (answer, output) pairs; None for a row without a sample."""
    content = [
        {"item": {"question": f"q{at}", "answer": answer}}
        | ({} if output is None else {"sample": {"output_text": output}})
        for at, (answer, output) in enumerate(rows)
    ]
    return {"type": "jsonl", "source": {"type": "file_content", "content": content}}


def asking(kind: str, answers: list[str], **more: Any) -> dict[str, Any]:
    """Return a data source that asks a model for the answer of each row."""
    content = [{"item": {"question": f"q{at}", "answer": one}} for at, one in enumerate(answers)]
    return {
        "type": kind, "model": "small", "source": {"type": "file_content", "content": content},
        "input_messages": TEMPLATE, **more,
    }  # fmt: skip


@pytest.fixture
def evals(tmp_path: Path) -> Iterator[EvalStore]:
    with Store(tmp_path / "data") as store:
        yield EvalStore(store)


@pytest.fixture
def serve() -> Iterator[Callable[..., ScriptedServer]]:
    """Start scripted model servers; by default they say the question's number."""
    started: list[ScriptedServer] = []

    def start(script: Callable[[Asked, int], Told] | None = None) -> ScriptedServer:
        server = ScriptedServer(script or (lambda asked, _: says(asked)))
        started.append(server)
        return server

    yield start
    for one in started:
        one.stop()


def says(asked: Asked) -> Told:
    """Answer `q7` by `a7`, and a judge's prompt by the score 1."""
    if "response_format" in asked.body:
        return completion('{"steps": [], "result": 1.0}')
    return completion("a" + str(asked.body["messages"][-1]["content"])[1:])
