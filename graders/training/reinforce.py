"""Reinforcement by TRL's GRPO: answers are sampled, the body's grader gives their rewards."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from typing import Any

import torch
from datasets import Dataset
from transformers import LogitsProcessorList
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
from graders.training.constraint import ConstraintError, Constraints, ends_of, schema_of
from graders.training.follow import Follower
from graders.training.learn import common, order
from graders.training.session import NotTrainableError, Session
from graders.training.tool import names_of

__all__ = ["Rewards", "trainer"]


class Rewards(TrlReward):
    """The body's grader as TRL asks it, with what its grades were, under the hosted names.

    Args:
        reward: what grades.
        graders: those that give scores.
        answers: of each prompt.
        total: how many steps there are.
        chat: reads calls of tools in answers.
    """

    def __init__(
        self, reward: Reward, graders: Sequence[SubGrader], answers: int, total: int, chat: Chat
    ) -> None:
        super().__init__(reward)
        self._chat = chat
        self._graders, self._answers, self._total = graders, answers, total
        self._train, self._valid = Counts(), Counts()
        self._differs = self._flat = False
        self._tokens: list[int] = []
        self._last: tuple[int, Counts, Counts | None] = (0, Counts(), None)
        self.trainer: Any = None

    def __call__(
        self, prompts: Any = None, completions: Sequence[Any] = (), *, row: Any = (),
        offered: Sequence[str] = (), **columns: Any,
    ) -> list[float | None]:  # fmt: skip
        """Return a reward for each completion; the item is the row that it answers.

        An answer that calls tools of its row is a sample with `output_tools`, any other is its text.
        """
        items = [jsontext.decode(one) for one in row]
        ids = columns.get("completion_ids") or ()
        self._tokens = [len(one) for one in ids]
        said = list(completions)
        for at, (one, names) in enumerate(zip(ids, offered, strict=False)):
            calls = self._chat.calls(one, jsontext.decode(names)) if names else None
            if calls is not None:
                said[at] = {"output_text": calls[0] or "", "output_tools": calls[1]}
        return super().__call__(prompts, said, row=items, **columns)

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
    rewards = Rewards(
        reward, sub_graders(grader.plan), numbers["answers"], numbers["total_steps"], chat
    )
    follower.hosted = rewards.hosted
    schema = schema_of(plan["response_format"])
    engine = _engine(session, schema)
    if schema is not None and not engine:
        _hold(session, model, chat, schema)
    arguments = GRPOConfig(
        **common(session), beta=0.0, num_generations=numbers["answers"], shuffle_dataset=False,
        max_completion_length=settings["answer_tokens"], temperature=1.0,
        num_generations_eval=numbers["eval_answers"],
        per_device_eval_batch_size=numbers["eval_answers"] * max(1, 8 // numbers["eval_answers"]),
        remove_unused_columns=False, **engine,
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
        names = names_of(row["tools"])
        offered = jsontext.encode(names).decode() if names else ""
        item = jsontext.encode(row["item"]).decode()
        found.append({"prompt": prompt, "row": item, "offered": offered})
    return found


def _engine(session: Session, schema: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what has vLLM sample answers, where it is installed and there is a GPU; {} for transformers.

    Source: TRL 1.16, whose `generation_kwargs` become vLLM's SamplingParams.
    """
    if find_spec("vllm") is None or not torch.cuda.is_available() or sys.platform != "linux":
        return {}
    session.note("Answers are sampled by vLLM", "info")
    found: dict[str, Any] = {
        "use_vllm": True, "vllm_mode": "colocate", "vllm_max_model_length": session.length,
    }  # fmt: skip
    if schema is not None:
        # Of tokens that a schema leaves alone vLLM says a likelihood of 1, which the model's own is not:
        # corrected by it, every answer would weigh nothing.
        found |= {
            "generation_kwargs": {"structured_outputs": {"json": dict(schema)}},
            "vllm_importance_sampling_correction": False,
        }
        session.note("response_format: vLLM holds answers to the schema", "info")
    return found


def _hold(session: Session, model: Any, chat: Chat, schema: Mapping[str, Any]) -> None:
    """Have every answer that transformers sample of a model held to a schema; an event says where they are not."""
    try:
        constraints = Constraints(chat.tokenizer, ends_of(chat.tokenizer, model))
        processor = constraints.processor(schema)
    except ConstraintError as error:
        session.note(
            f"response_format does not hold answers to its schema, the grader sees what the model says freely: {error}"
        )
        return
    generate = model.generate

    def held(*args: Any, **given: Any) -> Any:
        return generate(*args, logits_processor=LogitsProcessorList([processor.fresh()]), **given)

    # Of the model beneath an adapter, which asks it: trainers have no place for processors.
    model.generate = held
    session.note("response_format: answers are held to the schema while they are sampled", "info")
