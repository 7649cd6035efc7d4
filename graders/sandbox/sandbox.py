"""The performer: python graders run over rows, in locked-down worker processes.

Does: keeps warm workers, one set a source, and gives one reply a row whatever a grader does.
Does not: promise more than its level (`promises(level)`), run anything in the engine's own
process, or fall back to a lower level.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import os
import sys
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Self

from graders.calls import PythonCall, PythonError, PythonReply
from graders.errors import OptionError
from graders.sandbox import ground
from graders.sandbox.driver import CallBatch, Driver
from graders.sandbox.frame import ForgedError, load_fault, scanned
from graders.sandbox.level import probe, require
from graders.sandbox.limits import ISOLATIONS, Isolation, Level, Limits
from graders.sandbox.scratch import Scratch, sweep
from graders.sandbox.source import unfit
from graders.sandbox.stream import ask
from graders.sandbox.tally import CallTally, SlowCall, Stats
from graders.sandbox.worker import (
    TURN_SECONDS,
    StartError,
    WorkerLostError,
    WorkerProcess,
    WorkerSettings,
)

__all__ = ["PythonSandbox"]


@dataclass(slots=True)
class _Source:
    """What is known about one source under one interpreter."""

    text: str
    python: str
    name: str
    isolation: str = "row"
    harmless: bool = False
    imports: list[str] = field(default_factory=list)
    fault: PythonError | None = None
    scanned: bool = False
    checked: bool = False
    rows: int = 0
    out: int = 0
    idle: list[WorkerProcess] = field(default_factory=list)

    @property
    def unchecked(self) -> bool:
        """Whether nobody has loaded it yet."""
        return self.fault is None and not self.checked


class PythonSandbox:
    """Runs python graders in locked-down worker processes. A context manager.

    Several threads may use one sandbox. Workers start when they are needed and stay warm.

    Args:
        level: how workers are confined; None for `standard`. Never replaced by a lower one.
        limits: what a grader may use.
        isolation: what rows share.
        workers: at most so many worker processes a source.
        interpreters: image_tag -> python executable; a tag that is not here runs in this
            environment.
        readable: files and folders graders may read besides the interpreter's and /usr.
        idle: at most so many warm workers wait for their source to come again.
        keep: whether a process that ran rows of one call may run those of the next: only where
            all calls come from one caller. In between it is held (SIGSTOP). Else a call's
            processes end with it, and nothing of a call is there for the next.

    Raises:
        UnavailableError: this machine does not give the level.
        OptionError: an option has a value it cannot have.
    """

    def __init__(
        self,
        *,
        level: Level | None = None,
        limits: Limits = Limits(),  # noqa: B008  (frozen)
        isolation: Isolation = "auto",
        workers: int = 1,
        interpreters: Mapping[str, Path] = MappingProxyType({}),
        readable: Iterable[Path] = (),
        idle: int = 16,
        keep: bool = False,
    ) -> None:
        if isolation not in ISOLATIONS:
            raise OptionError(f"isolation must be one of {', '.join(ISOLATIONS)}")
        if workers < 1 or idle < 0:
            raise OptionError("workers must be at least 1, idle at least 0")
        self.level: Level = require(level)
        self.limits = limits
        self.isolation = isolation
        self.workers = workers
        self._interpreters = dict(interpreters)
        self._readable = tuple(readable)
        self._most_idle = idle
        self._keep = keep
        self._sources: OrderedDict[tuple[str, str], _Source] = OrderedDict()
        self._change = threading.Condition()
        self._scratch: Scratch | None = None
        self._tasks = 0
        self._started = 0
        self._tally = CallTally()
        self._closed = False
        self._owner = os.getpid()
        self._inherited: object = None
        atexit.register(_close, weakref.ref(self))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- what it does ----------------------------------------------------------------------

    def check(
        self,
        source: str,
        image_tag: str | None = None,
        *,
        stop: threading.Event | None = None,
    ) -> PythonError | None:
        """Load the source without grading: its load error, or None when `grade` is there.

        `stop` as for `perform`.
        """
        known = self._source(source, image_tag)
        if not known.unchecked:
            return known.fault
        try:
            worker = self._acquire(known, stop)
        except StartError as error:
            return _start_error(error)
        try:
            if known.unchecked:
                self._check(known, worker)
        except WorkerLostError as error:
            worker.close()
            return PythonError("worker_start", f"the worker process was lost: {error}")
        finally:
            self._release(known, worker)
        return known.fault

    def perform(
        self, call: PythonCall, *, stop: threading.Event | None = None
    ) -> list[PythonReply]:
        """Return one reply a row, in order. Never raises for anything a grader does.

        Args:
            call: the source and its rows.
            stop: once set, all that runs for this call is killed, and the rows without a reply
                have an error of kind `worker_start`.
        """
        if len(call.samples) != len(call.items):
            raise ValueError("samples and items must have the same length")
        known = self._source(call.source, call.image_tag)
        batch = CallBatch(call, stop)
        if call.samples:
            batch.stop = known.fault
            if batch.stop is None:
                self._perform(known, batch)
        replies = [
            PythonReply(None, batch.stop or PythonError("worker_start", "the run was cancelled"))
            if reply is None
            else reply
            for reply in batch.replies
        ]
        with self._change:
            first = known.rows
            known.rows += len(replies)
            self._tally.add(replies, first, known.name)
        return replies

    @property
    def slow_calls(self) -> tuple[SlowCall, ...]:
        """The slowest calls so far, slowest first."""
        with self._change:
            return self._tally.slowest()

    @property
    def stats(self) -> Stats:
        """What this sandbox did so far."""
        slow = self.slow_calls
        with self._change:
            failures = dict(self._tally.failures)
            return Stats(self.level, self._tally.calls, failures, self._started, slow)

    def close(self) -> None:
        """End every worker and remove the scratch. May come twice."""
        if self._owner != os.getpid():
            return  # a fork of the engine: the workers are its parent's
        with self._change:
            self._closed = True
            idle = [worker for known in self._sources.values() for worker in known.idle]
            for known in self._sources.values():
                known.idle.clear()
            self._change.notify_all()
        for worker in idle:
            worker.close()
        with self._change:
            busy = any(known.out for known in self._sources.values())
            if self._scratch is not None and not busy:
                self._scratch.close()
                self._scratch = None

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self.close()

    # -- sources ---------------------------------------------------------------------------

    def _own(self) -> None:
        """In a fork of the engine, start anew: the workers and the scratch are its parent's."""
        if self._owner != os.getpid():
            self._inherited = (self._sources, self._scratch)  # kept, so that nothing ends them
            self._sources, self._scratch = OrderedDict(), None
            self._change = threading.Condition()
            self._owner = os.getpid()

    def _source(self, text: str, image_tag: str | None) -> _Source:
        self._own()
        python = str(self._interpreters.get(image_tag or "", sys.executable))
        data = text.encode("utf-8", "surrogatepass")
        name = hashlib.sha256(data).hexdigest()
        with self._change:
            known = self._sources.get((name, python))
            if known is None:
                known = self._sources[name, python] = _Source(text, python, name)
                known.fault = unfit(text, len(data), self.limits)
                self._forget()
            self._sources.move_to_end((name, python))
        return known

    def _forget(self) -> None:
        """Keep what is known about a thousand sources, no more."""
        for key, known in list(self._sources.items()):
            if len(self._sources) <= 1000:
                return
            if not known.out and not known.idle:
                del self._sources[key]

    def _examine(self, known: _Source, worker: WorkerProcess) -> None:
        """Scan the source in the worker, once; leaves `known.fault` on a bad one."""
        answer = ask(worker, b"s", self.limits)
        if isinstance(answer, PythonError):
            known.fault = replace(answer, message=f"the source cannot be parsed: {answer.message}")
        else:
            try:
                known.harmless, known.imports, known.fault = scanned(answer)
                auto = "module" if known.harmless else "row"
                known.isolation = auto if self.isolation == "auto" else self.isolation
            except ForgedError as error:
                known.fault = PythonError("load", f"the source cannot be parsed: {error}")
        known.scanned = True

    def _check(self, known: _Source, worker: WorkerProcess) -> None:
        answer = ask(worker, b"c", self.limits)
        if isinstance(answer, PythonError):
            known.fault = answer
        else:
            try:
                known.fault = load_fault(answer)
            except ForgedError as error:
                known.fault = PythonError("load", f"loading the source broke the worker: {error}")
        known.checked = True

    # -- workers ---------------------------------------------------------------------------

    def _acquire(
        self, known: _Source, stop: threading.Event | None = None, *, wait: bool = True
    ) -> WorkerProcess:
        """Return an idle or a new worker for the source, who works until `stop` is set."""
        with self._change:
            while True:
                if self._closed:
                    raise StartError("worker_start", "the sandbox is closed")
                if stop is not None and stop.is_set():
                    raise StartError("worker_start", "the run was cancelled")
                if known.idle:
                    known.out += 1
                    worker = known.idle.pop()
                    worker.stop = stop
                    return worker
                if known.out < self.workers:
                    known.out += 1
                    break
                if not wait:
                    raise StartError("worker_start", "all workers are busy")
                self._change.wait(None if stop is None else TURN_SECONDS)
        try:
            return self._begin(known, stop)
        except BaseException:
            with self._change:
                known.out -= 1
                self._change.notify_all()
            raise

    def _begin(self, known: _Source, stop: threading.Event | None) -> WorkerProcess:
        """Start, scan and prepare a worker. A load fault is left in `known.fault`."""
        with self._change:
            if self._scratch is None:
                sweep()
                self._scratch = Scratch()
                self._tasks = ground.task_limit()
            scratch = self._scratch
            self._started += 1
            number = self._started
        worker = WorkerProcess(self._settings(known, number), scratch, stop)
        try:
            if not known.scanned:
                self._examine(known, worker)
            if known.fault is None:
                worker.prepare(known.isolation, known.imports, harmless=known.harmless)
        except WorkerLostError as error:
            worker.close()
            if not known.scanned or (stop is not None and stop.is_set()):
                raise StartError("worker_start", f"the worker process was lost: {error}") from None
            known.fault = PythonError(
                "load", f"importing what the source imports ended the process: {error}"
            )
        except BaseException:
            worker.close()
            raise
        return worker

    def _settings(self, known: _Source, number: int) -> WorkerSettings:
        nltk = ground.nltk_path(known.text)
        return WorkerSettings(
            python=known.python,
            source=known.text,
            level=self.level,
            limits=self.limits,
            readable=ground.readable(self._readable, known.python, nltk),
            devices=ground.DEVICES,
            packages=tuple(ground.packages(known.python)),
            nltk_data=os.pathsep.join(nltk),
            tasks=self._tasks,
            cpus=_some_cpus(self.limits.cpus, number),
            wrapper=probe().bubblewrap if self.level == "strong" else None,
        )

    def _release(self, known: _Source, worker: WorkerProcess | None) -> None:
        """Take a worker back; keep it warm if there is room."""
        extra: list[WorkerProcess] = []
        with self._change:
            known.out -= 1
            if worker is not None:
                worker.used = time.monotonic()
                worker.stop = None
                unfit = known.fault is not None or worker.isolation != known.isolation
                if self._closed or unfit or worker.closed:
                    extra.append(worker)
                else:
                    known.idle.append(worker)
            waiting = [(w.used, k, w) for k in self._sources.values() for w in k.idle]
            for _, owner, oldest in sorted(waiting, key=lambda entry: entry[0])[
                : max(0, len(waiting) - self._most_idle)
            ]:
                owner.idle.remove(oldest)
                extra.append(oldest)
            closing = self._closed and not any(k.out for k in self._sources.values())
            self._change.notify_all()
        for one in extra:
            one.close()
        if closing:
            self.close()

    # -- performing ------------------------------------------------------------------------

    def _perform(self, known: _Source, batch: CallBatch) -> None:
        helpers: list[threading.Thread] = []
        try:
            try:
                worker = self._acquire(known, batch.stopped)
            except StartError as error:
                batch.stop = _start_error(error)
                return
            driver = self._driver(known, batch, worker)
            try:
                if known.unchecked and known.isolation == "row":
                    self._check(known, worker)
            except WorkerLostError as error:
                worker.close()
                if batch.cancelled:
                    batch.stop = PythonError("worker_start", "the run was cancelled")
                else:
                    known.fault = PythonError("worker_start", f"the worker was lost: {error}")
            try:
                if known.fault is not None:
                    batch.stop = known.fault
                    return
                helpers = self._helpers(known, batch)
                driver.run()
                if batch.unloadable:
                    known.fault = batch.stop
            finally:
                self._release(known, driver.worker)
        except BaseException:
            batch.cancel()
            raise
        finally:
            for helper in helpers:
                helper.join()

    def _driver(self, known: _Source, batch: CallBatch, worker: WorkerProcess) -> Driver:
        def part() -> bool:
            """Give each row of this source a process from now on, unless `shared` was asked for."""
            if known.isolation != "shared":
                known.isolation = "row"
            return known.isolation == "row"

        def start() -> WorkerProcess:
            return self._begin(known, batch.stopped)

        return Driver(batch, self.limits, start, worker, part, keep=self._keep)

    def _helpers(self, known: _Source, batch: CallBatch) -> list[threading.Thread]:
        """Start more drivers where there are rows and workers for them."""
        rows = len(batch.replies)
        few = 16 if known.isolation == "row" else 64
        count = min(self.workers, (rows + few - 1) // few) - 1
        helpers = [
            threading.Thread(target=self._help, args=(known, batch), daemon=True)
            for _ in range(count)
        ]
        for helper in helpers:
            helper.start()
        return helpers

    def _help(self, known: _Source, batch: CallBatch) -> None:
        try:
            worker = self._acquire(known, batch.stopped, wait=False)
        except (StartError, WorkerLostError):
            return  # the first driver goes on alone, and meets the same error if it lasts
        driver = self._driver(known, batch, worker)
        try:
            if known.fault is None:
                driver.run()
        finally:
            self._release(known, driver.worker)


def _close(reference: weakref.ref[PythonSandbox]) -> None:
    """Close a sandbox that is still open when the interpreter ends."""
    sandbox = reference()
    if sandbox is not None:
        sandbox.close()


def _start_error(error: StartError) -> PythonError:
    kind = "sandbox_unavailable" if error.kind == "sandbox_unavailable" else "worker_start"
    return PythonError(kind, str(error))  # type: ignore[arg-type]


def _some_cpus(count: int, number: int) -> tuple[int, ...]:
    """Return the CPUs of worker `number`, () for all; workers are spread over the machine."""
    if not hasattr(os, "sched_getaffinity"):
        return ()
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) <= count:
        return ()
    first = (number - 1) * count % len(cpus)
    return tuple((cpus + cpus)[first : first + count])
