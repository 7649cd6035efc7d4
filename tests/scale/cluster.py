"""A real Ray cluster on this machine: a head without processors, nodes that are started and killed."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from tests.waiting import children_of, command_of, until

__all__ = [
    "COMMAND",
    "JUDGE",
    "LARGE",
    "ROUNDS",
    "ROWS",
    "At",
    "RayCluster",
    "cpus",
    "large",
    "same",
    "until_cpus",
]

ROWS: Final = 20_000
LARGE: Final = "GRADERS_LARGE" in os.environ
ROUNDS: Final = 12 if LARGE else 1
large = pytest.mark.skipif(not LARGE, reason="make test-scale-large")
JUDGE: Final[dict[str, Any]] = {
    "type": "score_model", "name": "j", "model": "m", "range": [0, 1],
    "input": [{"role": "user", "content": "Rate {{ sample.output_text }}"}],
}  # fmt: skip
COMMAND: Final = str(Path(sys.executable).with_name("graders"))


class RayCluster:
    """A cluster whose every node is processes of its own."""

    def __init__(self, nodes: int, **environment: str) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 0, "include_dashboard": False}
        self._cluster: Any = Cluster(initialize_head=True, head_node_args=head, connect=False)
        self.address: str = self._cluster.address
        self.nodes = [self.add(**environment) for _ in range(nodes)]

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

    def runs(self, node: Any, name: bytes) -> bool:
        """Whether a process with this in its words runs on a node."""
        raylet = node.all_processes["raylet"][0].process.pid
        return any(name in command_of(pid) for pid in children_of(raylet))

    def kill_head(self) -> None:
        for processes in self._cluster.head_node.all_processes.values():
            for one in processes:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(one.process.pid, signal.SIGKILL)

    def stop(self) -> None:
        self._cluster.shutdown()

    def remove(self, node: Any) -> None:
        """Take a node off in order: it is not counted for seconds still."""
        self._cluster.remove_node(node, allow_graceful=True)

    @contextlib.contextmanager
    def another(self, **environment: str) -> Any:
        """Have one node more for a while."""
        node = self.add(**environment)
        try:
            yield node
        finally:
            self.remove(node)


def cpus(ray: Any) -> float:
    """The processors that Ray knows of."""
    return sum(float(one["Resources"].get("CPU", 0.0)) for one in ray.nodes() if one["Alive"])


def until_cpus(ray: Any, count: int) -> None:
    """Wait until Ray knows of so many processors: a killed node's are counted for some seconds."""
    until(lambda: cpus(ray) == count)


def same(folder: Path) -> bool:
    """Whether a run gave what one without Ray gives."""
    return (folder / "out.jsonl").read_bytes() == (folder / "expected.jsonl").read_bytes()


class At:
    """Does something at each of these numbers of rows, when so many are done."""

    def __init__(self, rows: int | Sequence[int], act: Callable[[], Any]) -> None:
        self._left = deque(sorted([rows] if isinstance(rows, int) else rows))
        self._act = act

    @property
    def done(self) -> bool:
        return not self._left

    def __call__(self, now: Any) -> None:
        while self._left and now.tally.rows >= self._left[0]:
            self._left.popleft()
            self._act()
