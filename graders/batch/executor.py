"""Executors: places where blocks are scored, each by itself. This thread, others, or processes.

A block that ends its process is tried once more in a new one, then in halves, until the row that
does it is found; that row fails by name, and none is lost.
"""

from __future__ import annotations

import contextlib
import pickle
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from graders.batch.score import OnError, Scored, fail_block, join, score_block
from graders.errors import GradersError, UnavailableError
from graders.grading.performers import Performers, Setup
from graders.plan import Plan
from graders.program import program, settings
from graders.rows import Block, Layout, count_rows, cut
from graders.tracing import Rule

__all__ = ["Executor", "Job", "LocalExecutor", "LostError", "ProcessExecutor", "score_surely"]


class LostError(Exception):
    """Whatever scored a block is gone; says what became of it."""


class EndedError(GradersError):
    """The run was ended while a block was being scored; nobody waits for it any more."""

    def __init__(self) -> None:
        super().__init__("the run was ended")


@dataclass(frozen=True, slots=True)
class Job:
    """What executors do with blocks.

    Attributes:
        setup: what other processes make their performers from; None where none is to.
        layout: where item and sample stand.
        on_error: what stands for a failed row's reward.
        keep: whether what judges said is kept.
        rule: which rows have a span in a trace; None for none.
    """

    setup: Setup | None
    layout: Layout
    on_error: OnError = "null"
    keep: bool = False
    rule: Rule | None = None


class Executor(Protocol):
    """A place where blocks are scored, one at a time."""

    def score(self, block: Block) -> Scored:
        """Return a block's results."""

    def close(self) -> None:
        """End it; a block that is being scored is dropped."""


def score_surely(score: Callable[[Block], Scored], plan: Plan, block: Block, job: Job) -> Scored:
    """Return a block's results though scoring it may end the process that does so.

    Args:
        score: scores a block, or raises LostError and can be called again.
        plan: what is graded by.
        block: the block.
        job: what is to be done.
    """
    try:
        return score(block)
    except LostError:
        pass  # Perhaps the system wanted memory back, and it was nobody's fault: once more.
    try:
        return score(block)
    except LostError as lost:
        reason = str(lost)
    return _narrowed(score, plan, block, job, reason)


def _narrowed(
    score: Callable[[Block], Scored], plan: Plan, block: Block, job: Job, reason: str
) -> Scored:
    """Return the results of a block that could not be scored as a whole, by halves."""
    rows = count_rows(block)
    if rows <= 1:
        why = f"scoring this row {reason}"
        return fail_block(plan, block, why, job.on_error, keep=job.keep, rule=job.rule)
    parts = []
    for start, stop in ((0, rows // 2), (rows // 2, rows)):
        half = cut(block, start, stop)
        try:
            parts.append(score(half))
        except LostError as lost:
            parts.append(_narrowed(score, plan, half, job, str(lost)))
    return join(*parts)


class LocalExecutor:
    """Scores blocks in the thread that asks. Executors may share performers, not threads.

    Args:
        performers: perform what the plan asks.
        job: what is to be done.
    """

    def __init__(self, performers: Performers, job: Job) -> None:
        self._runner = performers.runner()
        self._performers = performers
        self._job = job
        self._busy = False
        self._closed = False

    def score(self, block: Block) -> Scored:
        """Return a block's results."""
        self._busy = True
        try:
            return score_surely(self._try, self._performers.plan, block, self._job)
        finally:
            self._busy = False

    def _try(self, block: Block) -> Scored:
        try:
            return try_block(self._runner, block, self._job)
        except LostError:
            if self._closed:
                raise EndedError from None
            raise

    def close(self) -> None:
        """End what is being scored, with what performs its calls; else leave them to others."""
        self._closed = True
        if self._busy:
            self._performers.shared.close()


def try_block(runner: Any, block: Block, job: Job) -> Scored:
    """Return a block's results.

    Raises:
        LostError: something went wrong that should not.
    """
    try:
        return score_block(runner, block, job.layout, job.on_error, keep=job.keep, rule=job.rule)
    except GradersError:
        raise
    except Exception as error:  # It becomes the failure of the row that brought it about.
        text = str(error).partition("\n")[0][:200]
        raise LostError(f"failed with {type(error).__name__}: {text}") from error


_PATIENCE: Final = 10.0  # For putting away a sandbox, whose processes may be slow to end.


class ProcessExecutor:
    """Scores blocks in a process of its own, which starts with the first block.

    Args:
        job: what is to be done.
        plan: what is graded by.
    """

    def __init__(self, job: Job, plan: Plan) -> None:
        self._job = job
        self._plan = plan
        self._has_sandbox = plan.needs("python")
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = False
        self._closed = False

    def score(self, block: Block) -> Scored:
        """Return a block's results.

        Raises:
            GradersError: the grader cannot be run there.
        """
        return score_surely(self._try, self._plan, block, self._job)

    def begin(self) -> None:
        """Start the process without waiting for it, so that it gets ready meanwhile."""
        if self._process is not None:
            return
        try:
            self._process = subprocess.Popen(
                program("graders.batch.worker"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                **settings(),
            )
        except OSError as error:
            reason = error.strerror or str(error)
            raise UnavailableError(
                f"a worker process could not be started ({reason}); "
                "--workers 0 scores in the command's own process"
            ) from None
        self._ready = False
        if self._closed:
            self.close()
            raise EndedError
        with contextlib.suppress(OSError):  # What became of it shows when it is asked.
            self._send(self._process, self._job)

    def _try(self, block: Block) -> Scored:
        self.begin()
        process = self._process
        if process is None:
            raise EndedError
        try:
            if not self._ready:
                self._read(process)
                self._ready = True
            self._send(process, block)
            scored: Scored = self._read(process)
        except (EOFError, OSError, pickle.UnpicklingError):
            was_ready, how = self._ready, self._bury(process)
            if self._closed:
                raise EndedError from None
            if was_ready or "signal" in how:
                raise LostError(f"ended its worker process {how}, again and again") from None
            raise UnavailableError(
                f"a worker process could not be started; it ended {how}; "
                "--workers 0 scores in the command's own process"
            ) from None
        return scored

    def _send(self, process: subprocess.Popen[bytes], message: Any) -> None:
        if process.stdin is None:
            raise TypeError("the worker has pipes")
        pickle.dump(message, process.stdin, protocol=5)
        process.stdin.flush()

    def _read(self, process: subprocess.Popen[bytes]) -> Any:
        if process.stdout is None:
            raise TypeError("the worker has pipes")
        reply = pickle.load(process.stdout)  # noqa: S301  (our own process, which runs no user's code)
        if isinstance(reply, LostError | GradersError):
            raise reply
        return reply

    def close(self) -> None:
        """End the process."""
        self._closed = True
        process = self._process
        if process is None:
            return
        if self._has_sandbox:
            # It has folders and processes of its own to put away.
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_PATIENCE)
        process.kill()
        self._bury(process)

    def _bury(self, process: subprocess.Popen[bytes]) -> str:
        """Wait for the end of a process and say how it came about."""
        self._process = None
        code = process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):  # What was still to be sent is not missed.
                    stream.close()
        return f"with signal {-code}" if code < 0 else f"with exit code {code}"
