"""Many executors, one order: blocks go out as they are read, results come back in the rows' order.

Only a few blocks are on their way at once, whatever the input's size, so memory stays flat.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Final

from graders.batch.executor import Executor
from graders.batch.score import Scored
from graders.errors import interruption
from graders.rows import Block

__all__ = ["in_order", "read_ahead"]

_AHEAD: Final = 2
"""Blocks that wait for an executor, so that none waits for a block."""
_HELD: Final = 512
_HELD_BYTES: Final = 16 << 20
"""Finished blocks that may wait for a slow one before them, and the bytes of input on their way."""
_MANY: Final = 64
"""Executors that this is enough for; of more each brings its share, or a slow one holds all others up."""
_TICK: Final = 0.05


def in_order(
    blocks: Iterable[Block | None], executors: Sequence[Executor], *, held: int = _HELD
) -> Generator[tuple[Block, Scored], None, None]:
    """Yield each block and its results, in order; closes the executors.

    Args:
        blocks: what to score; None while there is nothing yet, so that what is ready goes out.
        executors: where to score it. A single one works in the caller's thread.
        held: finished blocks that may wait for a slow one before them; 0 reads less ahead.

    Raises:
        KeyboardInterrupt: it was interrupted, at whatever moment.
    """
    try:
        with interruption():
            if len(executors) == 1:
                for block in blocks:
                    if block is not None:
                        yield block, executors[0].score(block)
            else:
                yield from _side_by_side(blocks, executors, held)
    finally:
        for executor in executors:
            executor.close()


def _side_by_side(
    blocks: Iterable[Block | None], executors: Sequence[Executor], held: int
) -> Generator[tuple[Block, Scored], None, None]:
    free: queue.SimpleQueue[Executor] = queue.SimpleQueue()
    for executor in executors:
        free.put(executor)

    def score(block: Block) -> Scored:
        executor = free.get()
        try:
            return executor.score(block)
        finally:
            free.put(executor)

    pending: deque[tuple[Block, Future[Scored]]] = deque()
    pool = ThreadPoolExecutor(len(executors), thread_name_prefix="graders-executor")
    unread: Exception | None = None
    waiting = iter(blocks)
    try:
        while True:
            try:
                block = next(waiting)
            except StopIteration:
                break
            except Exception as error:  # noqa: BLE001  (raised when what came before it is out)
                unread = error
                break
            if block is not None:
                pending.append((block, pool.submit(score, block)))
            yield from _finished(pending)
            while before := _to_wait_for(pending, len(executors), held):
                wait(before, return_when=FIRST_COMPLETED)
                yield from _finished(pending)
        while pending:
            done, future = pending.popleft()
            yield done, future.result()
        if unread is not None:
            raise unread
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _finished(
    pending: deque[tuple[Block, Future[Scored]]],
) -> Generator[tuple[Block, Scored], None, None]:
    """Yield the blocks at the head that are finished."""
    while pending and pending[0][1].done():
        block, future = pending.popleft()
        yield block, future.result()


def _to_wait_for(
    pending: deque[tuple[Block, Future[Scored]]], executors: int, held: int
) -> list[Future[Scored]]:
    """Return what is to be scored before more blocks are read: one of these, none where there is room.

    While a slow block is waited for, others overtake it and wait behind it: so many as can be held.
    Each is looked at once: what is finished a moment later ends the waiting at once.
    """
    most = executors + _AHEAD
    scored_now = [one for _, one in pending if not one.done()]
    if len(scored_now) >= most:
        return scored_now
    if len(pending) < most:
        return []
    share = max(1.0, executors / _MANY)
    full = (
        len(pending) >= most + held * share
        or sum(len(one.data) for one, _ in pending) > _HELD_BYTES * share
    )
    return scored_now if full else []


def read_ahead(blocks: Iterable[Block]) -> Iterator[Block | None]:
    """Yield blocks as a stream gives them, and None while it gives nothing."""
    found: queue.Queue[Block | BaseException | None] = queue.Queue(maxsize=_AHEAD)

    def read() -> None:
        try:
            for block in blocks:
                found.put(block)
            found.put(None)
        except BaseException as error:  # noqa: BLE001  (raised where the blocks are taken)
            found.put(error)

    # A daemon: nobody can be kept from ending by a pipe that gives nothing.
    threading.Thread(target=read, name="graders-reader", daemon=True).start()
    while True:
        try:
            block = found.get(timeout=_TICK)
        except queue.Empty:
            yield None
            continue
        if isinstance(block, BaseException):
            raise block
        if block is None:
            return
        yield block
