"""A worker: makes its own performers from a job and answers each block with its results.

As a process it reads the job, then blocks, from its standard input, until there are no more.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import signal
import sys
import threading
from typing import Any, BinaryIO

from graders.batch.cost import peak_memory
from graders.batch.executor import Job, LostError, try_block
from graders.batch.score import Scored
from graders.errors import GradersError
from graders.grading.performers import Performers
from graders.grading.runner import Runner
from graders.program import watch_parent
from graders.rows import Block

__all__ = ["Worker", "main"]


class Worker:
    """Scores the blocks of one job; what it raises on purpose it gives as an answer.

    Args:
        job: what is to be done.
    """

    def __init__(self, job: Job) -> None:
        if job.setup is None:
            raise TypeError("a worker needs a setup to make its performers from")
        self._job = job
        self._performers = Performers.of(job.setup)
        self._runner: Runner | None = None
        # Process numbers would be those of other machines, too.
        self._name = int.from_bytes(os.urandom(8))

    def start(self) -> GradersError | None:
        """Get ready; return why that cannot be."""
        try:
            self._runner = self._performers.runner()
        except GradersError as error:
            return error
        gc.freeze()  # What is loaded by now stays: nobody need look at it again.
        return None

    def score(self, block: Block) -> Scored | LostError | GradersError:
        """Return a block's results, or why there are none."""
        try:
            scored = try_block(self._runner, block, self._job)
        except (LostError, GradersError) as error:
            return error
        stats, peak = self._performers.shared.python_stats, peak_memory()
        scored.python = None if stats is None else (self._name, stats)
        scored.peak = None if peak is None else (self._name, peak)
        return scored

    def close(self) -> None:
        """Stop what was started."""
        self._performers.shared.close()


def main() -> None:
    """Serve the process that started this one until it has no more to ask, or is gone."""
    signal.signal(signal.SIGTERM, _end)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # Whatever a library prints is no answer.
    threading.Thread(target=watch_parent, args=(os.getppid(),), daemon=True).start()
    with contextlib.suppress(EOFError, BrokenPipeError):
        _serve(sys.stdin.buffer, answers)


def _serve(asked: BinaryIO, answers: BinaryIO) -> None:
    worker = Worker(pickle.load(asked))  # noqa: S301  (from the process that started this one)
    try:
        _send(answers, worker.start())
        while True:
            _send(answers, worker.score(pickle.load(asked)))  # noqa: S301
    finally:
        worker.close()


def _end(*_: object) -> None:
    raise SystemExit(0)


def _send(answers: BinaryIO, message: Any) -> None:
    pickle.dump(message, answers, protocol=5)
    answers.flush()
