"""What performs the calls of a plan's leaves, started when it is first needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self, assert_never

from graders.calls import (
    ChatPerformer,
    EmbedPerformer,
    PythonPerformer,
)
from graders.choices import Choices
from graders.grading.runner import Runner
from graders.kinds import Performer
from graders.models import JudgeOptions, JudgeStats
from graders.plan import Plan, build
from graders.sandbox import PythonOptions, Stats

__all__ = ["Means", "Performers", "Setup"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Everything that decides how a grader grades, fit to be sent to another process.

    Attributes:
        config: the typed config.
        choices: how open points are read.
        python: how python graders are run.
        judge: how model graders and cosine ask their models.
    """

    config: Any
    choices: Choices = field(default_factory=Choices)
    python: PythonOptions = field(default_factory=PythonOptions)
    judge: JudgeOptions = field(default_factory=JudgeOptions)


class Means:
    """The sandbox and the clients that graders share. Closed and used again, they start anew.

    Args:
        python: how python graders are run, or what performs them.
        judge: how servers are asked, or what performs model graders.
        embed: what performs cosine; None for the client that `judge` describes.
        tags: the image_tags of python graders, "" for those without.
        keep: whether processes of python graders may outlive a call; False for strangers' calls.
    """

    def __init__(
        self,
        python: PythonPerformer | PythonOptions,
        judge: ChatPerformer | JudgeOptions,
        embed: EmbedPerformer | None = None,
        tags: Iterable[str] = (),
        *,
        keep: bool = True,
    ) -> None:
        self._given: dict[Performer, Any] = {}
        if not isinstance(python, PythonOptions):
            self._given["python"] = python
        if not isinstance(judge, JudgeOptions):
            self._given["chat"] = judge
        if embed is not None:
            self._given["embed"] = embed
        self._python = python if isinstance(python, PythonOptions) else PythonOptions()
        self._judge = judge if isinstance(judge, JudgeOptions) else JudgeOptions()
        self._tags = set(tags)
        self._keep = keep
        self._started: dict[Performer, Any] = {}

    def runner_of(self, plan: Plan, others: Mapping[Performer, Any] | None = None) -> Runner:
        """Return a new runner of a plan. Several runners may share these means.

        Args:
            plan: the plan.
            others: what performs in place of what all share.

        Raises:
            UnavailableError: this machine lacks what a leaf needs.
        """
        performers = {
            name: (others or {}).get(name) or self.performer(name) for name in plan.performers
        }
        return Runner(
            plan, performers, repeats=self._judge.repeats if "chat" not in self._given else 1
        )

    def performer(self, name: Performer) -> Any:
        """Return what performs, started with its first use."""
        if name in self._given:
            return self._given[name]
        if name not in self._started:
            self._started[name] = self._start(name)
        return self._started[name]

    def _start(self, name: Performer) -> Any:
        # Imported with their first use: asyncio, TLS and SQLite take a while.
        match name:
            case "python":
                return self._python.sandbox(self._tags, keep=self._keep)
            case "chat":
                from graders.models.client import ChatClient  # noqa: PLC0415

                return ChatClient(self._judge)
            case "embed":
                from graders.models.embedding import EmbedClient  # noqa: PLC0415

                return EmbedClient(self._judge)
            case "endpoint":
                from graders.models.endpoint_client import EndpointClient  # noqa: PLC0415

                return EndpointClient(self._judge)
            case "itself" | "metrics":
                raise TypeError(f"nobody performs what is asked of {name}")
            case _:
                assert_never(name)

    @property
    def python_stats(self) -> Stats | None:
        """What the sandbox did so far; None unused."""
        sandbox = self._started.get("python")
        return None if sandbox is None else sandbox.stats

    @property
    def judge_stats(self) -> list[JudgeStats]:
        """What the clients of servers did so far: judges, embeddings, endpoints; [] unused."""
        names: tuple[Performer, ...] = ("chat", "embed", "endpoint")
        return [self._started[name].stats for name in names if name in self._started]

    def close(self) -> None:
        """Stop what was started."""
        for one in self._started.values():
            one.close()
        self._started = {}


class Performers(Means):
    """The means of one plan.

    Args:
        plan: the plan.
        python: how python graders are run, or what performs them.
        judge: how model graders are asked, or what performs them.
        embed: what performs cosine; None for the client that `judge` describes.
    """

    def __init__(
        self,
        plan: Plan,
        python: PythonPerformer | PythonOptions,
        judge: ChatPerformer | JudgeOptions,
        embed: EmbedPerformer | None = None,
    ) -> None:
        tags = {code.image_tag or "" for code in plan.codes}
        super().__init__(python, judge, embed, tags)
        self.plan = plan

    @classmethod
    def of(cls, setup: Setup) -> Self:
        """Return new performers for what another process set up."""
        return cls(build(setup.config, setup.choices), setup.python, setup.judge)

    def runner(self) -> Runner:
        """Return a new runner of the plan; raises as `runner_of`."""
        return self.runner_of(self.plan)
