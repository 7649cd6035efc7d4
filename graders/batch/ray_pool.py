"""Workers of a run in a Ray cluster: started, lent to lanes, looked after, replaced when lost.

Lanes borrow whichever worker is ready, so none waits for one that no node has room for. A thread of
the pool's own starts workers, takes in those that are ready, and says or ends what takes too long.
"""

from __future__ import annotations

import contextlib
import logging
import pickle
import socket
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, Final

from graders.batch.alike import Machine, describe, difference
from graders.batch.executor import EndedError, Job, LostError
from graders.batch.ray_nodes import Nodes
from graders.batch.score import Scored
from graders.batch.worker import Worker
from graders.errors import GradersError, UnavailableError
from graders.rows import Block

__all__ = ["Borrowed", "GoneError", "Pool"]

_TICK: Final = 1.0
_SAY_AFTER: Final = 5.0
_SAY_AGAIN: Final = 30.0
_HEAD_EVERY: Final = 5.0
_HEAD_SECONDS: Final = 30.0
"""How often its head is looked for, and how long it may be gone. Without its head Ray ends this process after 60 seconds, in words of its own."""

_log = logging.getLogger(__name__)


class GoneError(Exception):
    """A worker of the cluster is gone; says how Ray calls that."""


@dataclass(slots=True, eq=False)
class Borrowed:
    """A worker that a lane has to itself.

    Attributes:
        actor: Ray's handle.
        node: the node that it runs on, as Ray calls it.
    """

    actor: Any
    node: str


class _Actor:
    """A worker as Ray has it: on a node of the cluster, made from a pickled job."""

    def __init__(self, job: bytes) -> None:
        self._job = job
        self._worker: Worker | None = None

    def start(self) -> tuple[str, Machine | GradersError | str]:
        """Get ready; return the node's name and what decides grades on it, or why it cannot grade."""
        import ray  # noqa: PLC0415  (an extra)

        node = ray.get_runtime_context().get_node_id()
        found = describe(self._job)
        if isinstance(found, str):
            return node, found
        self._worker = Worker(pickle.loads(self._job))  # noqa: S301  (of the run's own process)
        return node, self._worker.start() or found

    def score(self, block: Block) -> Scored | LostError | GradersError:
        """Return a block's results, or why there are none."""
        if self._worker is None:
            raise TypeError("a worker is started before it scores")
        return self._worker.score(block)


class Pool:
    """The workers of one run.

    Args:
        ray: the module, connected.
        nodes: the cluster's nodes.
        job: what is to be done.
        here: this machine, which each worker's has to be like; None where that is this one anyway.
        count: how many workers are wanted.
        wait: seconds that the run may be without any worker.
    """

    def __init__(
        self, ray: Any, nodes: Nodes, job: Job, here: Machine | None, *, count: int, wait: float
    ) -> None:
        self._ray, self._nodes, self._here = ray, nodes, here
        self._job = pickle.dumps(job, protocol=5)
        self._wanted, self._wait = count, wait
        self._change = threading.Condition()
        self._ready: deque[Borrowed] = deque()
        self._lent: set[Borrowed] = set()
        self._starting: dict[Any, Any] = {}
        self._looks: dict[Any, str] = {}
        self._alike: set[str] = set()
        self._refused: set[str] = set()
        self._turns: deque[object] = deque()
        self._error: GradersError | None = None
        self._problem = ""
        self._closed = False
        now = time.monotonic()
        self._rest = self._head_seen = self._head_asked = now
        self._empty_since = self._short_since = now
        self._said: tuple[int, float] | None = None
        cpus = nodes.cpus()
        self._held = cpus.total - cpus.free  # Later nobody can tell whose they are.
        self._keeper = threading.Thread(target=self._keep, name="graders-ray", daemon=True)
        self._keeper.start()

    def borrow(self) -> Borrowed:
        """Return a worker once there is one; lanes get theirs in the order they ask.

        Raises:
            EndedError: the run is over.
            GradersError: there will be none.
        """
        turn = object()
        with self._change:
            self._turns.append(turn)
            try:
                self._change.wait_for(
                    lambda: self._over or (self._ready and self._turns[0] is turn)
                )
                self._check()
                worker = self._ready.popleft()
                self._lent.add(worker)
                return worker
            finally:
                self._turns.remove(turn)
                self._change.notify_all()

    def score(self, worker: Borrowed, block: Block) -> Scored:
        """Return a block's results, and take the worker back.

        Raises:
            GoneError: the worker is gone; the block may be given to another.
            LostError: the block brought something about that should not be.
            GradersError: the grader cannot be run there, or there is no cluster any more.
        """
        try:
            answer = self._answer(worker.actor.score.remote(block))
        except self._ray.exceptions.RayError as error:
            self._drop(worker)
            self._check()
            raise GoneError(type(error).__name__) from None
        except GradersError:
            raise
        except Exception as error:  # noqa: BLE001  (Ray's connection raises what it likes)
            self._check()
            raise UnavailableError(f"the Ray cluster is gone ({error})") from None
        with self._change:
            self._lent.discard(worker)
            self._ready.append(worker)
            self._change.notify_all()
        if isinstance(answer, LostError | GradersError):
            raise answer
        scored: Scored = answer
        return scored

    def lives(self, node: str) -> bool:
        """Whether a node still does what it is asked; takes a while where it is gone."""
        answers = self._nodes.asked([node], b"", self._wait)
        self._check()
        return node in answers

    def close(self) -> None:
        """End all workers; whoever waits for one is told."""
        with self._change:
            if self._closed:
                return
            self._closed = True
            self._change.notify_all()
        self._keeper.join(2 * _TICK)
        if self._error is None:  # Else Ray may keep whoever asks it for anything waiting.
            actors = [one.actor for one in (*self._ready, *self._lent)]
            for actor in (*actors, *self._starting.values()):
                self._kill(actor)

    @property
    def is_broken(self) -> bool:
        """Whether it ended for want of a cluster."""
        return self._error is not None

    @property
    def _over(self) -> bool:
        return self._closed or self._error is not None

    def _check(self) -> None:
        if self._error is not None:
            raise self._error.__class__(str(self._error)) from None
        if self._closed:
            raise EndedError

    def _answer(self, reply: Any) -> Any:
        while not self._ray.wait([reply], timeout=_TICK)[0]:
            self._check()
        return self._ray.get(reply)

    def _drop(self, worker: Borrowed) -> None:
        self._kill(worker.actor)
        with self._change:
            self._lent.discard(worker)
            self._change.notify_all()

    def _kill(self, actor: Any) -> None:
        with contextlib.suppress(self._ray.exceptions.RayError, ValueError, RuntimeError):
            self._ray.kill(actor)

    def _keep(self) -> None:
        """Keep as many workers as are wanted, until the run is over."""
        try:
            while not self._over:
                self._check_head()
                self._start()
                self._take_in()
                self._look()
        except GradersError as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001  (lanes would wait for ever)
            self._fail(UnavailableError(f"the Ray cluster is gone ({error})"))

    def _fail(self, error: GradersError) -> None:
        with self._change:
            self._error = error
            self._change.notify_all()

    @property
    def _have(self) -> int:
        with self._change:
            return len(self._ready) + len(self._lent)

    def _start(self) -> None:
        """Ask for the workers that are missing; not at once again where one ended as it started."""
        if time.monotonic() < self._rest or self._is_headless:
            return
        make = self._ray.remote(num_cpus=1, scheduling_strategy="SPREAD")(_Actor)
        if self._refused:
            make = make.options(label_selector=self._nodes.but(self._refused))
        for _ in range(self._wanted - self._have - len(self._starting)):
            actor = make.remote(self._job)
            self._starting[actor.start.remote()] = actor

    def _take_in(self) -> None:
        """Take in the workers that are ready, or wait a little for a change."""
        if not self._starting and not self._looks:
            with self._change:
                if not self._over:
                    self._change.wait(_TICK)
            return
        replies = [*self._starting, *self._looks]
        done, _ = self._ray.wait(replies, num_returns=1, timeout=_TICK)
        for reply in done:
            if reply in self._looks:
                node, found = self._looks.pop(reply), self._nodes.answer(reply)
                if found is not None:  # Else the node is gone.
                    self._judge(node, found)
                continue
            actor = self._starting.pop(reply)
            try:
                node, found = self._ray.get(reply)
            except self._ray.exceptions.RayError as error:
                said = f"{type(error).__name__}: {_first_line(error)}"
                self._problem = f"one ended as it started ({said})"
                self._rest = time.monotonic() + _TICK
                self._kill(actor)
                self._ask()
                continue
            if self._judge(node, str(found) if isinstance(found, GradersError) else found):
                with self._change:
                    self._ready.append(Borrowed(actor, node))
                    self._problem = ""
                    self._change.notify_all()
            else:
                self._kill(actor)

    def _ask(self) -> None:
        """Ask the nodes of which nothing is known: where no worker can even start, the node may differ."""
        if self._here is not None:
            new = self._nodes.able() - self._alike - self._refused - {*self._looks.values()}
            self._looks |= self._nodes.ask(new, self._job)

    def _judge(self, node: str, found: Machine | str) -> bool:
        """Return whether a node is like this machine; one that is not gets no worker any more.

        Raises:
            UnavailableError: it is not, and there is no other.
        """
        if isinstance(found, Machine):
            found = "" if self._here is None else difference(self._here, found)
        if not found:
            self._alike.add(node)
            return True
        if node not in self._refused:
            self._refused.add(node)
            self._problem = f"{self._nodes.named(node)} cannot grade as this machine does: {found}"
            if self._here is None:
                raise UnavailableError(self._problem)
            _log.warning("note: %s; it is not used", self._problem)
        return False

    def _look(self) -> None:
        """Say what the run waits for; end it where it has had no worker for too long."""
        now, have = time.monotonic(), self._have
        if have:
            self._empty_since = now
        if have >= self._wanted:
            self._short_since, self._said = now, None
            return
        if now - self._empty_since > self._wait:
            raise UnavailableError(
                f"there was no worker on the Ray cluster for {self._wait:g} seconds: "
                f"{self._reason()}; --ray-wait allows more"
            )
        if now - self._short_since < _SAY_AFTER:
            return
        if (
            self._said is not None
            and self._said[0] == have
            and (have or now - self._said[1] < _SAY_AGAIN)
        ):
            return
        self._said = (have, now)
        _log.warning(
            "note: %d of %d workers run on the Ray cluster: %s", have, self._wanted, self._reason()
        )

    def _reason(self) -> str:
        """Return what keeps workers from starting."""
        if self._problem:
            return self._problem
        if self._is_headless:
            return "its head does not answer"
        cpus = self._nodes.cpus()
        if not cpus.total:
            return "no node of it has a CPU"
        if unused := len(self._refused & self._nodes.able()):
            return f"{unused} of its nodes would grade otherwise"
        if cpus.total < self._wanted:
            return f"its nodes have {cpus.total:g} CPUs"
        if self._held:
            return f"other work held {self._held:g} of its {cpus.total:g} CPUs as the run began"
        return "they are starting"

    def _check_head(self) -> None:
        """See that the cluster's head is there.

        Raises:
            UnavailableError: it has not been for a while.
        """
        now = time.monotonic()
        if self._nodes.head is None or now - self._head_asked < _HEAD_EVERY:
            return
        self._head_asked = now
        try:
            socket.create_connection(self._nodes.head, timeout=_TICK).close()
        except OSError as error:
            if now - self._head_seen > _HEAD_SECONDS:
                reason = error.strerror or str(error)
                host, port = self._nodes.head
                raise UnavailableError(
                    f"the head of the Ray cluster at {host}:{port} is gone: {reason}"
                ) from None
        else:
            self._head_seen = now

    @property
    def _is_headless(self) -> bool:
        """Whether the head does not answer: whoever asks Ray for more is kept waiting."""
        return self._head_asked > self._head_seen


def _first_line(error: Exception) -> str:
    lines = [one.strip() for one in str(error).splitlines() if one.strip()]
    return next((one for one in reversed(lines) if "Error" in one), lines[0] if lines else "")[:200]
