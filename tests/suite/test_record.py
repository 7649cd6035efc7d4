"""A judge's suite: recorded once from a server, then replayed with nobody to ask."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from graders import cli
from graders.kinds import LabelModel
from graders.suite import Bench, load_suite
from tests.models.server import ScriptedServer, completion


def suite(url: str) -> dict[str, Any]:
    grader = {
        "type": "label_model", "name": "tone", "model": "m", "labels": ["kind", "rude", "odd"],
        "passing_labels": ["kind"],
        "input": [{"role": "user", "content": "{{ sample.output_text }}"}],
    }  # fmt: skip
    LabelModel.model_validate(grader)
    return {
        "grader": grader,
        "options": {"base_url": url, "cache_file": "replies.sqlite", "offline": True},
        "cases": [
            {"name": "kind", "sample": "thank you", "reward": 1},
            {"name": "rude", "sample": "go away", "reward": 0},
        ],
    }


def test_a_recorded_suite_is_replayed_with_no_server_and_no_key(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def script(asked: Any, _: int) -> Any:
        text = json.dumps(asked.body["messages"])
        label = "kind" if "thank you" in text else "rude"
        return completion(json.dumps({"steps": [], "result": label}))

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret-key-0123456789")
    path = tmp_path / "tone.graders.json"
    server = ScriptedServer(script)
    try:
        path.write_text(json.dumps(suite(server.url)))
        assert cli._main(["test", str(path)]) == 2  # offline, and nothing is recorded
        assert "graders test --record makes it" in capfd.readouterr().out
        assert cli._main(["test", str(path), "--record"]) == 0
    finally:
        server.stop()
    monkeypatch.delenv("OPENAI_API_KEY")
    capfd.readouterr()
    assert cli._main(["test", str(path)]) == 0
    assert "not reached: label odd" in capfd.readouterr().out
    with Bench(load_suite(path), covering=True) as bench:
        assert all(bench.run(test).passed for test in bench.suite.tests)
        assert bench.coverage is not None
        assert bench.coverage.parts[0].missing == ["label odd"]
    kept = (tmp_path / "replies.sqlite").read_bytes()
    assert b"sk-very-secret" not in kept
