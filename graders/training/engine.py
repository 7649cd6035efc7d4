"""Training a job by its plan: the model loaded, the trainer of its method run, what it learned saved."""

from __future__ import annotations

import os
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import torch
import transformers
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerState

from graders.adapters.wandb import finish
from graders.training.card import card
from graders.training.chat import PLAIN, Chat
from graders.training.checkpoint import checkpoint_folder, marked, newest
from graders.training.follow import Follower
from graders.training.session import NotTrainableError, Session

__all__ = ["LIBRARIES", "train"]

LIBRARIES: Final = ("torch", "transformers", "trl", "peft", "datasets", "accelerate")


def train(session: Session) -> None:
    """Train a job from its newest checkpoint, or from the beginning, to its end or until it is stopped."""
    plan, folder = session.plan, session.folder
    transformers.set_seed(plan["seed"] % 2**32)
    at = newest(folder)
    begun = checkpoint_folder(folder, at) if at is not None else None
    chat = Chat(_tokenizer(session), _told(session))
    model = _model(session)
    context = getattr(model.config, "max_position_embeddings", None)
    if context is not None:
        session.length = min(session.length, context)
    follower = Follower(session, (marked(begun) or {}).get("tokens", 0) if begun else 0)
    trainer = _trainer(session, model, chat, follower)
    versions = {one: version(one) for one in LIBRARIES}
    device = _device(trainer.model.device)
    session.say("begun", device=device, versions=versions, step=at or 0)
    if begun is not None:
        follower.replay(begun)
    try:
        if begun is not None and at == plan["schedule"]["total_steps"]:
            _load(trainer, begun)  # It was ended between its last checkpoint and its end.
        else:
            trainer.train(resume_from_checkpoint=None if begun is None else str(begun))
    finally:
        finish()
    if follower.left:
        session.say("paused", step=trainer.state.global_step)
        return
    _save(session, trainer, chat, {"device": device, "versions": versions})
    session.say("done", tokens=follower.tokens)


def _load(trainer: Any, checkpoint: Path) -> None:
    """Give a trainer the weights and the past of a checkpoint."""
    trainer._load_from_checkpoint(str(checkpoint))  # noqa: SLF001  (as going on does, without a step)
    trainer.state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))


def _trainer(session: Session, model: Any, chat: Chat, follower: Follower) -> Any:
    adapter = None
    if not session.plan["full"]:
        rank = session.plan["settings"]["lora_rank"]
        adapter = LoraConfig(
            r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules="all-linear",
            task_type="CAUSAL_LM",
        )  # fmt: skip
    kind = session.plan["kind"]
    if kind == "reinforcement":
        from graders.training import reinforce  # noqa: PLC0415  (vLLM, where it is installed)

        return reinforce.trainer(session, model, chat, adapter, follower)
    from graders.training import learn  # noqa: PLC0415

    make = learn.supervised if kind == "supervised" else learn.dpo
    return make(session, model, chat, adapter, follower)


def _told(session: Session) -> dict[str, Any]:
    effort = session.plan["reasoning_effort"]
    return {} if effort in (None, "default") else {"reasoning_effort": effort}


def _tokenizer(session: Session) -> Any:
    path = session.plan["base"]
    try:
        found = AutoTokenizer.from_pretrained(path)
    except Exception as error:
        raise _unusable(session, "tokenizer", error) from error
    if not found.is_fast:
        raise NotTrainableError(
            "model_unusable",
            f"the tokenizer of {path} does not say where its tokens stand in a text; a fast one is needed "
            "(tokenizer.json)",
        )
    if found.eos_token is None:
        raise NotTrainableError(
            "model_unusable", f"the tokenizer of {path} has no eos_token: an answer could not end"
        )
    if found.pad_token is None:
        found.pad_token = found.eos_token
    if found.chat_template is None:
        found.chat_template = PLAIN
        session.note(
            f"{path} has no chat template: each message is written as a line with its role and then its text, in training and after"
        )
    return found


def _model(session: Session) -> Any:
    plan = session.plan
    cuda = torch.cuda.is_available()
    half = torch.bfloat16 if cuda and torch.cuda.is_bf16_supported() else torch.float32
    try:
        model = AutoModelForCausalLM.from_pretrained(
            plan["base"], dtype=torch.float32 if plan["full"] else half
        )
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise _unusable(session, "model", error) from error
    model.config.use_cache = False
    return model


def _unusable(session: Session, what: str, error: Exception) -> Exception:
    said = str(error).strip().partition("\n")[0][:300]
    if "memory" in said.lower():
        return MemoryError(said)
    plan = session.plan
    offline = "" if plan["hub"] else "; nothing is fetched, for --train-model names a folder"
    return NotTrainableError(
        "model_unusable",
        f"the {what} of {plan['base']} cannot be loaded: {type(error).__name__}: {said}{offline}",
    )


def _device(device: Any) -> str:
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return f"{device.type} ({torch.get_num_threads()} threads)"


def _save(session: Session, trainer: Any, chat: Chat, told: dict[str, Any]) -> None:
    """Save the model, whole, and the adapter where there is one; each is there wholly or not at all."""
    folder, plan = session.folder, session.plan
    text = card(plan, told, trainer.state.log_history)
    model = trainer.accelerator.unwrap_model(trainer.model)
    if not plan["full"]:
        _save_as(folder / "adapter", model, chat, text)
        model = model.merge_and_unload()
    model.config.use_cache = True
    _save_as(folder / "model", model, chat, text)


def _save_as(place: Path, model: Any, chat: Chat, text: str) -> None:
    partial = place.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    model.save_pretrained(partial)
    chat.tokenizer.save_pretrained(partial)
    (partial / "README.md").write_text(text, encoding="utf-8")
    for path in partial.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    shutil.rmtree(place, ignore_errors=True)
    partial.replace(place)
