"""A worker process: reads a job, then blocks, from its standard input; answers each with results."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import time
from typing import Any, BinaryIO

from graders.engine.cost import peak_memory
from graders.engine.lane import LostError, try_block
from graders.errors import GradersError

__all__ = ["main"]


def main() -> None:
    """Serve the process that started this one until it has no more to ask, or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The run decides what becomes of an interruption.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # Whatever a library prints is no answer.
    threading.Thread(target=_watch_parent, args=(os.getppid(),), daemon=True).start()
    try:
        _serve(sys.stdin.buffer, answers)
    except (EOFError, BrokenPipeError):
        pass
    finally:
        # The run is over; nothing of this process is worth waiting for.
        sys.stderr.flush()


def _serve(asked: BinaryIO, answers: BinaryIO) -> None:
    job = pickle.load(asked)  # noqa: S301  (from the process that started this one)
    performers = job.setup.performers()
    try:
        try:
            runner = performers.runner()
        except GradersError as error:
            _send(answers, error)
            return
        _send(answers, None)
        while True:
            block = pickle.load(asked)  # noqa: S301
            try:
                scored = try_block(runner, block, job)
            except LostError as error:
                _send(answers, error)
                continue
            except GradersError as error:
                _send(answers, error)
                return
            stats = performers.python_stats
            scored.python = None if stats is None else (os.getpid(), stats)
            peak = peak_memory()
            scored.peak = None if peak is None else (os.getpid(), peak)
            _send(answers, scored)
    finally:
        performers.close()


def _send(answers: BinaryIO, message: Any) -> None:
    pickle.dump(message, answers, protocol=5)
    answers.flush()


def _watch_parent(parent: int) -> None:
    """End when the run was killed: a block may take minutes that nobody waits for."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
