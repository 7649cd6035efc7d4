"""How many executors a run gets, of which kind, and how large its blocks are."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from graders.batch.executor import Executor, Job, LocalExecutor, ProcessExecutor
from graders.grading.performers import Performers

__all__ = ["Engine", "Parallelism", "cores"]

Engine = Literal["local", "ray"]

_SMALL: Final = 2 << 20
"""Bytes of input that are scored before a worker process would have started."""

_PURE_BLOCK: Final = 1 << 20
_PYTHON_BLOCK: Final = 1 << 16
_MODEL_BLOCK: Final = 4 << 20
"""Bytes of a block. A python call may take seconds, so its rows are finished in smaller portions;
what models are asked for is cut by the number of rows, however long they are."""

_ROWS: Final = 256
_OVERLAP: Final = 4
"""Threads that ask models: while the slowest replies of one block are waited for, others go on."""


def cores() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Parallelism:
    """What scores a run's blocks.

    Attributes:
        performers: of this process.
        job: what is to be done.
        workers: worker processes; 0 for none, None for as many as there are cores, or none where
            the input is small.
        size: bytes of the input; None where nobody knows.
        engine: `local` for processes of this machine, `ray` for actors.
        ray_address: of the Ray cluster; None for this machine.
        ray_wait: seconds that the run may be without any worker there.
    """

    performers: Performers
    job: Job
    workers: int | None = None
    size: int | None = None
    engine: Engine = "local"
    ray_address: str | None = None
    ray_wait: float = 60.0

    @property
    def processes(self) -> int:
        """Worker processes; 0 where blocks are scored in this one."""
        # Models are asked from one process: one rate limit, and no reply paid for twice.
        if self.job.setup is None or self.performers.plan.asks_servers:
            return 0
        if self.workers is not None:
            return self.workers
        small = self.size is not None and self.size <= _SMALL
        return 0 if small else cores()

    @property
    def block_bytes(self) -> int:
        """Bytes of a block."""
        if self.performers.plan.asks_servers:
            return _MODEL_BLOCK
        return _PYTHON_BLOCK if self.performers.plan.asks else _PURE_BLOCK

    @property
    def block_rows(self) -> int | None:
        """Rows of a block at most; None for any number.

        The blocks on their way ask for about twice as many replies as may be asked for at once:
        enough for the server never to wait, and no more rows in flight than that.
        """
        plan = self.performers.plan
        if not plan.asks_servers:
            return None
        if self.job.setup is None or not self._overlaps:
            return _ROWS
        judge = self.job.setup.judge
        calls = sum(leaf.performer == "chat" for leaf in plan.leaves)
        if not calls:  # Embeddings go many to a request.
            return _ROWS
        return max(1, 2 * judge.concurrency // (_OVERLAP * judge.repeats * calls))

    @property
    def _overlaps(self) -> bool:
        return (
            self.job.setup is not None
            and self.performers.plan.asks_servers
            and self.job.setup.judge.cache != "offline"
        )

    def executors(self) -> Sequence[Executor]:
        """Return the executors, which start when they get their first block."""
        setup = self.job.setup
        if self.engine == "ray" and setup is not None and not self.performers.plan.asks_servers:
            from graders.batch.ray_executor import ray_executors  # noqa: PLC0415 - few runs have Ray

            one = replace(setup, python=replace(setup.python, workers=setup.python.workers or 1))
            return ray_executors(
                replace(self.job, setup=one), self.performers.plan,
                address=self.ray_address, workers=self.workers, wait=self.ray_wait,
            )  # fmt: skip
        if self.processes and setup is not None:
            share = max(1, (setup.python.workers or cores()) // self.processes)
            setup = replace(setup, python=replace(setup.python, workers=share))
            job = replace(self.job, setup=setup)
            return [ProcessExecutor(job, self.performers.plan) for _ in range(self.processes)]
        count = _OVERLAP if self._overlaps else 1
        return [LocalExecutor(self.performers, self.job) for _ in range(count)]

    def begun(self) -> Sequence[Executor]:
        """Return executors of processes that get ready while the rest is; none where few are needed."""
        if self.engine == "ray" or not self.processes or (self.size or 0) <= _SMALL:
            return []
        executors = [
            executor for executor in self.executors() if isinstance(executor, ProcessExecutor)
        ]
        for executor in executors:
            executor.begin()
        return executors
