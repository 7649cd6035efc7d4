"""Record once, replay for ever: the committed file is all a replay needs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.models.conftest import Command
from tests.models.server import Told, completion

GRADER = {
    "type": "multi", "name": "m", "calculate_output": "judge + near",
    "graders": {
        "judge": {"type": "score_model", "name": "j", "model": "judge",
                  "input": [{"role": "user", "content": "{{ sample.output_text }}"}]},
        "near": {"type": "text_similarity", "name": "n", "input": "{{ sample.output_text }}",
                 "reference": "{{ item.a }}", "evaluation_metric": "cosine"},
    },
}  # fmt: skip


def script(asked, count):
    if asked.path.endswith("/embeddings"):
        data = [{"index": n, "embedding": [1.0, n]} for n, _ in enumerate(asked.body["input"])]
        return Told(body=json.dumps({"data": data}).encode())
    texts = ['{"steps": [], "result": 0.25}', "prose", '{"steps": [], "result": 1}']
    return completion(None, refusal="no") if count % 4 == 0 else completion(texts[count % 3])


@pytest.fixture
def score(command: Command) -> Callable[..., str]:
    def call(folder: Path, *more: str) -> str:
        done = command(folder, "score", "g.json", "rows.jsonl", "-o", "-", *more)
        assert done.code == 0, done.err
        return done.out

    return call


@pytest.mark.parametrize("writable", [True, False])
def test_a_committed_cache_replays_elsewhere_with_no_key_no_server_and_no_rights(
    serve, score, tmp_path, monkeypatch, writable
):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    (first / "g.json").write_text(json.dumps(GRADER))
    rows = [json.dumps({"item": {"a": f"a{n}"}, "sample": f"s{n}"}) for n in range(12)]
    (first / "rows.jsonl").write_text("\n".join(rows))
    server = serve(script)
    recorded = score(
        first, "--cache", "--cache-file", "judge.sqlite", "--base-url", server.url
    )  # fmt: skip
    asked = len(server.asked)
    server.stop()
    # A recording is one file: nothing is left beside it that would have to be committed too.
    assert sorted(path.name for path in first.iterdir()) == ["g.json", "judge.sqlite", "rows.jsonl"]
    shutil.copytree(first, second)
    shutil.rmtree(first)
    if not writable:
        (second / "judge.sqlite").chmod(0o444)
        second.chmod(0o555)
    monkeypatch.delenv("OPENAI_API_KEY")
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    replayed = score(
        second, "--offline", "--cache-file", "judge.sqlite", "--base-url", server.url
    )  # fmt: skip
    second.chmod(0o755)
    assert replayed == recorded
    assert asked == len(server.asked)
    assert not home.exists()
    assert len(list(second.iterdir())) == 3


def test_a_row_that_was_not_recorded_fails_by_name(serve, score, tmp_path):
    (tmp_path / "g.json").write_text(json.dumps(GRADER["graders"]["judge"]))  # type: ignore[index]
    (tmp_path / "rows.jsonl").write_text('{"sample": "known"}\n')
    server = serve(lambda *_: completion())
    named = ("--cache-file", "c", "--base-url", server.url)
    score(tmp_path, "--cache", *named)
    (tmp_path / "rows.jsonl").write_text('{"sample": "known"}\n{"sample": "new"}\n')
    known, new = map(json.loads, score(tmp_path, "--offline", *named).splitlines())
    assert known["reward"] == 0.5
    assert "is not in" in new["failures"][0]["message"]
    assert "--offline" in new["failures"][0]["message"]
