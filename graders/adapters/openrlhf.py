"""A grader as OpenRLHF's reward function, in the file that `--reward.remote_url` names.

    from graders.adapters import openrlhf
    reward_func = openrlhf.reward("grader.json", failed=0.0)

Source: OpenRLHF 0.11.2, `utils/agent.py`: `reward_func(queries, prompts, labels)` in a thread, one row a call;
`rewards` is the reward, `scores` what filters go by, each of `extra_logs` becomes a tensor, so none may be
None. A row's label is one text. Nothing of OpenRLHF is imported.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Unpack

from graders import jsontext
from graders.api import Grader
from graders.config import Source
from graders.errors import OptionError, quoted
from graders.grade import Grade
from graders.keyword import LoadKeywords
from graders.reward import Failed, Reward

__all__ = ["END_TOKENS", "answer_of", "reward", "row_of"]

END_TOKENS: Final = (
    "<|im_end|>", "<|endoftext|>", "</s>", "<|eot_id|>", "<|end_of_text|>", "<eos>", "<end_of_turn>",
    "<|end|>", "<pad>", "<|pad|>",
)  # fmt: skip
"""What a query may end with that no model says: it is decoded with its special tokens."""

RewardFunction = Callable[[Sequence[str], Sequence[str], Sequence[Any]], dict[str, Any]]


def reward(
    source: Source | Grader,
    *,
    failed: Failed,
    item: str = ".",
    within: float | None = None,
    end_tokens: Sequence[str] = END_TOKENS,
    **options: Unpack[LoadKeywords],
) -> RewardFunction:
    """Return a grader as a `reward_func`.

    A label that is a JSON object is the row; of any other label the row has `label`, and `prompt`.

    Args:
        source: the grader, as for `graders.load`.
        failed: what a row without a reward gets: a number, or `raise`, which OpenRLHF logs and trains
            without. There is no default.
        item: where in the row the item stands; `.` for all of it.
        within: seconds after which a row without a grade fails.
        end_tokens: special tokens that are cut off a query's end.
        options: the options of `graders.load`.

    Raises:
        ConfigError, OptionError, UnavailableError: as `graders.Reward`; or `failed` is None.
    """
    if failed is None:
        raise OptionError("failed is a number or raise: None cannot become a tensor in OpenRLHF")
    made = Reward(source, item=item, failed=failed, within=within, **options)

    def reward_func(
        queries: Sequence[str], prompts: Sequence[str], labels: Sequence[Any]
    ) -> dict[str, Any]:
        if not len(queries) == len(prompts) == len(labels):
            raise OptionError(
                f"queries, prompts and labels are as many, got {len(queries)}, {len(prompts)}, {len(labels)}"
            )
        rows = [
            {
                "item": made.item_of(row_of(label, prompt)),
                "sample": answer_of(query, prompt, end_tokens),
            }
            for query, prompt, label in zip(queries, prompts, labels, strict=True)
        ]
        began = time.perf_counter()
        return _told(made, made.pairs(rows), began)

    return reward_func


def row_of(label: Any, prompt: str) -> dict[str, Any]:
    """Return the row of a label: what stands in it where it is an object or the JSON of one, and `prompt`.

    Raises:
        OptionError: it begins as an object does, and is no JSON.
    """
    value = label
    if isinstance(label, str) and label.lstrip().startswith("{"):
        try:
            value = jsontext.decode(label)
        except ValueError as error:
            raise OptionError(f"the label {quoted(label)} is not JSON: {error}") from None
    return (
        {"prompt": prompt, **value}
        if isinstance(value, dict)
        else {"prompt": prompt, "label": value}
    )


def answer_of(query: str, prompt: str, end_tokens: Sequence[str]) -> str:
    """Return what the model said: a query is the prompt, what it said, and special tokens."""
    text = query.removeprefix(prompt)
    while True:
        cut = text.rstrip()
        end = next((one for one in end_tokens if one and cut.endswith(one)), None)
        if end is None:
            return text
        text = cut.removesuffix(end)


def _told(made: Reward, grades: Sequence[Grade], began: float) -> dict[str, Any]:
    """Return rewards and logs; a lone row's are numbers, as OpenRLHF asks for one at a time."""
    each = (time.perf_counter() - began) / max(len(grades), 1)
    rewards = [made.settled(one) for one in grades]
    beside = [made.beside(one, each) for one in grades]
    if len(grades) == 1:
        return {"rewards": rewards[0], "scores": rewards[0], "extra_logs": beside[0]}
    logs = {key: [one[key] for one in beside] for key in (beside[0] if beside else ())}
    return {"rewards": rewards, "scores": rewards, "extra_logs": logs}
