"""Answers of local models, for evals."""

from __future__ import annotations

from typing import Any

from graders.evals.answer import read_answer
from graders.models.rollout import RESPONSES, Ask, Rollout
from graders.training.local_sampler import LocalSampler
from graders.training.said import Said
from graders.wire.error import ApiError

BODY: Any = {"messages": [{"role": "user", "content": "q"}], "seed": 3}


class Models:
    """Answers every call with its prompt, where it has one of a letter."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.closed = 0

    async def answer(self, ask: Any) -> Said:
        self.asked.append(ask)
        text = ask.said["messages"][-1]["content"]
        if len(text) > 1:
            raise ApiError(400, "the prompt is too long", code="context_length_exceeded")
        said = Said(1)
        said.add({"choice": 0, "text": text})
        said.add({"choice": 0, "reason": "stop", "tokens": 2})
        said.add({"done": True, "prompt": 5})
        return said

    async def close(self) -> None:
        self.closed += 1


def test_each_row_gets_the_model_s_answer_or_why_there_is_none() -> None:
    models: Any = Models()
    sampler = LocalSampler(models, "m", read_answer)
    found: dict[Any, Rollout] = {}
    long: Any = {"messages": [{"role": "user", "content": "long"}]}
    asks = [
        Ask((0,), BODY), Ask((1,), long), Ask((2,), {"input": "q"}, RESPONSES, instead=BODY),
        Ask((3,), {"input": "q"}, RESPONSES), Ask((4,), {**BODY, "presence_penalty": 1}),
    ]  # fmt: skip
    sampler.sample(asks, lambda key, one: found.update({key[0]: one}))
    sampler.close()
    assert models.closed == 1
    assert models.asked[0].model == "m"
    assert models.asked[0].said["seed"] == 3
    for at in (0, 2):
        sample = found[at].sample
        assert sample is not None
        assert sample["output_text"] == "q"
        assert found[at].usage["completion_tokens"] == 2
    assert [found[at].message for at in (1, 3, 4)] == [
        "the prompt is too long",
        "models of this machine call functions alone, and a tool of the run is none",
        "presence_penalty is not given by models that run here, got 1",
    ]
    assert {found[at].code for at in (1, 3, 4)} == {"rollout_error"}


def test_nothing_is_started_for_no_row() -> None:
    models: Any = Models()
    sampler = LocalSampler(models, "m", read_answer)
    sampler.sample([], lambda *_: None)
    sampler.close()
    assert models.closed == 0
