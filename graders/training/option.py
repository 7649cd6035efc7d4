"""How jobs are trained, as their caller says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Final

from graders.errors import UnavailableError
from graders.jobs.option import RunOptions
from graders.option import check, option

__all__ = ["TrainRun", "TrainingOptions", "check_libraries"]

_NEEDED: Final = ("torch", "transformers", "trl", "peft", "datasets", "accelerate")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOptions:
    """How jobs are trained; the same for all jobs of a server.

    Attributes:
        models: for a body's model the folder of a model, or the name of one on the Hugging Face hub.
        urls: for a model's name the OpenAI-compatible server that answers in its name, such as a vLLM that
            was given its folder.
        full: whether every weight is trained; else an adapter (LoRA) beside them.
        rank: the adapter's rank.
        length: tokens of the longest row; what is beyond is cut off.
        rows_at_once: rows that are on the device at once, where a batch has more; None for 4, in
            reinforcement for the answers of one prompt.
        learning_rate: what `learning_rate_multiplier` multiplies; None for a rule by method.
        answers: of a prompt in a step of reinforcement, at a compute_multiplier of 1.
        answer_tokens: of the longest answer that is sampled.
        flat: steps in a row whose prompts each had equal rewards, after which a reinforcement job
            fails, for it teaches nothing; 0 for never.
    """

    models: Mapping[str, str] = option(
        dict, "The model to train where a job names NAME: a folder, or a name on the Hugging Face hub; "
        "may be given several times.", name="train_model", group="Training", metavar="NAME=MODEL",
    )  # fmt: skip
    urls: Mapping[str, str] = option(
        dict, "Pass calls of the model NAME on to a server that serves it, such as vLLM; may be given "
        "several times.", name="model_url", group="Training", metavar="NAME=URL",
    )  # fmt: skip
    full: bool = option(
        False,
        "Train every weight, not an adapter beside them.",
        name="train_full",
        group="Training",
    )
    rank: int = option(
        16,
        "Rank of the adapter.",
        name="lora_rank",
        group="Training",
        metavar="N",
        least=1,
        most=512,
    )
    length: int = option(
        2048, "Tokens of the longest row; the rest is cut off.", name="train_length", group="Training", metavar="N",
        least=8,
    )  # fmt: skip
    rows_at_once: int | None = option(
        None, "Rows on the device at once; fewer take less memory, and more time.  [default: 4]",
        name="train_rows", group="Training", metavar="N", least=1,
    )  # fmt: skip
    learning_rate: float | None = option(
        None, "What learning_rate_multiplier multiplies.  [default: by method]",
        name="train_learning_rate", group="Training", metavar="NUMBER", above=0,
    )  # fmt: skip
    answers: int = option(
        8, "Answers of a prompt in a step of reinforcement.", name="train_answers", group="Training", metavar="N",
        least=2, most=64,
    )  # fmt: skip
    answer_tokens: int = option(
        256, "Tokens of the longest answer that is sampled.", name="train_answer_tokens", group="Training",
        metavar="N", least=1,
    )  # fmt: skip
    flat: int = option(
        10, "Stop a job after N steps in a row without any difference in reward; 0 for never.",
        name="stop_when_flat", group="Training", metavar="N", least=0,
    )  # fmt: skip

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainRun(RunOptions):
    """How a job that trains is run.

    Attributes:
        training: how it is trained.
    """

    training: TrainingOptions = field(default_factory=TrainingOptions)


def check_libraries() -> None:
    """Look whether what trains is installed.

    Raises:
        UnavailableError: it is not; says what is missing, and how it is installed.
    """
    missing = [one for one in _NEEDED if find_spec(one) is None]
    if missing:
        raise UnavailableError(
            f"--train needs {', '.join(missing)}: choose a torch for this machine "
            "(docs/howto/train-a-job.md), then pip install 'local-graders[train]'"
        )
