"""What performs the calls of a plan's leaves, started when it is first needed."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, assert_never

from graders.calls import ChatPerformer, EmbedPerformer, PythonError, PythonPerformer, Stop
from graders.grading.judging import Judging
from graders.grading.runner import Runner
from graders.kinds import Performer
from graders.models import JudgeOptions, JudgeStats
from graders.plan import Plan, build
from graders.reading import Reading
from graders.sandbox import PythonOptions, Stats
from graders.version import __version__

if TYPE_CHECKING:
    from graders.models.ledger import Ledger

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
        self._ledger: Ledger | None = None

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
                from graders.models.panel_client import PanelClient  # noqa: PLC0415

                found = ChatClient if self._judge.panel is None else PanelClient
                client = found(self._judge)
                client.ledger = self._ledger
                return client
            case "embed":
                from graders.models.embedding import EmbedClient  # noqa: PLC0415

                embedder = EmbedClient(self._judge)
                embedder.ledger = self._ledger
                return embedder
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
    def _judging(self) -> Judging:
        if "chat" in self._given:
            return Judging()
        one = self._judge
        return Judging(one.repeats, one.panel, one.panel_rule, one.panel_quorum, one.ask_together)

    def _keep_books(self, ledger: Ledger | None) -> None:
        with self._lock:
            self._ledger = ledger
            for name in ("chat", "embed"):
                if name in self._started:
                    self._started[name].ledger = ledger

    @property
    def python_stats(self) -> Stats | None:
        """What the sandbox did so far; None unused."""
        sandbox = self._started.get("python")
        return None if sandbox is None else sandbox.stats

    @property
    def judge_stats(self) -> list[JudgeStats]:
        """What the clients of servers did so far: judges, embeddings, endpoints; [] unused."""
        names: tuple[Performer, ...] = ("chat", "embed", "endpoint")
        started = [self._started[name] for name in names if name in self._started]
        return [one.stats for each in started for one in getattr(each, "clients", (each,))]

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

    @property
    def judging(self) -> Judging:
        """How judges are asked; whoever is given is asked once."""
        return self.shared._judging  # noqa: SLF001  (the same module)

    def keep_books(self, ledger: Ledger | None) -> None:
        """Have all that is paid for models written down there from now on; None for nowhere."""
        self.shared._keep_books(ledger)  # noqa: SLF001

    @property
    def signatures(self) -> dict[str, str]:
        """How each score is made whose making has a name, by leaf key."""
        found = self.plan.signatures
        if self.plan.needs("embed"):
            embedder = self.shared.performer("embed")
            asking = (leaf.key for leaf in self.plan.leaves if leaf.performer == "embed")
            found |= dict.fromkeys(asking, f"cosine|{embedder.signature}")
        if how := self.judging.signature:
            found |= {
                leaf.key: f"{leaf.config.type}|{how}|graders:{__version__}"
                for leaf in self.plan.leaves
                if leaf.performer == "chat"
            }
        return found

    def runner(self) -> Runner:
        """Return a new runner of the plan.

        Raises:
            UnavailableError: this machine lacks what a leaf needs.
        """
        shared, performers = self.shared, self.plan.performers
        return Runner(
            self.plan,
            {name: shared.performer(name) for name in performers},
            judging=self.judging,
            stoppable=performers - shared.given,
        )
