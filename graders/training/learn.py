"""Supervised fine-tuning and dpo, by TRL's trainers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from datasets import Dataset
from torch.utils.data import Sampler
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from graders.training.chat import Chat
from graders.training.follow import Follower
from graders.training.hyperparameter import order_of
from graders.training.integration import reporting
from graders.training.session import NotTrainableError, Session

__all__ = ["common", "dpo", "order", "supervised"]


class _Order(Sampler):
    """The rows of all epochs in the order of the plan, so that going on changes nothing."""

    def __init__(self, order: list[int]) -> None:
        self._order = order

    def __iter__(self) -> Iterator[int]:
        return iter(self._order)

    def __len__(self) -> int:
        return len(self._order)


class _InOrder:
    """A trainer that takes rows in an order of ours."""

    order: list[int]

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        del train_dataset
        return _Order(self.order)


class _Supervised(_InOrder, SFTTrainer):
    pass


class _Preferred(_InOrder, DPOTrainer):
    pass


def order(session: Session, rows: int, *, whole: bool = False) -> list[int]:
    """Return which row is trained on when, over all epochs.

    Args:
        session: has the plan.
        rows: of the training file that have something to learn.
        whole: whether the last step has to be as large as the others.
    """
    plan, numbers = session.plan, session.plan["schedule"]
    count = plan["rows"]["training"] * numbers["n_epochs"]
    if whole:
        count = numbers["total_steps"] * numbers["batch_size"]
    return order_of(rows, numbers["n_epochs"], plan["seed"], count)


def common(session: Session) -> dict[str, Any]:
    """Return the settings that all trainers have."""
    plan, numbers = session.plan, session.plan["schedule"]
    cuda = torch.cuda.is_available()
    return {
        "output_dir": str(session.folder / "checkpoints"), "max_steps": numbers["total_steps"],
        "seed": plan["seed"] % 2**32, "data_seed": plan["seed"] % 2**32,
        "learning_rate": numbers["learning_rate"], "lr_scheduler_type": "linear", "warmup_steps": 0,
        "per_device_train_batch_size": numbers["rows_at_once"],
        "gradient_accumulation_steps": numbers["batch_size"] * numbers["answers"] // numbers["rows_at_once"],
        "logging_steps": 1, "logging_nan_inf_filter": False, "save_strategy": "no",
        "eval_strategy": "no", "use_cpu": not cuda, "disable_tqdm": True,
        "bf16": cuda and torch.cuda.is_bf16_supported(), "gradient_checkpointing": cuda,
        "dataloader_num_workers": 0, "dataloader_pin_memory": cuda, **reporting(session),
    }  # fmt: skip


def supervised(
    session: Session, model: Any, chat: Chat, adapter: Any, follower: Follower
) -> SFTTrainer:
    """Return what trains a model on answers.

    Raises:
        NotTrainableError: no row has anything to learn.
    """
    training = _examples(session, chat, "training")
    arguments = SFTConfig(
        **common(session), per_device_eval_batch_size=session.plan["schedule"]["rows_at_once"],
        dataset_kwargs={"skip_prepare_dataset": True}, max_length=None, packing=False,
        completion_only_loss=False,
    )  # fmt: skip
    made = _Supervised(
        model=model, args=arguments, train_dataset=Dataset.from_list(training),
        eval_dataset=_or_none(_examples(session, chat, "validation")),
        processing_class=chat.tokenizer, peft_config=adapter, callbacks=[follower],
    )  # fmt: skip
    made.order = order(session, len(training))
    return made


def _examples(session: Session, chat: Chat, use: str) -> list[dict[str, Any]]:
    length = session.length
    found = [chat.learned(row, length) for row in session.rows(use)]
    empty = sum(set(one.labels) == {-100} for one in found)
    cut, partial = sum(one.cut for one in found), sum(one.partial for one in found)
    for many, says in (
        (cut, f"are longer than {length} tokens and cut there (--train-length)"),
        (partial, "are learned in part: the chat template writes earlier answers in other words"),
        (empty, "have nothing that is learned, for it was cut off, and are left out"),
    ):
        if many:
            session.note(f"{many:,} of the {len(found):,} rows of the {use} file {says}")
    if found and empty == len(found):
        raise NotTrainableError(
            f"invalid_{use}_file",
            f"the {use} file has nothing to learn within {length} tokens of a row",
        )
    # A step of rows without anything to learn would have no loss at all.
    return [
        {"input_ids": one.ids, "labels": one.labels} for one in found if set(one.labels) != {-100}
    ]


def _or_none(rows: list[Any]) -> Dataset | None:
    return Dataset.from_list(rows) if rows else None


def dpo(session: Session, model: Any, chat: Chat, adapter: Any, follower: Follower) -> DPOTrainer:
    """Return what trains a model to prefer answers."""
    arguments = DPOConfig(
        **common(session), per_device_eval_batch_size=session.plan["schedule"]["rows_at_once"],
        beta=session.plan["schedule"]["beta"], max_length=session.length,
    )  # fmt: skip
    pairs = _pairs(session, chat, "training")
    made = _Preferred(
        model=model, args=arguments, train_dataset=Dataset.from_list(pairs),
        eval_dataset=_or_none(_pairs(session, chat, "validation")),
        processing_class=chat.tokenizer, peft_config=adapter, callbacks=[follower],
    )  # fmt: skip
    made.order = order(session, len(pairs))
    return made


def _pairs(session: Session, chat: Chat, use: str) -> list[dict[str, Any]]:
    found = []
    for row in session.rows(use):
        prompt, chosen = chat.answer(row["messages"], row["chosen"], row["tools"])
        _, rejected = chat.answer(row["messages"], row["rejected"], row["tools"])
        found.append({"prompt": prompt, "chosen": chosen, "rejected": rejected})
    return found
