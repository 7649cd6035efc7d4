"""What performs the calls of a plan's leaves, started when it is first needed."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Self, assert_never

from graders.calls import ChatPerformer, EmbedPerformer, PythonError, PythonPerformer, Stop
from graders.grading.runner import Runner
from graders.kinds import Performer
from graders.models import JudgeOptions, JudgeStats
from graders.plan import Plan, build
from graders.reading import Reading
from graders.sandbox import PythonOptions, Stats

__all__ = ["Performers", "Setup", "SharedPerformers"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Everything that decides how a grader grades, fit to be sent to another process.

    Attributes:
        config: the typed config.
        reading: how open points are read.
        python: how python graders are run.
        judge: how model graders and cosine ask their models.
    """

    config: Any
    reading: Reading = field(default_factory=Reading)
    python: PythonOptions = field(default_factory=PythonOptions)
    judge: JudgeOptions = field(default_factory=JudgeOptions)


class SharedPerformers:
    """The sandbox and the clients that graders share. Closed and used again, they start anew.

    Threads may share them: each is started once.

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
        self._lock = threading.Lock()

    def performer(self, name: Performer) -> Any:
        """Return what performs, started with its first use."""
        if name in self._given:
            return self._given[name]
        with self._lock:
            if name not in self._started:
                self._started[name] = self._start(name)
            return self._started[name]

    def check(
        self, source: str, image_tag: str | None = None, *, stop: Stop | None = None
    ) -> PythonError | None:
        """Load a python source without grading; its load error, None when `grade` is there."""
        until = {} if stop is None or "python" in self._given else {"stop": stop}
        found: PythonError | None = self.performer("python").check(source, image_tag, **until)
        return found

    def _start(self, name: Performer) -> Any:
        # Imported with their first use: asyncio, TLS and SQLite take a while.
        match name:
            case "python":
                return self._python.start(self._tags, keep=self._keep)
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
    def given(self) -> frozenset[Performer]:
        """Which were given, and so know of no stops."""
        return frozenset(self._given)

    @property
    def repeats(self) -> int:
        """How often a judge is asked for each row."""
        return 1 if "chat" in self._given else self._judge.repeats

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


class Performers:
    """What performs for one plan.

    Args:
        plan: the plan.
        shared: the sandbox and the clients, which other plans may share.
    """

    def __init__(self, plan: Plan, shared: SharedPerformers) -> None:
        self.plan = plan
        self.shared = shared

    @classmethod
    def of(cls, setup: Setup) -> Self:
        """Return new performers for what another process set up."""
        plan = build(setup.config, setup.reading)
        return cls(plan, SharedPerformers(setup.python, setup.judge, tags=plan.image_tags))

    def runner(self) -> Runner:
        """Return a new runner of the plan.

        Raises:
            UnavailableError: this machine lacks what a leaf needs.
        """
        shared, performers = self.shared, self.plan.performers
        return Runner(
            self.plan,
            {name: shared.performer(name) for name in performers},
            repeats=shared.repeats,
            stoppable=performers - shared.given,
        )
