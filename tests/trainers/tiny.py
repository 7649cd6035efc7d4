"""A language model of two layers with random weights, and GRPO on a task that it can learn in seconds.

The task: say the word that the prompt asks for, and nothing else. Nothing is downloaded: the vocabulary is made here.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from trl import GRPOConfig, GRPOTrainer

WORDS = ("red", "green", "blue", "black", "white", "brown", "pink", "grey")
ASKED = WORDS[:3]
CHAT = "{% for one in messages %}{{ one['content'] + ' ' }}{% endfor %}{% if add_generation_prompt %}: {% endif %}"
GENERATIONS = 8
PROMPTS = 6

SHARE = """
def grade(sample, item):
    said, wanted = sample["output_text"].split(), item["answer"].lower()
    return sum(word == wanted for word in said) / max(len(said), 1)
"""
GRADER: dict[str, Any] = {
    "type": "multi", "name": "colour", "calculate_output": "0.8 * share + 0.2 * near",
    "graders": {
        "share": {"type": "python", "name": "share", "source": SHARE},
        "near": {"type": "text_similarity", "name": "near", "evaluation_metric": "fuzzy_match",
                 "input": "{{ sample.output_text }}", "reference": "{{ item.answer }}"},
    },
}  # fmt: skip


def tokenizer() -> PreTrainedTokenizerFast:
    """Return one that has a token for each word."""
    names = ["<pad>", "<s>", "</s>", "<unk>", "say", ":", *WORDS]
    made = Tokenizer(models.WordLevel({name: at for at, name in enumerate(names)}, "<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    found = PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", bos_token="<s>", eos_token="</s>",
        unk_token="<unk>", padding_side="left", model_input_names=["input_ids", "attention_mask"],
    )  # fmt: skip
    found.chat_template = CHAT
    return found


def model(seed: int) -> LlamaForCausalLM:
    """Return one with random weights, the same for equal seeds."""
    torch.manual_seed(seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=6 + len(WORDS), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
            num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=64,
            pad_token_id=0, bos_token_id=1, eos_token_id=2,
        )
    )  # fmt: skip


def rows(*, chat: bool, lacking: int = 0) -> Dataset:
    """Return prompts with their answers; each `lacking`-th has none, and cannot be scored."""
    found = []
    for at in range(96):
        word = ASKED[at % len(ASKED)]
        prompt: Any = f"say {word}"
        if chat:
            prompt = [{"role": "user", "content": prompt}]
        answer = None if lacking and at % lacking == lacking - 1 else word
        found.append({"prompt": prompt, "answer": answer})
    return Dataset.from_list(found)


def train(
    rewards: Any, folder: Path, *, chat: bool, steps: int, seed: int = 7, lacking: int = 0,
    weights: list[float] | None = None, **options: Any,
) -> GRPOTrainer:  # fmt: skip
    """Return a trainer that has trained."""
    arguments = GRPOConfig(
        output_dir=str(folder), max_steps=steps, seed=seed, learning_rate=1e-2, beta=0.0,
        per_device_train_batch_size=PROMPTS * GENERATIONS, num_generations=GENERATIONS,
        max_completion_length=6, temperature=1.0, logging_steps=1, save_strategy="no",
        report_to=[], use_cpu=True, disable_tqdm=True, lr_scheduler_type="constant",
        reward_weights=weights, gradient_checkpointing=False, bf16=False, **options,
    )  # fmt: skip
    trainer = GRPOTrainer(
        model=model(seed), reward_funcs=rewards, args=arguments, processing_class=tokenizer(),
        train_dataset=rows(chat=chat, lacking=lacking),
    )  # fmt: skip
    trainer.train()
    return trainer


class Shuffled:
    """Rewards as a function gives them, handed to the wrong completions: nothing can be learned from them.

    Attributes:
        means: of each batch the mean reward, which no order changes.
    """

    def __init__(
        self, function: Callable[..., Any], seed: int = 0, *, shuffle: bool = True
    ) -> None:
        self.__name__ = function.__name__
        self.function, self.shuffle = function, shuffle
        self.random = random.Random(seed)
        self.means: list[float] = []

    def __call__(self, **given: Any) -> list[float | None]:
        found = list(self.function(**given))
        scored = [one for one in found if one is not None]
        self.means.append(sum(scored) / len(scored))
        if self.shuffle:
            self.random.shuffle(found)
        return found
