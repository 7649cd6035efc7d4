"""A tiny model with random weights as a folder, rows for each method, and a server that trains."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from tests.trainers import tiny

CHAT = (
    "{% for one in messages %}{% if one['role'] == 'assistant' %}{{ ': ' + one['content'] + ' </s> ' }}"
    "{% else %}{{ one['content'] + ' ' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ ': ' }}{% endif %}"
)
NAME = "gpt-4o-mini-2024-07-18"


def model_folder(place: Path, seed: int = 7) -> Path:
    """Write the model of `tiny` with a chat template whose answers end, and return where it stands."""
    tokenizer = tiny.tokenizer()
    tokenizer.chat_template = CHAT
    model = tiny.model(seed)
    # An adapter leaves the last layer as it is, and a fresh one tells no word from another.
    with torch.no_grad():
        model.lm_head.weight *= 10
    model.save_pretrained(place)
    tokenizer.save_pretrained(place)
    return place


def asked(word: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": f"say {word}"}]


def said(word: str) -> dict[str, Any]:
    return {"role": "assistant", "content": word}


def supervised(count: int = 24) -> bytes:
    words = [tiny.ASKED[at % 3] for at in range(count)]
    return lines([{"messages": [*asked(one), said(one)]} for one in words])


def preferred(count: int = 24) -> bytes:
    rows = []
    for at in range(count):
        word = tiny.ASKED[at % 3]
        rows.append(
            {
                "input": {"messages": asked(word)},
                "preferred_output": [said(word)],
                "non_preferred_output": [said("grey")],
            }
        )
    return lines(rows)


def prompts(count: int = 24) -> bytes:
    words = [tiny.ASKED[at % 3] for at in range(count)]
    return lines([{"messages": asked(one), "answer": one, "n": at} for at, one in enumerate(words)])


def lines(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in rows)
