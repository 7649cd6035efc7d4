"""TRL calls rewards by keywords, with columns as lists, sync, and reads None as unscored."""

from __future__ import annotations

import asyncio
import copy
import inspect
import math
import pickle
from typing import Any

import numpy as np
import pytest

from graders.adapters import trl
from graders.errors import FailedError, OptionError
from tests.adapters.callers import Trainer
from tests.adapters.conftest import BOTH, EXACT

ROWS = [{"prompt": f"q{at}", "answer": one, "extra": at} for at, one in enumerate(("a", "b", "c"))]


def test_texts_and_chats_get_the_same_rewards_and_a_failed_row_is_unscored() -> None:
    texts: list[Any] = ["a", "x"]
    chats: list[Any] = [[{"role": "assistant", "content": one}] for one in texts]
    for completions in (texts, chats):
        trainer = Trainer([trl.reward(EXACT)])
        first, second, third = trainer.rewards(
            ROWS, [*completions, [{"role": "user", "content": "?"}]]
        )
        assert (first, second) == ([1.0], [0.0])
        assert math.isnan(third[0])
        assert trainer.metrics["graders/exact/failed"] == [1 / 3]
        assert trainer.metrics["graders/exact/failed/sample_parse_error"] == [1 / 3]
        assert trainer.metrics["graders/exact/seconds_per_row"][0] > 0
        assert trainer.extra["exact_failure"][:2] == [None, None]
        assert "nobody answers it" in trainer.extra["exact_failure"][2]


def test_a_null_that_a_data_set_has_for_a_lacking_answer_is_unscored() -> None:
    trainer = Trainer([trl.reward(EXACT)])
    rows: list[Any] = [{"prompt": "q", "answer": one} for one in (None, "null")]
    first, second = trainer.rewards(rows, ["null", "null"])
    assert math.isnan(first[0])
    assert second == [1.0]


def test_a_conversation_with_tools_is_graded_by_its_last_answer() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    talk = [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "42"},
        {"role": "assistant", "content": "a"},
    ]
    assert Trainer([trl.reward(EXACT)]).rewards(ROWS[:1], [talk]) == [[1.0]]


def test_parts_are_graded_once_and_logged_each() -> None:
    functions, weights = trl.parts(BOTH, weights={"exact": 2.0})
    assert [one.__name__ for one in functions] == ["both_exact", "both_near"]
    assert weights == [2.0, 1.0]
    whole = functions[0]._shared.reward
    trainer = Trainer(list(functions), weights)
    for batches in (1, 2):  # The same rows once more are another batch.
        found = trainer.rewards(ROWS, ["a", "bx", "c"])
        assert whole.counts.rows == 3 * batches
    assert [one[0] for one in found] == [1.0, 0.0, 1.0]
    assert found[1][1] == pytest.approx(2 / 3)
    assert trainer.metrics["graders/both/reward/exact"] == [2 / 3] * 2
    assert len(trainer.extra["both_near"]) == 6


@pytest.mark.parametrize(("failed", "wanted"), [(None, [None, None]), (-1.0, [1.0, -1.0])])
@pytest.mark.parametrize("invalid", [{}, {"invalid_grade": -0.5}])
def test_a_row_with_a_part_that_failed_is_no_silent_zero_in_the_sum(
    failed: Any, wanted: list[Any], invalid: Any
) -> None:
    lacking = {**BOTH["graders"]["near"], "reference": "{{ item.other }}"}
    config = {**BOTH, **invalid, "graders": {**BOTH["graders"], "near": lacking}}
    functions, _ = trl.parts(config, failed=failed)
    said = ["a", "a"]
    found = [
        one(prompts=["q", "q"], completions=said, answer=["a", "a"], other=["a", None])
        for one in functions
    ]
    assert [one[0] for one in found] == [1.0, 1.0]
    assert [one[1] for one in found] == wanted


def test_rows_that_invalid_grade_stands_for_are_counted_and_told() -> None:
    trainer = Trainer([trl.reward({**BOTH, "invalid_grade": -0.5})])
    rows = [{"prompt": "q", "answer": one} for one in ("a", None)]
    assert trainer.rewards(rows, ["a", "a"]) == [[1.0], [-0.5]]
    assert trainer.rewards(rows[:1], ["a"]) == [[1.0]]
    assert trainer.metrics["graders/both/failed"] == [0.0, 0.0]
    assert trainer.metrics["graders/both/invalid"] == [0.5, 0.0]
    assert trainer.metrics["graders/both/invalid/invalid_variable_error"] == [0.5, 0.0]
    assert "item has no answer" in trainer.extra["both_failure"][1]


def test_item_is_found_by_path_and_failed_is_what_was_said() -> None:
    rows = [{"prompt": "q", "meta": {"row": {"answer": "a"}}}]
    assert Trainer([trl.reward(EXACT, item="meta.row")]).rewards(rows, ["a"]) == [[1.0]]
    assert Trainer([trl.reward(EXACT, failed=-1.0)]).rewards(rows, ["a"]) == [[-1.0]]
    with pytest.raises(FailedError):
        Trainer([trl.reward(EXACT, failed="raise")]).rewards(rows, ["a"])


@pytest.mark.parametrize("again", [lambda one: pickle.loads(pickle.dumps(one)), copy.deepcopy])
def test_it_goes_along_to_other_processes(again: Any) -> None:
    functions, weights = trl.parts(BOTH)
    copied = again((trl.reward(EXACT), functions))
    assert Trainer([copied[0]]).rewards(ROWS[:1], ["a"]) == [[1.0]]
    assert Trainer(copied[1], weights).rewards(ROWS[:1], ["a"]) == [[1.0, 1.0]]


def test_what_has_no_parts_is_said() -> None:
    with pytest.raises(OptionError, match=r"no sub-graders; use trl\.reward"):
        trl.parts(EXACT)
    with pytest.raises(OptionError, match="did you mean exact"):
        trl.parts(BOTH, weights={"exat": 1.0})


def test_shaped_rewards_and_the_graders_own_are_logged_apart() -> None:
    rows = [{"prompt": one, "answer": "a"} for one in ("p", "p", "p", "q", "q", "q")]
    trainer = Trainer([trl.reward(EXACT, shaping=[{"type": "center"}], num_generations=3)])
    bad = [{"role": "user", "content": "?"}]
    got = [one for (one,) in trainer.rewards(rows, ["a", "b", bad, "a", "b", "b"])]
    assert got[:2] == [0.5, -0.5]
    assert math.isnan(got[2])
    assert got[3:] == pytest.approx([2 / 3, -1 / 3, -1 / 3])
    assert trainer.metrics["graders/exact/reward"] == [2 / 5]
    assert trainer.metrics["graders/exact/shaped"] == pytest.approx([0.0])
    assert trainer.metrics["graders/exact/failed"] == [1 / 6]
    assert trainer.extra["exact_reward"] == [1.0, 0.0, None, 1.0, 0.0, 0.0]
    assert trainer.extra["exact_shaped"][:3] == [0.5, -0.5, None]


def test_lengths_in_tokens_are_those_of_the_trainer() -> None:
    step = {"type": "length_penalty", "unit": "tokens", "limit": 2, "buffer": 2}
    trainer = Trainer([trl.reward(EXACT, shaping=[step])])
    assert trainer.rewards(ROWS, ["a", "b", "x"]) == [[0.0], [0.0], [-1.0]]


def test_what_cannot_be_shaped_is_said() -> None:
    with pytest.raises(OptionError, match="num_generations is a whole number"):
        trl.reward(EXACT, shaping=[{"type": "rank"}], num_generations=0)
    with pytest.raises(OptionError, match="4 rows are no whole groups of 3"):
        trl.reward(EXACT, shaping=[{"type": "rank"}], num_generations=3)(
            ["p"] * 4, ["a"] * 4, answer=["a"] * 4
        )
    with pytest.raises(OptionError, match="rank needs groups"):
        trl.reward(EXACT, shaping=[{"type": "rank"}])(completions=["a"], answer=["a"])
    with pytest.raises(OptionError, match="shaping is of whole rewards"):
        trl.parts(BOTH, shaping=[{"type": "rank"}])  # type: ignore[call-arg]


def test_a_batch_is_known_whatever_its_rows_hold() -> None:
    """Arrays and tensors cannot be compared, and need not be."""
    functions, _ = trl.parts(BOTH)
    rows: list[dict[str, Any]] = [{**one, "seen": np.arange(3)} for one in ROWS]
    trainer = Trainer(list(functions))
    for batches in (1, 2):
        found = trainer.rewards(rows, ["a", "b", "x"])
        assert [one[0] for one in found] == [1.0, 1.0, 0.0]
        assert functions[0]._shared.reward.counts.rows == 3 * batches
    # The very same list once more is another batch all the same.
    again = ["a", "b", "c"]
    assert trainer.rewards(rows, again) == trainer.rewards(rows, again) == [[1.0, 1.0]] * 3
    assert functions[0]._shared.reward.counts.rows == 12


def test_columns_may_be_arrays() -> None:
    function = trl.reward(EXACT)
    assert function(completions=["a", "b"], answer=np.array(["a", "a"])) == [1.0, 0.0]
    named = {**EXACT, "reference": "{{item.number}}"}
    number = np.array([1, 2], dtype=np.int64)
    assert trl.reward(named)(completions=["1", "1"], number=number) == [1.0, 0.0]


def test_what_is_logged_of_one_batch_is_logged_of_each() -> None:
    """TRL keeps the last that it was given of a column, and means what it was given of a metric."""
    trainer = Trainer([trl.reward(EXACT)])
    lacking: list[dict[str, Any]] = [
        {"prompt": "q", "answer": "a"},
        {"prompt": "q", "answer": None},
    ]
    unread: list[Any] = ["a", [{"role": "user", "content": "?"}]]
    trainer.rewards(lacking, unread)
    trainer.rewards(lacking[:1] * 2, ["a", "a"])
    assert trainer.metrics["graders/exact/failed"] == [0.5, 0.0]
    assert trainer.metrics["graders/exact/failed/sample_parse_error"] == [0.5, 0.0]
    assert trainer.extra["exact_failure"][2:] == [None, None]


def test_an_awaited_one_gives_the_same_and_trl_sees_that_it_is_awaited() -> None:
    function = copy.deepcopy(trl.areward(EXACT))
    assert inspect.iscoroutinefunction(function.__call__)
    metrics: dict[str, float] = {}
    given: dict[str, Any] = {"log_metric": metrics.__setitem__, "answer": ["a", "a", "a"]}
    unread = [{"role": "user", "content": "?"}]
    found = asyncio.run(function(prompts=["q"] * 3, completions=["a", "x", unread], **given))
    assert found == [1.0, 0.0, None]
    assert metrics["graders/exact/failed"] == pytest.approx(1 / 3)
