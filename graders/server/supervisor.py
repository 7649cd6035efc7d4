"""Runs jobs and runs of evals: a process for each, ended with the server and started again by it."""

from __future__ import annotations

import asyncio
import contextlib
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, Self

from starlette.concurrency import run_in_threadpool

from graders.errors import GradersError
from graders.evals.run import fail_run
from graders.evals.store import EvalStore
from graders.files.disk import ENOUGH, has_room
from graders.files.lock import Claim
from graders.jobs import RunOptions, Store
from graders.jobs.job import progress_of
from graders.jobs.run import fail_job
from graders.jobs.worker import FULL
from graders.program import kill, program, settings
from graders.server.log import Log
from graders.server.option import ServeOptions
from graders.training import TrainRun

__all__ = ["Supervisor"]

_POLL_SECONDS: Final = 0.5
_REST_SECONDS: Final = 2.0
_LONGEST_REST: Final = 30.0
_SAID_AGAIN: Final = 30.0
_PATIENCE: Final = 10.0
_MOST_LOST: Final = 5


@dataclass(frozen=True, slots=True)
class Work:
    """A kind of work that waits in the store.

    Attributes:
        module: the program that does a piece of it.
        runnable: returns the ids of what waits or is done, oldest first.
        claim: returns the right to do one.
        fail: says of one that it cannot be done.
        reached: returns how far one is: it is lost where it gets no further.
    """

    module: str
    runnable: Callable[[], Sequence[str]]
    claim: Callable[[str], Claim]
    fail: Callable[[str, str, str], None]
    reached: Callable[[str], int]


def works_of(store: Store, *, trains: bool = False) -> tuple[Work, ...]:
    """Return the kinds of work that a store has, of which those jobs that train are not for every server."""
    evals = EvalStore(store)

    def items(run: str) -> int:
        return int(evals.get_run(evals.eval_of(run), run)["result_counts"]["total"])

    jobs = Work(
        "graders.jobs.worker", store.jobs.runnable, store.jobs.claim, partial(fail_job, store),
        lambda job: int(progress_of(store.jobs.get(job))["step"]),
    )  # fmt: skip
    training = replace(
        jobs,
        module="graders.training.job_worker",
        runnable=partial(store.jobs.runnable, trains=True),
    )
    return (
        jobs,
        *((training,) if trains else ()),
        Work(
            "graders.evals.worker", evals.runnable, evals.claim, partial(fail_run, evals), items
        ),
    )  # fmt: skip


class Supervisor:
    """Looks for jobs and runs that wait and runs them. An async context manager.

    Another server on the same store may do the same: each job has one lock, and whoever holds it
    runs it. It is taken here, before a process is started, and handed to that: jobs that others
    hold cost nothing and keep nobody waiting.

    Args:
        store: where the jobs are.
        options: how the server is run.
        log: writes down.
    """

    def __init__(self, store: Store, options: ServeOptions, log: Log) -> None:
        self._store = store
        self._works = works_of(store, trains=options.training is not None)
        self._options = options
        self._log = log
        self._wake = asyncio.Event()
        self._running: dict[str, asyncio.Task[None]] = {}
        self._resting: dict[str, tuple[float, float]] = {}
        self._full: set[str] = set()
        self._lost: dict[str, tuple[int, int]] = {}
        self._ending = False
        self._task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """Look at once."""
        self._wake.set()

    async def __aenter__(self) -> Self:
        if self._options.training is None:
            waiting = len(await run_in_threadpool(self._store.jobs.runnable, trains=True))
            if waiting:
                says = f"{waiting} jobs wait to be trained, by a server with --train"
                self._log.write("notice", "warning", message=says)
        if self._options.jobs:
            self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ending = True
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            try:
                await self._begin()
            except GradersError as error:
                said = str(error)
                self._log.seldom(said, "fault", "error", seconds=_SAID_AGAIN, message=said)
            # Not by `wait_for`: before Python 3.12 it forgets a cancellation that comes with a wake.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL_SECONDS):
                    await self._wake.wait()
            self._wake.clear()

    async def _begin(self) -> None:
        if len(self._running) >= self._options.jobs:
            return
        now = asyncio.get_running_loop().time()
        roomy = not self._full or has_room(self._options.data_dir, ENOUGH)
        for work in self._works:
            for job in await run_in_threadpool(work.runnable):
                if job in self._running or self._resting.get(job, (0.0, 0.0))[0] > now:
                    continue
                if job in self._full and not roomy:
                    continue
                claim = await run_in_threadpool(work.claim, job)
                if not claim.held:
                    continue
                self._running[job] = asyncio.create_task(self._run(work, job, claim))
                if len(self._running) >= self._options.jobs:
                    return

    async def _run(self, work: Work, job: str, claim: Claim) -> None:
        began = asyncio.get_running_loop().time()
        code: int | None = None
        try:
            code = await self._wait_for(work, job, claim)
        except OSError as error:
            self._log.write("fault", "error", job=job, message=str(error))
        finally:
            claim.release()
            del self._running[job]
            now = asyncio.get_running_loop().time()
            await self._count_lost(work, job, code)
            self._rest(job, code, now - began)
            self._log.write("job", id=job, exit=code, seconds=round(now - began, 1))
            self._wake.set()

    def _rest(self, job: str, code: int | None, seconds: float) -> None:
        """Let a job rest that could not be run: longer each time, for a try costs a process."""
        (self._full.add if code == FULL else self._full.discard)(job)
        _, last = self._resting.pop(job, (0.0, 0.0))
        if code == 0 or seconds >= 5.0:
            return
        rest = min(max(_REST_SECONDS, 2 * last), _LONGEST_REST)
        self._resting[job] = (asyncio.get_running_loop().time() + rest, rest)

    async def _count_lost(self, work: Work, job: str, code: int | None) -> None:
        """Let a job fail whose process the system kills again and again at the same step."""
        if code is None or code >= 0 or self._ending:
            self._lost.pop(job, None)
            return
        with contextlib.suppress(GradersError):
            step = await run_in_threadpool(work.reached, job)
            before, times = self._lost.get(job, (step, 0))
            times = times + 1 if before == step else 1
            self._lost[job] = (step, times)
            if times >= _MOST_LOST:
                said = f"its process was killed {times} times at step {step + 1} (signal {-code})"
                await run_in_threadpool(work.fail, job, "process_lost", said)
                del self._lost[job]

    async def _wait_for(self, work: Work, job: str, claim: Claim) -> int:
        """Run a job's process to its end; it is told to end when this server does."""
        options = pickle.dumps(self._run_options(), protocol=5)
        process = await asyncio.create_subprocess_exec(
            *program(work.module, str(self._options.data_dir), job, str(claim.descriptor())),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            pass_fds=(claim.descriptor(),),
            **settings(),
        )
        claim.release()  # The process has it now, for as long as it lives.
        if process.stdin is None:
            raise TypeError("the process has pipes")
        waiting = asyncio.ensure_future(process.wait())
        try:
            process.stdin.write(options)
            while not waiting.done() and not self._ending:
                await asyncio.wait([waiting], timeout=0.2)
            process.stdin.close()  # The end of its input is the end of the job's server.
            await asyncio.wait([waiting], timeout=_PATIENCE)
        finally:
            kill(process)
        return await waiting

    def _run_options(self) -> RunOptions:
        options = self._options
        said: dict[str, Any] = {
            "python": options.python, "judge": options.judge, "rollout": options.rollout,
        }  # fmt: skip
        if options.training is not None:
            return TrainRun(training=options.training, **said)
        return RunOptions(**said)
