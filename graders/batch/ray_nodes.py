"""The nodes of a Ray cluster: what they are called, which processors are free, whether they grade alike."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from graders.batch.alike import Machine, difference
from graders.errors import UnavailableError

__all__ = ["Cpus", "Nodes"]

_TICK: Final = 1.0


@dataclass(frozen=True, slots=True)
class Cpus:
    """Processors of a cluster, as Ray counts them.

    Attributes:
        total: all there are.
        free: those that nobody holds.
    """

    total: float
    free: float


class Nodes:
    """The nodes of the cluster that this process is connected to.

    Args:
        ray: the module, connected.

    Attributes:
        head: host and port where the cluster's head answers; None where Ray does not say.
    """

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        host, colon, port = str(ray.get_runtime_context().gcs_address or "").rpartition(":")
        self.head = (host.strip("[]"), int(port)) if colon and port.isdigit() else None

    def cpus(self) -> Cpus:
        """Return how many processors there are, and are free."""
        total, free = self._ray.cluster_resources(), self._ray.available_resources()
        return Cpus(total.get("CPU", 0.0), free.get("CPU", 0.0))

    def named(self, node: str) -> str:
        """Return what a sentence calls a node."""
        for one in self._ray.nodes():
            if one["NodeID"] == node:
                host, address = one.get("NodeManagerHostname"), one.get("NodeManagerAddress")
                return f"the Ray node {host} ({address}, {node[:8]})"
        return f"the Ray node {node[:8]}"

    def able(self) -> set[str]:
        """Return the nodes with a processor, as Ray calls them."""
        return {one["NodeID"] for one in self._ray.nodes() if one["Alive"] and _cpus(one)}

    @staticmethod
    def but(nodes: Iterable[str]) -> dict[str, str]:
        """Return what Ray selects all other nodes by."""
        return {"ray.io/node-id": f"!in({','.join(sorted(nodes))})"}

    def check(self, job: bytes, here: Machine, seconds: float) -> None:
        """See that each node with a processor would grade a pickled job as this machine does.

        One that does not answer in time is looked at when a worker starts there.

        Raises:
            UnavailableError: one would not; says which, and why.
        """
        for node, found in self.asked(self.able(), job, seconds).items():
            why = difference(here, found) if isinstance(found, Machine) else str(found)
            if why:
                raise UnavailableError(
                    f"{self.named(node)} cannot grade as this machine does: {why}"
                )

    def asked(self, nodes: Iterable[str], job: bytes, seconds: float) -> dict[str, Machine | str]:
        """Return what each node says of itself for a job; one that is gone, or silent, is left out.

        Args:
            nodes: whom to ask, as Ray calls them.
            job: the pickled job; b"" to ask nothing but for an answer.
            seconds: how long to wait.
        """
        asked = self.ask(nodes, job)
        until, found = time.monotonic() + seconds, {}
        while asked and time.monotonic() < until:
            for reply in self._ray.wait(list(asked), num_returns=1, timeout=_TICK)[0]:
                node, said = asked.pop(reply), self.answer(reply)
                if said is not None:
                    found[node] = said
        return found

    def ask(self, nodes: Iterable[str], job: bytes) -> dict[Any, str]:
        """Ask nodes without waiting; return whom each reply is of."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # noqa: PLC0415

        make = self._ray.remote(num_cpus=0, max_retries=0)(_look())
        return {
            make.options(
                scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)
            ).remote(job): node
            for node in nodes
        }

    def answer(self, reply: Any) -> Machine | str | None:
        """Return what a reply that is there says; None where the node is gone."""
        try:
            said: Machine | str = self._ray.get(reply)
        except self._ray.exceptions.RayTaskError as error:
            return f"it cannot be asked ({str(error).strip().splitlines()[-1]})"
        except self._ray.exceptions.RayError:
            return None
        return said


def _look() -> Any:
    """Return the function that a node executes; it goes there as code, for graders may not be there."""

    def look(job: bytes) -> Any:
        try:
            from graders.batch.alike import describe  # noqa: PLC0415
        except ImportError as error:
            return f"graders cannot be imported there ({error})"
        return describe(job) if job else ""

    return look


def _cpus(node: dict[str, Any]) -> float:
    return float(node["Resources"].get("CPU", 0.0))
