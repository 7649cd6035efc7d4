"""What performs the calls of a plan's leaves, started when it is first needed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from graders.calls import (
    ChatPerformer,
    EmbedPerformer,
    PythonPerformer,
)
from graders.chat import JudgeOptions, JudgeStats
from graders.choices import Choices
from graders.engine.runner import Runner
from graders.plan import Plan, build
from graders.sandbox import PythonOptions, PythonSandbox, Stats

if TYPE_CHECKING:
    from graders.chat.client import ChatClient
    from graders.embed.client import EmbedClient

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

    def performers(self) -> Performers:
        """Return new performers for this grader's plan."""
        return Performers(build(self.config, self.choices), self.python, self.judge)


class Means:
    """The sandbox and the clients that graders share. Closed and used again, they start anew.

    Args:
        python: how python graders are run, or what performs them.
        judge: how model graders are asked, or what performs them.
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
        self._python = python
        self._judge = judge
        self._embed = embed
        self._tags = set(tags)
        self._keep = keep
        self._sandbox: PythonSandbox | None = None
        self._chat: ChatClient | None = None
        self._embedder: EmbedClient | None = None

    def runner_of(
        self,
        plan: Plan,
        python: PythonPerformer | None = None,
        chat: ChatPerformer | None = None,
        embed: EmbedPerformer | None = None,
    ) -> Runner:
        """Return a new runner of a plan. Several runners may share these means.

        Args:
            plan: the plan.
            python: what performs its python graders; None for what all share.
            chat: the same for its model graders.
            embed: the same for its cosine.

        Raises:
            UnavailableError: this machine lacks what a leaf needs.
        """
        judge = self._judge
        return Runner(
            plan,
            (python or self.python()) if plan.needs("python") else None,
            chat=(chat or self.chat()) if plan.needs("chat") else None,
            embed=(embed or self.embed()) if plan.needs("embed") else None,
            repeats=judge.repeats if isinstance(judge, JudgeOptions) else 1,
        )

    def python(self) -> PythonPerformer:
        """Return what performs python graders."""
        if not isinstance(self._python, PythonOptions):
            return self._python
        if self._sandbox is None:
            self._sandbox = self._python.sandbox(self._tags, keep=self._keep)
        return self._sandbox

    def chat(self) -> ChatPerformer:
        """Return what performs model graders."""
        if not isinstance(self._judge, JudgeOptions):
            return self._judge
        if self._chat is None:
            from graders.chat.client import ChatClient  # noqa: PLC0415  (asyncio, SQLite)

            self._chat = ChatClient(self._judge)
        return self._chat

    def embed(self) -> EmbedPerformer:
        """Return what performs cosine."""
        if self._embed is not None:
            return self._embed
        if self._embedder is None:
            from graders.embed.client import EmbedClient  # noqa: PLC0415  (asyncio, SQLite)

            judge = self._judge
            self._embedder = EmbedClient(judge if isinstance(judge, JudgeOptions) else None)
        return self._embedder

    @property
    def python_stats(self) -> Stats | None:
        """What the sandbox did so far; None unused."""
        return self._sandbox.stats if self._sandbox is not None else None

    @property
    def judge_stats(self) -> list[JudgeStats]:
        """What the clients of model servers did so far: judges, then embeddings; [] unused."""
        return [one.stats for one in (self._chat, self._embedder) if one is not None]

    def close(self) -> None:
        """Stop what was started."""
        for one in (self._sandbox, self._chat, self._embedder):
            if one is not None:
                one.close()
        self._sandbox = self._chat = self._embedder = None


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

    def runner(self) -> Runner:
        """Return a new runner of the plan; raises as `runner_of`."""
        return self.runner_of(self.plan)
