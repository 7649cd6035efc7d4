"""Executors on Ray: the same blocks scored by actors, on this machine or a cluster."""

from __future__ import annotations

import contextlib
import importlib
import os
import socket
import threading
from collections.abc import Sequence
from typing import Any

from graders.batch.executor import EndedError, Job, LostError, score_surely
from graders.batch.score import Scored
from graders.errors import GradersError, UnavailableError
from graders.plan import Plan
from graders.rows import Block

__all__ = ["RayExecutor", "ray_executors"]


def ray_executors(
    job: Job, plan: Plan, *, address: str | None, workers: int | None
) -> Sequence[RayExecutor]:
    """Return an executor for each actor.

    Args:
        job: what is to be done.
        plan: what is graded by.
        address: of the cluster; None for one on this machine, or the one that runs already.
        workers: how many; None for the cluster's processors.

    Raises:
        UnavailableError: Ray is not installed, or there is no cluster at the address.
    """
    try:
        ray: Any = importlib.import_module("ray")  # An extra.
    except ImportError:
        raise UnavailableError("--engine ray needs: pip install 'local-graders[ray]'") from None
    cluster = _Cluster(ray)
    if not ray.is_initialized():
        cluster.start(address, workers)
    count = workers or int(ray.cluster_resources().get("CPU", 1))
    cluster.executors = count
    return [RayExecutor(cluster, job, plan) for _ in range(count)]


class _Cluster:
    """A connection to Ray, left when the last executor is closed, if it was made here."""

    def __init__(self, ray: Any) -> None:
        self.ray = ray
        self.executors = 0
        self._ours = False
        self._lock = threading.Lock()

    def start(self, address: str | None, workers: int | None) -> None:
        if address is not None:
            _check_reachable(address)
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Nothing is sent anywhere.
        quiet = {"log_to_driver": False, "logging_level": "ERROR"}
        local = {} if address else {"num_cpus": workers, "include_dashboard": False}
        try:
            self.ray.init(address=address or "local", **quiet, **local)
        except (ConnectionError, RuntimeError, ValueError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise UnavailableError(
                f"Ray at {address or 'this machine'} cannot be used (Ray says: {reason})"
            ) from None
        self._ours = True

    def leave(self) -> None:
        with self._lock:
            self.executors -= 1
            if self.executors == 0 and self._ours:
                self.ray.shutdown()


def _check_reachable(address: str) -> None:
    """See whether somebody listens at an address: Ray itself would try for minutes.

    Raises:
        UnavailableError: nobody does.
    """
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit():
        return  # A name that Ray itself knows, such as auto.
    try:
        socket.create_connection((host, int(port)), timeout=10.0).close()
    except OSError as error:
        reason = error.strerror or str(error)
        raise UnavailableError(f"no Ray cluster at {address}: {reason}") from None


class RayExecutor:
    """Scores blocks in an actor, which starts with the first block; a lost one is replaced."""

    def __init__(self, cluster: _Cluster, job: Job, plan: Plan) -> None:
        self._cluster = cluster
        self._job = job
        self._plan = plan
        self._actor: Any = None
        self._closed = False

    def score(self, block: Block) -> Scored:
        """Return a block's results.

        Raises:
            GradersError: the grader cannot be run there.
        """
        return score_surely(self._try, self._plan, block, self._job)

    def _try(self, block: Block) -> Scored:
        if self._actor is None:
            self._start()
        scored: Scored = self._ask(self._actor.score.remote(block))
        return scored

    def _start(self) -> None:
        from graders.batch.worker import Worker  # noqa: PLC0415  (for the actor's side)

        actor = self._cluster.ray.remote(num_cpus=1)(Worker)
        self._actor = actor.remote(self._job)
        self._ask(self._actor.start.remote())

    def _ask(self, reply: Any) -> Any:
        errors = self._cluster.ray.exceptions
        try:
            answer = self._cluster.ray.get(reply)
        except errors.RayError as error:
            self._actor = None
            if self._closed:
                raise EndedError from None
            raise LostError(
                f"ended its Ray worker ({type(error).__name__}), again and again"
            ) from None
        if isinstance(answer, LostError | GradersError):
            raise answer
        return answer

    def close(self) -> None:
        """End the actor."""
        if self._closed:
            return
        self._closed = True
        if self._actor is not None:
            with contextlib.suppress(self._cluster.ray.exceptions.RayError, ValueError):
                self._cluster.ray.kill(self._actor)
        self._cluster.leave()
