"""Requests that go out at once: how many, in which order, and when after a 429."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from graders.wire.gate import Gate


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


async def turn() -> None:
    """Let whoever can go on do so."""
    for _ in range(3):
        await asyncio.sleep(0)


def test_who_finds_no_place_waits_for_one_in_order() -> None:
    async def work() -> None:
        gate, inside = Gate(1), []

        async def ask(name: str) -> None:
            await gate.enter()
            inside.append(name)

        tasks = [asyncio.create_task(ask(name)) for name in "abc"]
        await turn()
        assert inside == ["a"]
        tasks[1].cancel()
        await turn()
        gate.leave()
        await turn()
        assert inside == ["a", "c"]  # Nobody holds the place of one that was given up.
        assert tasks[1].cancelled()

    run(work())


def test_a_place_that_comes_too_late_goes_to_the_next() -> None:
    async def work() -> None:
        gate = Gate(1)
        await gate.enter()
        late, after = (asyncio.create_task(gate.enter()) for _ in range(2))
        await turn()
        gate.leave()  # It has the place, and is told in a moment.
        late.cancel()
        await asyncio.wait([late, after])
        assert late.cancelled()
        assert after.exception() is None

    run(work())


def test_a_server_that_asks_to_wait_is_given_the_time_by_all() -> None:
    async def work() -> None:
        gate, clock = Gate(8), asyncio.get_running_loop().time
        gate.hold(3600.0)
        given_up = asyncio.create_task(gate.enter())
        await turn()
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        gate, begun = Gate(8), clock()
        gate.hold(0.02)
        gate.hold(0.01)  # No earlier than the longest that was asked for.
        await asyncio.gather(*(gate.enter() for _ in range(8)))
        assert clock() - begun >= 0.02

    run(work())


def test_fewer_go_out_after_a_429_and_more_again_with_success() -> None:
    async def work() -> None:
        gate = Gate(8)
        gate.limited(0.0)
        gate.limited(0.0)  # Of the same requests, which were on their way together.
        assert gate.limit == 4
        for _ in range(4):
            gate.succeeded()
        assert 4.9 < gate.limit <= 5  # One more, for a round of successes.
        for _ in range(100):
            gate.succeeded()
        assert gate.limit == 8
        gate = Gate(1)
        gate.limited(0.0)
        assert gate.limit == 1  # One is always let through.

    run(work())
