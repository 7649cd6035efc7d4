"""The chaos judge: llama.cpp's own server with random weights, through the whole real path.

It answers inside the schema and beyond the range, overflows, fails, and never ends; each seed always
does the same.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graders
from graders import JudgeOptions
from graders.calls import ChatCall, ChatReply
from graders.models.client import ChatClient
from graders.models.local import LocalServer

pytestmark = pytest.mark.judge

LOW, HIGH = -1000.0, 1000.0


def write_model(path: Path, seed: int = 7) -> None:
    """Write a llama of two thin layers with random weights, and a tokenizer of bytes."""
    gguf = pytest.importorskip("gguf")
    width, heads, hidden, layers = 32, 2, 64, 2
    tokens = ["<unk>", "<s>", "</s>", *[f"<0x{byte:02X}>" for byte in range(256)]]
    tokens += [chr(code) for code in range(33, 127)] + ["\u2581"]
    kinds = [2, 3, 3, *[6] * 256, *[1] * 95]
    dice = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_context_length(4096)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(hidden)
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(width // heads)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * 259 + [-float(n) for n in range(95)])
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_chat_template("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}")

    def tensor(name: str, *shape: int) -> None:
        writer.add_tensor(name, dice.normal(0, 0.6, shape).astype(np.float32))

    def ones(name: str) -> None:
        writer.add_tensor(name, np.ones(width, dtype=np.float32))

    tensor("token_embd.weight", len(tokens), width)
    for n in range(layers):
        ones(f"blk.{n}.attn_norm.weight")
        ones(f"blk.{n}.ffn_norm.weight")
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            tensor(f"blk.{n}.{part}.weight", width, width)
        tensor(f"blk.{n}.ffn_gate.weight", hidden, width)
        tensor(f"blk.{n}.ffn_up.weight", hidden, width)
        tensor(f"blk.{n}.ffn_down.weight", width, hidden)
    ones("output_norm.weight")
    tensor("output.weight", len(tokens), width)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


class Kept:
    """A performer that keeps what its client got."""

    def __init__(self, client: ChatClient) -> None:
        self.client = client
        self.replies: list[ChatReply] = []

    def perform(self, call: ChatCall) -> list[ChatReply]:
        self.replies += self.client.perform(call)
        return self.replies


def outcome(reply: ChatReply) -> tuple[str, float | None, str | None]:
    """Return what a reply is, and the score or the code it must become, by this test's reading."""
    if reply.error is not None and reply.error.kind == "length":
        return "length", None, "model_grader_exceeded_max_tokens_error"
    if reply.error is not None:
        assert "answered 500" in reply.error.message
        return "500", None, "model_grader_server_error"
    result = float(json.loads(reply.text)["result"])
    if math.isinf(result):
        return "inf", None, "model_grader_parse_error"
    if LOW <= result <= HIGH:
        return "in range", result, None
    return "clipped", LOW if result < LOW else HIGH, None


@pytest.mark.parametrize("seed", [7, 11])
def test_scores_in_range_clipped_infinite_cut_off_and_500_are_all_seen(tmp_path, seed):
    pytest.importorskip("xllamacpp")
    write_model(tmp_path / "chaos.gguf", seed)
    grader: dict[str, Any] = {
        "type": "score_model", "name": "chaos", "model": "chaos", "range": [LOW, HIGH],
        "input": [{"role": "user", "content": "{{ sample.output_text }}"}],
        "sampling_params": {"seed": 5, "temperature": 1.5, "max_completions_tokens": 80},
    }  # fmt: skip
    rows = [{"item": {}, "sample": f"answer {n}"} for n in range(120)]
    file = tmp_path / "c.sqlite"
    server = LocalServer(tmp_path / "chaos.gguf")
    try:
        options = JudgeOptions(
            base_url=server.url, cache_file=file, concurrency=2, attempts=1, deadline=60
        )
        with ChatClient(options) as client:
            kept = Kept(client)
            with graders.load(grader, judge=kept) as ready:
                first = list(ready.grade_many(rows))
    finally:
        server.close()
    seen: Counter[str] = Counter()
    for reply, grade in zip(kept.replies, first, strict=True):
        kind, score, code = outcome(reply)
        seen[kind] += 1
        assert grade.reward == score
        assert [one.code for one in grade.failures] == ([] if code is None else [code])
        assert (kind == "500") == (not grade.usage)  # All that was answered is counted.
    # Of 120, each of these comes 12 times or more here: elsewhere a few may turn out otherwise.
    assert set(seen) == {"in range", "clipped", "inf", "length", "500"}, seen

    offline = JudgeOptions(base_url=server.url, cache="offline", cache_file=file)
    with graders.load(grader, judge=offline) as ready:
        again = list(ready.grade_many(rows))
    for reply, one, other in zip(kept.replies, first, again, strict=True):
        if outcome(reply)[0] == "500":  # What was not answered was not kept.
            assert "is not in" in other.failures[0].message
        else:
            assert json.dumps(one.to_dict()) == json.dumps(other.to_dict())
