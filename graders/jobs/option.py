"""How a job is run: where rollouts come from, and how graders and judges work."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from graders.choices import Choices
from graders.errors import OptionError
from graders.models import JudgeOptions
from graders.sandbox import PythonOptions
from graders.wire.endpoint import LOCAL

__all__ = ["RunOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a job is run; the same for all jobs of a server.

    Attributes:
        rollout_url: the OpenAI-compatible server that answers the prompts of rows without recorded
            samples; None where all rows have some.
        rollout_model: the model asked there; None for the job's own.
        rollout_key_file: a file with its key; None for the environment's, as for judges.
        rollout_auth: the header the key goes into.
        rollout_samples: how many samples of one prompt are drawn where `compute_multiplier` is
            auto; with a number, so many times that number.
        rollout_concurrency: at most so many prompts asked at once.
        rollout_deadline: seconds one prompt may take, its tries and waits included.
        rollout_attempts: how often a prompt is sent at most after connection faults and 5xx.
        rollout_max_reply: bytes of the longest answer that is read.
        python: how python graders are run.
        judge: how model graders and cosine ask their models.
        choices: how points are read that the hosted documents leave open.
    """

    rollout_url: str | None = None
    rollout_model: str | None = None
    rollout_key_file: Path | None = None
    rollout_auth: Literal["auto", "bearer", "api-key"] = "auto"
    rollout_samples: int = 4
    rollout_concurrency: int = 16
    rollout_deadline: float = 300.0
    rollout_attempts: int = 8
    rollout_max_reply: int = 8 << 20
    python: PythonOptions = field(default_factory=PythonOptions)
    judge: JudgeOptions = field(default_factory=JudgeOptions)
    choices: Choices = field(default_factory=Choices)

    def __post_init__(self) -> None:
        for name in (
            "rollout_samples", "rollout_concurrency", "rollout_attempts", "rollout_max_reply",
        ):  # fmt: skip
            if getattr(self, name) < 1:
                raise OptionError(f"{name} is at least 1, got {getattr(self, name)}")
        if not self.rollout_deadline > 0:
            raise OptionError(
                f"rollout_deadline is more than 0 seconds, got {self.rollout_deadline}"
            )
        if self.rollout_url == LOCAL:
            raise OptionError(
                "rollout_url is http://… or https://…; the small judge answers no rows"
            )
