"""A grader as verl's reward function, with no code of one's own.

    reward.custom_reward_function.path=pkg://graders.adapters.verl
    reward.custom_reward_function.name=compute_score
    +reward.custom_reward_function.reward_kwargs.source=/path/grader.json
    +reward.custom_reward_function.reward_kwargs.failed=0.0

Source: verl 0.9.1, `experimental.reward_loop.reward_manager`: keywords `data_source`, `solution_str`,
`ground_truth`, `extra_info` and `reward_kwargs`; one row a call, in threads or in an event loop, a float or a
dict with `score`, whose other keys go to `reward_extra_info`. verl knows no unscored row: None raises, and
NaN takes the whole group along. Nothing of verl is imported.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any, Final

from graders import jsontext
from graders.errors import OptionError, quoted
from graders.grade import Grade
from graders.plain import plain
from graders.reward import Reward, said_of

__all__ = ["acompute_score", "compute_score"]


def compute_score(
    data_source: Any = None,
    solution_str: Any = None,
    ground_truth: Any = None,
    extra_info: Any = None,
    *,
    source: Any,
    failed: Any,
    item: str = ".",
    reward_router_address: Any = None,
    reward_model_tokenizer: Any = None,
    **options: Any,
) -> dict[str, Any]:
    """Return the score of one row, whether and why it failed, and the reward of each sub-grader.

    The row that `item` is taken from has `data_source`, `ground_truth`, `extra_info`, and what stands in
    `extra_info` under its own names too.

    Args:
        data_source: where the row is from.
        solution_str: the answer.
        ground_truth: what the dataset has as its right answer.
        extra_info: what else it has.
        source: the grader: a path, JSON text, or an object.
        failed: what a row without a reward scores, or `raise`. There is no default: verl knows no
            unscored row, so it is for you to say; `failed` in `reward_extra_info` counts them.
        item: where in the row the item stands; `.` for all of it.
        reward_router_address: verl's own, not used.
        reward_model_tokenizer: verl's own, not used.
        options: the options of `graders.load`.

    Raises:
        OptionError: `failed` is neither a number nor `raise`.
        FailedError: the row has no reward, and `failed` is `raise`.
    """
    del reward_router_address, reward_model_tokenizer
    reward = _reward(_key(source, failed, item, options))
    row = _row(reward, data_source, solution_str, ground_truth, extra_info)
    began = time.perf_counter()
    return _told(reward, reward.grade(*row), began)


async def acompute_score(
    data_source: Any = None,
    solution_str: Any = None,
    ground_truth: Any = None,
    extra_info: Any = None,
    *,
    source: Any,
    failed: Any,
    item: str = ".",
    reward_router_address: Any = None,
    reward_model_tokenizer: Any = None,
    **options: Any,
) -> dict[str, Any]:
    """Return what `compute_score` does, without holding up verl's event loop."""
    del reward_router_address, reward_model_tokenizer
    reward = _reward(_key(source, failed, item, options))
    row = _row(reward, data_source, solution_str, ground_truth, extra_info)
    began = time.perf_counter()
    return _told(reward, await reward.agrade(*row), began)


def _key(source: Any, failed: Any, item: str, options: Mapping[str, Any]) -> str:
    number = (
        isinstance(failed, int | float) and not isinstance(failed, bool) and math.isfinite(failed)
    )
    if failed != "raise" and not number:
        raise OptionError(
            f"failed is a number, which a row without a reward scores, or raise; got {quoted(failed)}. "
            "verl knows no unscored row"
        )
    # What comes from verl's configuration are objects of its own kind; as JSON they are ours.
    given = source if isinstance(source, str) else _plain(source)
    return jsontext.encode([given, failed, item, _plain(dict(options))]).decode()


_REWARDS: Final[dict[str, Reward]] = {}


def _reward(key: str) -> Reward:
    """Return the reward of a configuration: one for all rows, for verl calls a function for each."""
    found = _REWARDS.get(key)
    if found is None:
        source, failed, item, options = jsontext.decode(key)
        # The first rows come in many threads at once: they all take the one that stands there first.
        found = _REWARDS.setdefault(key, Reward(source, item=item, failed=failed, **options))
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple) or type(value).__name__ == "ListConfig":
        return [_plain(one) for one in value]
    return plain(value)


def _row(
    reward: Reward, data_source: Any, solution: Any, truth: Any, extra: Any
) -> tuple[Any, Any]:
    more = _plain(extra) if isinstance(extra, Mapping) else {}
    row = {**more, "data_source": data_source, "ground_truth": truth, "extra_info": more}
    return reward.item_of(row), solution


def _told(reward: Reward, grade: Grade, began: float) -> dict[str, Any]:
    """Return a row's score and what goes beside it: the same keys for each row, or verl's columns break."""
    score = reward.settled(grade)
    if score is None:
        raise TypeError("a reward for verl has a number for what failed")
    beside = reward.beside(grade, time.perf_counter() - began)
    return {"score": score, **beside, "failure": said_of(grade)}
