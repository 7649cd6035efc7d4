"""The chaos judge: llama.cpp's own server with random weights, through the whole real path.

It answers inside the schema and beyond the range, overflows, fails, and never ends; each seed always
does the same.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graders
from graders import JudgeOptions
from graders.chat.local import LocalServer

pytestmark = pytest.mark.judge

CODES = {
    "model_grader_parse_error", "model_grader_exceeded_max_tokens_error", "model_grader_server_error",
}  # fmt: skip


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


def test_every_reply_of_the_chaos_judge_is_a_score_in_range_or_a_failure_with_its_code(tmp_path):
    pytest.importorskip("xllamacpp")
    write_model(tmp_path / "chaos.gguf")
    grader: dict[str, Any] = {
        "type": "score_model", "name": "chaos", "model": "chaos", "range": [0, 1],
        "input": [{"role": "user", "content": "{{ sample.output_text }}"}],
        "sampling_params": {"seed": 5, "temperature": 1.5, "max_completions_tokens": 200},
    }  # fmt: skip
    server = LocalServer(tmp_path / "chaos.gguf")
    try:
        options = JudgeOptions(
            base_url=server.url,
            cache_file=tmp_path / "c.sqlite",
            concurrency=2,
            attempts=1,
            deadline=120,
        )
        rows = [{"item": {}, "sample": f"answer {n}"} for n in range(12)]
        with graders.load(grader, judge=options) as ready:
            first = list(ready.grade_many(rows))
            stats = ready.judge_stats[0]
        assert stats.answered
    finally:
        server.close()
    codes = Counter(one.failures[0].code if one.failures else "scored" for one in first)
    assert sum(codes.values()) == 12
    assert set(codes) <= CODES | {"scored"}
    assert codes, codes
    assert all(0 <= one.reward <= 1 for one in first if one.reward is not None)
    offline = JudgeOptions(base_url=server.url, cache="offline", cache_file=tmp_path / "c.sqlite")
    with graders.load(grader, judge=offline) as ready:
        again = list(ready.grade_many(rows))
    for one, other in zip(first, again, strict=True):
        if one.failures and one.failures[0].code == "model_grader_server_error":
            continue  # What was not answered was not kept.
        assert json.dumps(one.to_dict()) == json.dumps(other.to_dict())
