"""Many lanes, one order: nothing waits for a slow block but what is written after it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from graders.engine.flow import in_order, read_ahead
from graders.engine.score import Scored
from graders.engine.tally import Tally
from graders.rows import Block


class Lane:
    """Scores blocks as told; remembers what it did."""

    def __init__(self, log: list[int], slow: dict[int, threading.Event] | None = None) -> None:
        self.log = log
        self.slow = slow or {}
        self.closed = 0

    def score(self, block: Block) -> Scored:
        if block.index in self.slow:
            assert self.slow[block.index].wait(10)
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


@pytest.mark.parametrize("lanes", [1, 2, 5])
def test_results_come_in_order(lanes: int) -> None:
    log: list[int] = []
    made = [Lane(log) for _ in range(lanes)]
    found = [block.index for block, _ in in_order(blocks(50), made)]
    assert found == list(range(50))
    assert sorted(log) == found
    assert all(lane.closed for lane in made)


def test_others_overtake_a_slow_block_and_wait_behind_it() -> None:
    log: list[int] = []
    slow = {0: threading.Event()}
    flow = in_order(blocks(100), [Lane(log, slow), Lane(log, slow)])
    got: list[int] = []
    reader = threading.Thread(target=lambda: got.extend(block.index for block, _ in flow))
    reader.start()
    deadline = time.monotonic() + 10
    while len(log) < 99 and time.monotonic() < deadline:
        time.sleep(0.005)
    assert sorted(log) == list(range(1, 100))
    assert got == []
    slow[0].set()
    reader.join(10)
    assert got == list(range(100))


def test_what_waits_behind_a_slow_block_is_bounded() -> None:
    taken: list[int] = []
    slow = {0: threading.Event()}
    flow = in_order(blocks(1000, taken), [Lane([], slow), Lane([], slow)], held=20)
    reader = threading.Thread(target=lambda: [None for _ in flow])
    reader.start()
    time.sleep(0.3)
    assert len(taken) <= 25
    slow[0].set()
    reader.join(10)
    assert len(taken) == 1000


def test_only_a_little_is_read_ahead() -> None:
    taken: list[int] = []
    flow = in_order(blocks(1000, taken), [Lane([]) for _ in range(3)])
    for _ in range(10):
        next(flow)
    assert len(taken) <= 10 + 3 + 2 + 3
    flow.close()
    assert len(taken) <= 18


def test_what_a_lane_raises_is_raised_in_its_turn_and_lanes_are_closed() -> None:
    made = [Lane([]), Lane([])]
    source = [Block(b"x", 0), Block(b"bad", 1), Block(b"x", 2)]
    flow = in_order(iter(source), made)
    assert next(flow)[0].index == 0
    with pytest.raises(RuntimeError, match="bad"):
        next(flow)
    assert all(lane.closed for lane in made)


def test_a_stream_that_gives_nothing_lets_finished_blocks_out() -> None:
    more = threading.Event()

    def trickle() -> Iterator[Block]:
        yield Block(b"x", 0)
        assert more.wait(10)
        yield Block(b"x", 1)

    flow = in_order(read_ahead(trickle()), [Lane([]), Lane([])])
    assert next(flow)[0].index == 0  # Though the next block is not there.
    more.set()
    assert [block.index for block, _ in flow] == [1]


def test_a_stream_that_breaks_is_told_after_what_came_before() -> None:
    def breaks() -> Iterator[Block]:
        yield Block(b"x", 0)
        raise OSError("gone")

    flow = in_order(read_ahead(breaks()), [Lane([])])
    assert next(flow)[0].index == 0
    with pytest.raises(OSError, match="gone"):
        next(flow)
