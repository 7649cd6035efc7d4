"""Executors on Ray: the same blocks scored by workers on the nodes of a cluster, or on this machine."""

from __future__ import annotations

import importlib
import logging
import os
import pickle
import socket
from collections.abc import Sequence
from typing import Any

from graders.batch.alike import machine
from graders.batch.executor import Job, LostError, score_surely
from graders.batch.ray_nodes import Nodes
from graders.batch.ray_pool import GoneError, Pool
from graders.batch.score import Scored
from graders.errors import UnavailableError
from graders.plan import Plan
from graders.rows import Block

__all__ = ["RayExecutor", "ray_executors"]


def ray_executors(
    job: Job, plan: Plan, *, address: str | None, workers: int | None, wait: float
) -> Sequence[RayExecutor]:
    """Return executors that lend themselves the workers of a cluster.

    Args:
        job: what is to be done.
        plan: what is graded by.
        address: of the cluster; None for one on this machine, or the one this process is connected
            to.
        workers: how many at most; None, or 0, for as many as the cluster has processors.
        wait: seconds that the run may be without any worker.

    Raises:
        UnavailableError: Ray is not installed, there is no cluster at the address, or a node of it
            would not grade as this machine does.
    """
    try:
        ray: Any = importlib.import_module("ray")  # An extra.
    except ImportError:
        raise UnavailableError("--engine ray needs: pip install 'local-graders[ray]'") from None
    if job.setup is None:
        raise TypeError("a job for other machines has a setup")
    cluster = _Cluster(ray)
    if not ray.is_initialized():
        cluster.start(address, workers)
    try:
        nodes = Nodes(ray)
        here = None
        if address is not None or not cluster.ours:  # Else all of it is this machine.
            here = machine(job.setup)
            nodes.check(pickle.dumps(job, protocol=5), here, wait)
        total = int(nodes.cpus().total)
        count = workers or max(total, 1)
        if count > total:
            logging.getLogger(__name__).warning(
                "note: the Ray cluster has %d CPUs, so %d of the %d workers start; "
                "the others do when nodes join", total, total, count,
            )  # fmt: skip
        pool = Pool(ray, nodes, job, here, count=count, wait=wait)
    except BaseException:
        cluster.leave()
        raise
    return [RayExecutor(cluster, pool, job, plan) for _ in range(count)]


class _Cluster:
    """A connection to Ray, left when the run is over, if it was made here."""

    def __init__(self, ray: Any) -> None:
        self.ray = ray
        self.ours = False

    def start(self, address: str | None, workers: int | None) -> None:
        if address is not None:
            _check_reachable(address)
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Nothing is sent anywhere.
        quiet = {"log_to_driver": False, "logging_level": "ERROR"}
        local = {} if address else {"num_cpus": workers or None, "include_dashboard": False}
        try:
            self.ray.init(address=address or "local", **quiet, **local)
        except (ConnectionError, RuntimeError, ValueError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise UnavailableError(
                f"Ray at {address or 'this machine'} cannot be used (Ray says: {reason})"
            ) from None
        self.ours = True

    def leave(self) -> None:
        if self.ours:
            self.ours = False
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
        socket.create_connection((host.strip("[]"), int(port)), timeout=10.0).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UnavailableError(f"no Ray cluster at {address}: {reason}") from None


class RayExecutor:
    """Scores a block at a time by whichever worker of the cluster is free."""

    def __init__(self, cluster: _Cluster, pool: Pool, job: Job, plan: Plan) -> None:
        self._cluster = cluster
        self._pool = pool
        self._job = job
        self._plan = plan
        self._lost_on: list[str] = []

    def score(self, block: Block) -> Scored:
        """Return a block's results.

        Raises:
            GradersError: the grader cannot be run there.
        """
        self._lost_on = []
        return score_surely(self._try, self._plan, block, self._job)

    def _try(self, block: Block) -> Scored:
        """Score a block, as often as it takes nodes with it: that is no row's fault.

        Raises:
            LostError: it ended its worker, and at least the second time the node lived on.
        """
        while True:
            worker = self._pool.borrow()
            try:
                return self._pool.score(worker, block)
            except GoneError as gone:
                lost = LostError(f"ended its Ray worker ({gone}), again and again")
            self._lost_on.append(worker.node)
            if len(self._lost_on) == 1:
                raise lost  # It is tried once more, whoever's fault it was.
            self._lost_on = [one for one in self._lost_on if self._pool.lives(one)]
            if len(self._lost_on) > 1:
                raise lost

    def close(self) -> None:
        """End all workers, those of the other executors too: a run closes all of them together."""
        self._pool.close()
        self._cluster.leave()
