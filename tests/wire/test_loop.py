"""The loop of callers that have none: whoever waits has a result or is told why, and leaves nothing."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from graders.wire.loop import GivenUpError, Loop
from tests.waiting import PATIENCE


class Owner:
    """Whoever has a loop."""


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loop]:
    monkeypatch.setattr("graders.wire.loop.LOOK_SECONDS", 0.001)
    owner = Owner()
    made = Loop("tests", owner)
    yield made
    made.close()


def test_what_is_given_up_is_at_its_end_when_its_caller_goes_on(loop: Loop) -> None:
    """Its connections and its place are free for whatever comes next."""
    stop, gone = threading.Event(), threading.Event()
    ended: list[bool] = []
    caller = threading.get_ident()

    def waits() -> bool:
        return sys._current_frames()[caller].f_code.co_name == "wait"

    async def work() -> None:
        stop.set()
        try:
            await asyncio.Event().wait()
        finally:
            while not (waits() or gone.is_set()):  # noqa: ASYNC110  (nothing tells of it)
                await asyncio.sleep(0)
            ended.append(not gone.is_set())

    with pytest.raises(GivenUpError, match=r"^nobody waits for it any more$"):
        loop.run(work(), stop)
    gone.set()
    assert ended == [True]


def test_what_fails_while_it_is_given_up_is_not_logged(
    loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    stop = threading.Event()

    async def work() -> None:
        stop.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError

    with pytest.raises(GivenUpError):
        loop.run(work(), stop)
    assert caplog.records == []


def test_whoever_waits_when_a_loop_is_closed_is_told(loop: Loop) -> None:
    """As a failure of the row, and no CancelledError of a library's."""
    begun = threading.Event()

    async def work() -> None:
        begun.set()
        await asyncio.Event().wait()

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(loop.run, work())
        assert begun.wait(PATIENCE)
        loop.close()
        with pytest.raises(GivenUpError, match="was closed before it came"):
            waiting.result(PATIENCE)


def test_whoever_comes_when_a_loop_is_closed_is_told_at_once(loop: Loop) -> None:
    """Nobody waits for ever for a loop that has come to its end."""

    async def late() -> None:
        raise AssertionError

    async def last() -> None:
        # At this point all others have ended, and none may begin.
        with ThreadPoolExecutor(1) as pool:
            told.append(pool.submit(loop.run, late()).exception(PATIENCE))

    told: list[BaseException | None] = []
    loop.at_end(last)
    loop.close()
    assert [str(one) for one in told] == ["what asks for it was closed before it came"]
    with pytest.raises(GivenUpError, match="was closed"):
        loop.run(late())


def test_whose_owner_is_gone_ends_without_being_closed() -> None:
    """Also what still ran, and what is to be ended last; the collector may be called anywhere."""
    owner = Owner()
    loop = Loop("tests-left", owner)
    told: list[str] = []

    async def hangs() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            told.append("cancelled")

    async def begin() -> asyncio.Task[None]:
        task = asyncio.create_task(hangs())
        await asyncio.sleep(0)
        return task

    async def last() -> None:
        told.append("last")

    loop.at_end(last)
    kept = loop.run(begin())  # A loop knows its tasks weakly.
    assert loop._thread.is_alive()
    del owner
    gc.collect()
    loop._thread.join(PATIENCE)
    assert not loop._thread.is_alive()
    assert told == ["cancelled", "last"]
    assert kept.cancelled()
    with pytest.raises(GivenUpError, match="was closed"):
        loop.run(last())
    loop.close()
