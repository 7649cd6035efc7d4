"""cosine through a real HTTP server."""

from __future__ import annotations

import json

import graders
from graders import JudgeOptions
from tests.models.server import Told, error

GRADER = {
    "type": "text_similarity", "name": "c", "input": "{{ sample.output_text }}",
    "reference": "{{ item.answer }}", "evaluation_metric": "cosine",
}  # fmt: skip


def embeddings(asked, _):
    texts = asked.body["input"]
    if "" in texts:
        return error(400, "input must not be empty")
    data = [
        {"index": n, "embedding": [float(text.count("a")), float(text.count("b"))]}
        for n, text in reversed(list(enumerate(texts)))
    ]
    body = {"data": data, "usage": {"prompt_tokens": len(texts), "total_tokens": len(texts)}}
    return Told(body=json.dumps(body).encode())


def test_cosines_are_batched_cached_and_named_in_the_signature(serve, tmp_path):
    server = serve(embeddings)
    options = JudgeOptions(base_url=server.url, embedding_model="e5", cache_file=tmp_path / "c")
    rows = [
        {"item": {"answer": "a"}, "sample": "aa"},
        {"item": {"answer": "b"}, "sample": "aa"},
        {"item": {"answer": "ab"}, "sample": "a"},
        {"item": {"answer": ""}, "sample": "a"},
        {"item": {}, "sample": "a"},
        {"item": {"answer": "none"}, "sample": "a"},
    ]
    with graders.load(GRADER, judge=options) as grader:
        found = list(grader.grade_many(rows))
        assert [one.reward for one in found] == [1.0, 0.0, 0.7071067811865475, None, None, None]
        codes = [one.failures[0].code for one in found[3:]]
        assert codes == [
            "model_grader_server_error",
            "invalid_variable_error",
            "model_grader_server_error",
        ]
        assert grader.signatures == {"c": f"cosine|model:e5|server:{server.url}"}
    before = len(server.asked)
    with graders.load(GRADER, judge=options) as grader:
        assert next(grader.grade_many(rows[:1])).reward == 1.0
    assert len(server.asked) == before
