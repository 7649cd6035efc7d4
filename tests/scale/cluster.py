"""A real Ray cluster on this machine: a head without processors, nodes that are started and killed."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import Any

from tests.waiting import children_of, until

__all__ = ["RayCluster"]


class RayCluster:
    """A cluster whose every node is processes of its own."""

    def __init__(self, nodes: int) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 0, "include_dashboard": False}
        self._cluster: Any = Cluster(initialize_head=True, head_node_args=head, connect=False)
        self.address: str = self._cluster.address
        self.nodes = [self.add() for _ in range(nodes)]

    def add(self, **environment: str) -> Any:
        """Start a node of one processor; what it runs has this environment."""
        return self._cluster.add_node(num_cpus=1, env_vars=environment)

    def kill(self, node: Any, *, workers_first: bool = False) -> None:
        """End a node as a power cut would: its raylet, its agents, its workers."""
        raylet = node.all_processes["raylet"][0].process.pid
        order = [raylet, *children_of(raylet)]
        for pid in reversed(order) if workers_first else order:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def kill_head(self) -> None:
        for processes in self._cluster.head_node.all_processes.values():
            for one in processes:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(one.process.pid, signal.SIGKILL)

    def stop(self) -> None:
        self._cluster.shutdown()

    @contextlib.contextmanager
    def another(self, **environment: str) -> Any:
        """Have one node more for a while."""
        node = self.add(**environment)
        try:
            yield node
        finally:
            self._cluster.remove_node(node, allow_graceful=False)


def cpus(ray: Any) -> float:
    """The processors that Ray knows of."""
    return sum(float(one["Resources"].get("CPU", 0.0)) for one in ray.nodes() if one["Alive"])


def until_cpus(ray: Any, count: int) -> None:
    """Wait until Ray knows of so many processors: a killed node's are counted for some seconds."""
    until(lambda: cpus(ray) == count)
