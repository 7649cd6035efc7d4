"""Grading processes as the server sees them: asked and answered without holding up anybody.

Processes for metrics take one request after the other, and are killed over one that takes too long.
A process for models has many requests under way, which mostly wait. What it does for a request ends
with the request: when that is answered, given up, or its client has gone, the process is told so. Where
such work goes on nevertheless, another process takes its place for all requests to come, and it ends
with the last request it has; it is killed when it no longer answers at all. Requests that were under way
in a process that is gone go to the next one, once.
"""

from __future__ import annotations

import asyncio
import itertools
import pickle
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field
from typing import Any, Final

from graders.program import kill, program, settings
from graders.server.asked import Asked, settle, with_others
from graders.server.frame import (
    ANSWER,
    NUMBER,
    REQUEST,
    Answer,
    Elsewhere,
    framed,
    split,
    unpack,
)
from graders.server.handler import Need, failed
from graders.server.option import ServeOptions
from graders.server.worker import PING, REWARD, STOP, TASKS, THREADS
from graders.wire.error import ApiError

__all__ = ["Pool"]

_PIPELINED: Final = 2  # The next request is there when the last one is answered.
_PING_SECONDS: Final = 2.0
_SILENCE_SECONDS: Final = 30.0
_TRIES: Final = 2
_SHARE: Final = 2
"""A grader has at most so many times the places that are free, so others always find one."""


class Pool:
    """The grading processes of a server.

    Args:
        options: how the server is run.
    """

    def __init__(self, options: ServeOptions) -> None:
        self._options = options
        self._metrics = _Group(options, "metrics", options.grading_processes)
        self._models = _Group(options, "models", 1)

    async def start(self) -> None:
        """Start the processes, so that the first request finds them ready."""
        await self._metrics.start()

    async def ask(self, task: str, body: bytes) -> Answer:
        """Return the answer to a request.

        Raises:
            ApiError: too many requests wait.
        """
        self._admit()
        answer = await self._metrics.ask(task, body)
        if isinstance(answer, Elsewhere):
            answer = await self._models.ask(task, body, answer.grader)
        return _surely(answer)

    async def reward(self, grader: str, form: int, body: bytes, *, asks: bool) -> Answer:
        """Return the answer to a request for rewards.

        Those of one grader that wait are graded together, but where it asks: nobody is to wait for
        another's judge, and what one asks ends with its client alone.

        Args:
            grader: the name it is served by.
            form: the place of the request's form.
            body: the request's body.
            asks: whether the grader asks sandboxes or servers.

        Raises:
            ApiError: too many requests wait.
        """
        self._admit()
        group = self._models if asks else self._metrics
        return _surely(await group.ask("reward", framed(form, body), grader.encode()))

    def _admit(self) -> None:
        if self.waiting >= self._options.limits.requests:
            raise ApiError(
                429,
                f"{self.waiting:,} requests are under way or wait; try again in a moment",
                type="requests",
                code="rate_limit_exceeded",
            )

    @property
    def waiting(self) -> int:
        """How many requests are under way or wait."""
        return self._metrics.waiting + self._models.waiting

    @property
    def restarts(self) -> int:
        """How many processes were started in place of others."""
        return self._metrics.restarts + self._models.restarts

    async def close(self) -> None:
        """End the processes."""
        await asyncio.gather(self._metrics.close(), self._models.close())


class _Group:
    """Processes of one kind, and the requests that wait for them."""

    def __init__(self, options: ServeOptions, need: Need, count: int) -> None:
        self._waiting: deque[Asked] = deque()
        self._processes = [_Process(self, options, need) for _ in range(count)]
        self._leaving: list[_Process] = []
        self._gathers = need == "metrics"
        self._closing = False
        self.waiting = 0
        self.restarts = 0

    async def start(self) -> None:
        await asyncio.gather(*(one.start() for one in self._processes))

    async def ask(self, task: str, body: bytes, grader: bytes = b"") -> Answer | Elsewhere:
        answer = asyncio.get_running_loop().create_future()
        asked = Asked(TASKS.index(task), body, answer, grader)
        self.waiting += 1
        try:
            self._waiting.append(asked)
            self.give()
            return await asked.answer
        finally:
            self.waiting -= 1

    def give(self) -> None:
        """Give waiting requests to processes that have room, the least busy first."""
        while self._waiting:
            free = min(self._processes, key=lambda one: one.load)
            if not free.has_room:
                return
            asked = self._next(free)
            if asked is None:
                return
            if not asked.answer.done():  # Else its client has gone.
                free.take(self._gathered(asked) if self._gathers else asked)

    def _gathered(self, first: Asked) -> Asked:
        """Return a request with those that wait and may be graded together with it."""
        members = with_others(first, self._waiting, len(self._processes))
        if len(members) == 1:
            return first
        taken = {id(one) for one in members}
        self._waiting = deque(one for one in self._waiting if id(one) not in taken)
        answer = asyncio.get_running_loop().create_future()
        together = Asked(REWARD, b"", answer, first.grader, members=members)
        answer.add_done_callback(lambda _: self._share_out(together))
        return together

    def _share_out(self, together: Asked) -> None:
        """Give each request its answer; where all were lost, let each try alone: one of them did it."""
        answer = _surely(together.answer.result())
        if answer.status == 200:
            for one, own in zip(together.members, split(answer.body), strict=True):
                settle(one, own)
        elif answer.status == 503 or self._closing:
            for one in together.members:
                settle(one, answer)
        else:
            for one in together.members:
                one.alone = True
            self.take_back(list(together.members))

    def _next(self, free: _Process) -> Asked | None:
        """Take the first that waits whose grader does not have more than its share of places."""
        busy = free.graders
        for place, asked in enumerate(self._waiting):
            if busy[asked.grader] <= _SHARE * free.room:
                del self._waiting[place]
                return asked
        return None

    def replace(self, process: _Process) -> None:
        """Let another process take the place of one, which ends when its requests are answered."""
        for before in self._leaving:
            before.end_now()
        place = self._processes.index(process)
        self._processes[place] = _Process(self, process.options, process.need)
        self._leaving.append(process)
        self.restarts += 1
        self.give()

    def left(self, process: _Process) -> None:
        """Forget a process that has ended."""
        if process in self._leaving:
            self._leaving.remove(process)

    def take_back(self, lost: list[Asked]) -> None:
        """Let requests wait again, before all others."""
        self._waiting.extendleft(reversed(lost))
        self.give()

    async def close(self) -> None:
        self._closing = True
        for asked in self._waiting:
            settle(asked, _gone("the server is shutting down", 503))
        self._waiting.clear()
        await asyncio.gather(*(one.close() for one in (*self._processes, *self._leaving)))


@dataclass(slots=True, eq=False)
class _Process:
    """One process, started when it is first needed and again after each end."""

    group: _Group
    options: ServeOptions
    need: Need
    _numbers: Any = field(default_factory=itertools.count)
    _asked: OrderedDict[int, Asked] = field(default_factory=OrderedDict)
    _queue: deque[Asked] = field(default_factory=deque)
    _over: dict[int, tuple[float, Asked]] = field(default_factory=dict)
    """Requests that are over, of which the process has not said so, and since when."""
    _process: asyncio.subprocess.Process | None = None
    _task: asyncio.Task[None] | None = None
    _timer: asyncio.TimerHandle | None = None
    _heard: float = 0.0
    _started: int = 0
    _stopped: bool = False
    _leaving: bool = False
    _why: str = ""

    @property
    def load(self) -> int:
        return len(self._asked) + len(self._queue) + len(self._over)

    @property
    def room(self) -> int:
        return (_PIPELINED if self.need == "metrics" else THREADS) - self.load

    @property
    def has_room(self) -> bool:
        return self.room > 0 and not self._stopped

    @property
    def graders(self) -> Counter[bytes]:
        """How many places the requests of each grader have."""
        if self.need == "metrics":  # They have no share: one after the other, each for a moment.
            return Counter()
        over = (asked for _, asked in self._over.values())
        return Counter(one.grader for one in (*self._asked.values(), *self._queue, *over))

    async def start(self) -> None:
        """Start the process, if there is none."""
        if self._task is None:
            ready = asyncio.get_running_loop().create_future()
            self._task = asyncio.create_task(self._live(ready))
            await ready

    def take(self, asked: Asked) -> None:
        """Send a request to the process."""
        if self._process is None:
            self._queue.append(asked)
            if self._task is None:
                self._task = asyncio.create_task(self._live(None))
            return
        number = next(self._numbers)
        self._asked[number] = asked
        self._write(number, asked.task, asked.sent)
        self._watch(number, asked)

    def _write(self, number: int, task: int, body: bytes) -> None:
        if self._process is None or self._process.stdin is None:
            return
        # What the process does not read yet waits in memory: bodies are bounded, requests too.
        self._process.stdin.write(REQUEST.pack(number, task, len(body)) + body)

    def _watch(self, number: int, asked: Asked) -> None:
        """Set the time a request has: from when it is the process's turn, or from now on."""
        loop, limits = asyncio.get_running_loop(), self.options.limits
        if self.need == "models":
            timer = loop.call_later(limits.request_seconds, self._expire, number, asked)
            # A timer that is left holds the request's body until its time has come.
            asked.answer.add_done_callback(lambda _: timer.cancel())
            asked.answer.add_done_callback(lambda _: self._stop(number, asked))
        elif len(self._asked) == 1:
            self._timer = loop.call_later(limits.metric_seconds, self._kill, "took too long over")

    def _expire(self, number: int, asked: Asked) -> None:
        if self._asked.get(number) is asked:
            seconds = self.options.limits.request_seconds
            settle(asked, _gone(f"grading takes longer than {seconds:g} seconds", 504))

    def _stop(self, number: int, asked: Asked) -> None:
        """Have the work for a request that is over ended, if it is still under way."""
        if self._asked.get(number) is asked:
            del self._asked[number]
            self._over[number] = asyncio.get_running_loop().time(), asked
            self._write(next(self._numbers), STOP, NUMBER.pack(number))

    def _kill(self, why: str) -> None:
        self._why = why
        if self._process is not None:
            kill(self._process)

    async def _live(self, ready: asyncio.Future[None] | None) -> None:
        """Run the process until it ends, then let the next one start."""
        self._why = ""
        self._started += 1
        self.group.restarts += self._started > 1
        try:
            await self._run(ready)
        except OSError as error:
            reason = error.strerror or str(error)
            for asked in self._queue:
                settle(asked, _gone(f"a grading process cannot be started: {reason}", 503))
            self._queue.clear()
        finally:
            if ready is not None and not ready.done():
                ready.set_result(None)
            self._end()

    async def _run(self, ready: asyncio.Future[None] | None) -> None:
        process = await asyncio.create_subprocess_exec(
            *program("graders.server.worker"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            **settings(),
        )
        if process.stdin is None or process.stdout is None:
            raise TypeError("the process has pipes")
        process.stdin.write(pickle.dumps((self.options, self.need), protocol=5))
        self._process = process
        self._heard = asyncio.get_running_loop().time()
        queue, self._queue = self._queue, deque()
        for asked in queue:
            self.take(asked)
        pinging = asyncio.create_task(self._ping())
        try:
            self._write(next(self._numbers), PING, b"")
            while True:
                head = await process.stdout.readexactly(ANSWER.size)
                number, status, facts, length = ANSWER.unpack(head)
                counted = await process.stdout.readexactly(facts)
                body = await process.stdout.readexactly(length)
                self._heard = asyncio.get_running_loop().time()
                if ready is not None and not ready.done():
                    ready.set_result(None)
                self._answered(number, unpack(status, counted, body))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # It has ended, or was killed.
        finally:
            pinging.cancel()
            kill(process)
            await process.wait()

    def _answered(self, number: int, answer: Answer | Elsewhere) -> None:
        if self._over.pop(number, None) is not None:
            self.group.give()
        asked = self._asked.pop(number, None)
        if asked is None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.need == "metrics" and self._asked:
            self._watch(*next(iter(self._asked.items())))
        settle(asked, asked.own(answer))
        self.group.give()

    async def _ping(self) -> None:
        """Kill a process that does not even read any more; replace one whose work is overdue."""
        loop = asyncio.get_running_loop()
        while self.need == "models":
            await asyncio.sleep(min(_PING_SECONDS, self.options.limits.overdue_seconds))
            self._write(next(self._numbers), PING, b"")
            if loop.time() - self._heard > _SILENCE_SECONDS:
                self._kill("stopped the process that graded")
            if self._leaving:
                if not self._asked:
                    self.end_now()
                continue
            oldest = min((since for since, _ in self._over.values()), default=loop.time())
            if loop.time() - oldest > self.options.limits.overdue_seconds and not self._stopped:
                self._leaving = True
                self.group.replace(self)

    def end_now(self) -> None:
        """End a process whose place another has; what it has under way goes there."""
        self._leaving = True
        self._kill("was replaced")

    def _end(self) -> None:
        """Settle what the process leaves behind."""
        self._process = self._task = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        lost, self._asked = list(self._asked.values()), OrderedDict()
        self._over.clear()
        self.group.left(self)
        if self._stopped:
            for asked in lost:
                settle(asked, _gone("the server is shutting down", 503))
            return
        if self.need == "metrics" and lost:
            # One after the other: the first is the one that did it.
            first = lost.pop(0)
            seconds = self.options.limits.metric_seconds
            if self._why:
                settle(first, _gone(f"grading takes longer than {seconds:g} seconds", 504))
            else:
                settle(first, _gone("grading this request ended the process that did so", 500))
        for asked in list(lost):
            asked.tries += 1
            if asked.tries >= _TRIES:
                lost.remove(asked)
                settle(asked, _gone("the process that graded this request was lost", 503))
        # What is taken back may come straight to this process again, so its queue is emptied first.
        queue, self._queue = self._queue, deque()
        self.group.take_back([*lost, *queue])

    async def close(self) -> None:
        """End the process; what it still does is dropped."""
        self._stopped = True
        task, process = self._task, self._process
        if process is not None and process.stdin is not None:
            process.stdin.close()  # It puts away what it started, then ends.
            try:
                await asyncio.wait_for(process.wait(), 3.0)
            except TimeoutError:
                self._kill("was told to end")
        if task is not None:
            await asyncio.wait([task], timeout=5.0)


def _surely(answer: Answer | Elsewhere) -> Answer:
    if isinstance(answer, Elsewhere):
        raise TypeError("a process that asks and waits takes every request")
    return answer


def _gone(said: str, status: int) -> Answer:
    code = {503: "unavailable", 504: "timeout"}.get(status, "internal_error")
    return failed(ApiError(status, said, type="server_error", code=code))
