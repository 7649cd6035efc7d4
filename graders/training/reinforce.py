"""Reinforcement by TRL's GRPO: answers are sampled, the body's grader gives their rewards."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec
from typing import Any

import torch
from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from graders import jsontext
from graders.adapters.trl import TrlReward
from graders.api import Grader
from graders.config import load_source
from graders.grade import Grade
from graders.jobs.journal import StoredGrade
from graders.jobs.metric import Counts, SubGrader, metrics, sub_graders
from graders.reward import Reward
from graders.training.chat import Chat
from graders.training.follow import Follower
from graders.training.learn import common, order
from graders.training.session import NotTrainableError, Session

__all__ = ["Rewards", "trainer"]


class Rewards(TrlReward):
    """The body's grader as TRL asks it, with what its grades were, under the hosted names.

    Args:
        reward: what grades.
        graders: those that give scores.
        answers: of each prompt.
        total: how many steps there are.
    """

    def __init__(
        self, reward: Reward, graders: Sequence[SubGrader], answers: int, total: int
    ) -> None:
        super().__init__(reward)
        self._graders, self._answers, self._total = graders, answers, total
        self._train, self._valid = Counts(), Counts()
        self._differs = self._flat = False
        self._tokens: list[int] = []
        self._last: tuple[int, Counts, Counts | None] = (0, Counts(), None)
        self.trainer: Any = None

    def __call__(
        self, prompts: Any = None, completions: Sequence[Any] = (), *, row: Any = (), **columns: Any
    ) -> list[float | None]:
        """Return a reward for each completion; the item is the row that it answers."""
        columns.pop("shown", None)
        items = [jsontext.decode(one) for one in row]
        self._tokens = [len(one) for one in columns.get("completion_ids") or ()]
        return super().__call__(prompts, completions, row=items, **columns)

    def _told(
        self, rows: Any, grades: Sequence[Grade], began: float, **more: Any
    ) -> list[float | None]:
        training = self.trainer is None or self.trainer.model.training
        counts = self._train if training else self._valid
        seconds = (time.perf_counter() - began) / max(1, len(grades))
        for at, one in enumerate(grades):
            counts.add(_stored(one, seconds, self._tokens[at] if self._tokens else None))
        if training:
            for at in range(0, len(grades), self._answers):
                scored = [one.reward for one in grades[at : at + self._answers]]
                known = {one for one in scored if one is not None}
                self._differs = self._differs or len(known) > 1
        return super()._told(rows, grades, began, **more)

    def hosted(self, step: int) -> dict[str, Any]:
        """Return a step's data under the hosted names; asked after the step, and after its evaluation."""
        if self._last[0] != step:
            self._last = (step, self._train, None)
            self._flat, self._train, self._differs = not self._differs, Counts(), False
        if self._valid.rollouts:
            self._last = (step, self._last[1], self._valid)
            self._valid = Counts()
        _, train, valid = self._last
        found = metrics(step, self._total, train, valid, graders=self._graders, timing={})
        found["rollouts"] = found.pop("dry_run")
        # What failed is no part of what is learned, so it is no part of a mean either.
        means = (train.mean_of_scored, None if valid is None else valid.mean_of_scored)
        found["train_mean_reward"], found["full_valid_mean_reward"] = means
        found["scores"]["train_reward_mean"], found["scores"]["valid_reward_mean"] = means
        if len(self._graders) == 1 and not self._graders[0].key:
            (alone,) = found["scores"]["graders"]
            alone["train_reward_mean"], alone["valid_reward_mean"] = means
        return {**found, "flat": self._flat}


def _stored(grade: Grade, seconds: float, tokens: int | None) -> StoredGrade:
    body: dict[str, Any] = {
        "failures": [asdict(one) for one in grade.failures],
        "sub_rewards": {key: one for key, one in grade.sub_rewards.items() if one is not None},
        "usage": {name: asdict(one) for name, one in grade.usage.items()},
    }
    if tokens is not None:
        body["rollout_usage"] = {"completion_tokens": tokens}
    return StoredGrade((0, 0, 0, 0), grade.reward, body, seconds)  # type: ignore[arg-type]


def trainer(
    session: Session, model: Any, chat: Chat, adapter: Any, follower: Follower
) -> GRPOTrainer:
    """Return what trains a model by the rewards of the body's grader.

    Raises:
        NotTrainableError: a prompt is too long to be answered.
    """
    plan, options = session.plan, session.options
    numbers, settings = plan["schedule"], plan["settings"]
    loaded = load_source(plan["body"])
    grader = Grader(loaded, reading=options.reading, python=options.python, judge=options.judge)
    reward = Reward(grader, item="row", sample="completion")
    rewards = Rewards(reward, sub_graders(grader.plan), numbers["answers"], numbers["total_steps"])
    follower.hosted = rewards.hosted
    _say_what_is_left_out(session)
    arguments = GRPOConfig(
        **common(session), beta=0.0, num_generations=numbers["answers"], shuffle_dataset=False,
        max_completion_length=settings["answer_tokens"], temperature=1.0,
        num_generations_eval=numbers["eval_answers"],
        per_device_eval_batch_size=numbers["eval_answers"] * max(1, 8 // numbers["eval_answers"]),
        remove_unused_columns=False, **_engine(session),
    )  # fmt: skip
    prompts = _prompts(session, chat, "training")
    made = GRPOTrainer(
        model=model, reward_funcs=rewards, args=arguments, processing_class=chat.tokenizer,
        train_dataset=Dataset.from_list(prompts).select(order(session, len(prompts), whole=True)),
        eval_dataset=_or_none(_prompts(session, chat, "validation")), peft_config=adapter,
        callbacks=[follower],
    )  # fmt: skip
    rewards.trainer = made
    return made


def _or_none(rows: list[Any]) -> Dataset | None:
    return Dataset.from_list(rows) if rows else None


def _prompts(session: Session, chat: Chat, use: str) -> list[dict[str, Any]]:
    length = session.length - session.plan["settings"]["answer_tokens"]
    found = []
    for number, row in enumerate(session.rows(use), 1):
        prompt = chat.prompt(row["messages"], row["tools"])
        size = len(chat.tokenizer(prompt)["input_ids"])
        if size > length:
            raise NotTrainableError(
                f"invalid_{use}_file",
                f"the prompt of row {number:,} of the {use} file has {size:,} tokens; beside an answer of "
                f"{session.length - length:,} there is room for {max(0, length):,} (--train-length, "
                "--train-answer-tokens; the model's own limit)",
            )
        found.append({"prompt": prompt, "row": jsontext.encode(row["item"]).decode()})
    return found


def _engine(session: Session) -> dict[str, Any]:
    """Return what samples answers: vLLM where it is installed and there is a GPU, else transformers."""
    if find_spec("vllm") is not None and torch.cuda.is_available() and sys.platform == "linux":
        session.note("Answers are sampled by vLLM", "info")
        return {"use_vllm": True, "vllm_mode": "colocate"}
    return {}


def _say_what_is_left_out(session: Session) -> None:
    if session.plan["response_format"] is not None:
        session.note(
            "response_format does not hold answers to its schema here: transformers samples freely, so the "
            "grader sees whatever the model says"
        )
