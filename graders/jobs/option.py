"""How a job is run: where rollouts come from, and how graders and judges work."""

from __future__ import annotations

from dataclasses import dataclass, field

from graders.models import JudgeOptions, RolloutOptions
from graders.reading import Reading
from graders.sandbox import PythonOptions

__all__ = ["RunOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a job is run; the same for all jobs of a server.

    Attributes:
        rollout: where rollouts come from that rows do not record.
        python: how python graders are run.
        judge: how model graders and cosine ask their models.
        reading: how points are read that the hosted documents leave open.
    """

    rollout: RolloutOptions = field(default_factory=RolloutOptions)
    python: PythonOptions = field(default_factory=PythonOptions)
    judge: JudgeOptions = field(default_factory=JudgeOptions)
    reading: Reading = field(default_factory=Reading)
