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


SPEAKING = (
    "{% if tools %}tools: {{ tools | tojson }}\n{% endif %}{% for one in messages %}{{ one['role'] + ': ' }}"
    "{% if one['tool_calls'] %}{% for call in one['tool_calls'] %}<tool_call>{{ call['function'] | tojson }}</tool_call>{% endfor %}"
    "{% else %}{{ one['content'] }}{% endif %}{% if one['role'] == 'assistant' %}{{ '</s>' }}{% endif %}{{ '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)
TOOLS: list[Any] = [
    {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {"word": {"type": "string"}}}}}
]  # fmt: skip


def called(word: str) -> dict[str, Any]:
    """A message of the assistant that calls the tool."""
    inner = {"name": "look", "arguments": json.dumps({"word": word})}
    return {
        "role": "assistant",
        "tool_calls": [{"id": "call_1", "type": "function", "function": inner}],
    }


def speaking_folder(place: Path, seed: int = 7) -> Path:
    """Write a model with random weights whose tokens are of bytes, so that it can say anything, and call tools."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    # A whole call is a few tokens, so that a tiny model learns it soon.
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    texts = [
        f'<tool_call>{{"name": "look", "arguments": {{"word": "{word}"}}}}</tool_call>'
        for word in tiny.ASKED
    ]
    texts += ["assistant: ", "user: say ", "tools: " + json.dumps(TOOLS)]
    made.train_from_iterator(
        texts * 8,
        trainers.BpeTrainer(
            vocab_size=600, special_tokens=["<pad>", "<s>", "</s>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )  # fmt: skip
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", bos_token="<s>", eos_token="</s>", padding_side="left",
        model_input_names=["input_ids", "attention_mask"],
    )  # fmt: skip
    tokenizer.chat_template = SPEAKING
    torch.manual_seed(seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
            num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=512, pad_token_id=0,
            bos_token_id=1, eos_token_id=2,
        )
    )  # fmt: skip
    model.save_pretrained(place)
    tokenizer.save_pretrained(place)
    return place
