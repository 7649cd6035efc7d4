"""Many executors, one order: nothing waits for a slow block but what is written after it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from graders.batch.flow import _to_wait_for, in_order, read_ahead
from graders.batch.score import Scored
from graders.batch.tally import Tally
from graders.rows import Block
from tests.waiting import PATIENCE, interrupt_waits, until


class Executor:
    """Scores blocks as told; remembers what it did."""

    def __init__(self, log: list[int], slow: dict[int, threading.Event] | None = None) -> None:
        self.log = log
        self.slow = slow or {}
        self.closed = 0

    def score(self, block: Block) -> Scored:
        if block.index in self.slow:
            assert self.slow[block.index].wait(PATIENCE)
        if block.data == b"bad":
            raise RuntimeError("bad")
        self.log.append(block.index)
        return Scored(b"%d" % block.index, Tally())

    def close(self) -> None:
        self.closed += 1


def blocks(count: int, taken: list[int] | None = None) -> Iterator[Block]:
    for index in range(count):
        if taken is not None:
            taken.append(index)
        yield Block(b"x", index)


@pytest.mark.parametrize("executors", [1, 2, 5])
def test_results_come_in_order(executors: int) -> None:
    log: list[int] = []
    made = [Executor(log) for _ in range(executors)]
    found = [block.index for block, _ in in_order(blocks(50), made)]
    assert found == list(range(50))
    assert sorted(log) == found
    assert all(executor.closed for executor in made)


def test_others_overtake_a_slow_block_and_wait_behind_it() -> None:
    log: list[int] = []
    slow = {0: threading.Event()}
    flow = in_order(blocks(100), [Executor(log, slow), Executor(log, slow)])
    got: list[int] = []
    reader = threading.Thread(target=lambda: got.extend(block.index for block, _ in flow))
    reader.start()
    until(lambda: len(log) == 99)
    assert sorted(log) == list(range(1, 100))
    assert got == []
    slow[0].set()
    reader.join(PATIENCE)
    assert got == list(range(100))


class Finishing(Future[Scored]):
    """Is finished as soon as somebody has looked."""

    def __init__(self) -> None:
        super().__init__()
        self.looks = 0

    def done(self) -> bool:
        self.looks += 1
        return self.looks > 1


def test_what_is_finished_meanwhile_is_not_taken_for_the_slow_block() -> None:
    slow: Future[Scored] = Future()
    quick = [Finishing() for _ in range(3)]
    pending = deque((Block(b"x", index), one) for index, one in enumerate([slow, *quick]))
    # Waiting for the slow one alone would hold up all that comes behind it.
    assert _to_wait_for(pending, executors=2, held=20) == [slow, *quick]


def test_what_waits_behind_a_slow_block_is_bounded() -> None:
    out: list[int] = []
    waiting: list[int] = []

    def counted() -> Iterator[Block]:
        for block in blocks(1000):
            waiting.append(block.index + 1 - len(out))
            yield block

    slow = {0: threading.Event()}
    flow = in_order(counted(), [Executor([], slow), Executor([], slow)], held=20)
    reader = threading.Thread(target=lambda: out.extend(block.index for block, _ in flow))
    reader.start()
    until(lambda: len(waiting) >= 20)
    slow[0].set()
    reader.join(PATIENCE)
    assert len(waiting) == 1000
    assert 20 <= max(waiting) <= 25


def test_only_a_little_is_read_ahead() -> None:
    taken: list[int] = []
    flow = in_order(blocks(1000, taken), [Executor([]) for _ in range(3)], held=3)
    for _ in range(10):
        next(flow)
    flow.close()
    # Given out, in the executors, waiting for an executor, and finished behind a slow one.
    assert len(taken) <= 10 + 3 + 2 + 3


def test_what_a_lane_raises_is_raised_in_its_turn_and_lanes_are_closed() -> None:
    made = [Executor([]), Executor([])]
    source = [Block(b"x", 0), Block(b"bad", 1), Block(b"x", 2)]
    flow = in_order(iter(source), made)
    assert next(flow)[0].index == 0
    with pytest.raises(RuntimeError, match="bad"):
        next(flow)
    assert all(executor.closed for executor in made)


def test_a_stream_that_gives_nothing_lets_finished_blocks_out() -> None:
    more = threading.Event()

    def trickle() -> Iterator[Block]:
        yield Block(b"x", 0)
        assert more.wait(PATIENCE)
        yield Block(b"x", 1)

    flow = in_order(read_ahead(trickle()), [Executor([]), Executor([])])
    assert next(flow)[0].index == 0  # Though the next block is not there.
    more.set()
    assert [block.index for block, _ in flow] == [1]


def test_a_stream_that_breaks_is_told_after_what_came_before() -> None:
    def breaks() -> Iterator[Block]:
        yield Block(b"x", 0)
        raise OSError("gone")

    flow = in_order(read_ahead(breaks()), [Executor([])])
    assert next(flow)[0].index == 0
    with pytest.raises(OSError, match="gone"):
        next(flow)


@pytest.mark.parametrize("executors", [1, 2])
def test_an_interruption_at_a_bad_moment_is_one(
    executors: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()

    def trickle() -> Iterator[Block]:
        yield Block(b"x", 0)
        over.wait(PATIENCE)

    flow = in_order(read_ahead(trickle()), [Executor([]) for _ in range(executors)])
    assert next(flow)[0].index == 0
    interrupt_waits(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        next(flow)
    over.set()
