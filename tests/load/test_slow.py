"""Clients that send slowly, or not at all, hold nobody else up and are sent away in time."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest

from tests.clients.serving import Serving
from tests.load.crowd import EXACT, RUN, Crowd, body
from tests.load.wire import Wire, multipart, request
from tests.waiting import PATIENCE

pytestmark = pytest.mark.load

# The server's own limit of a head; a body may take twice that.
HEAD_SECONDS = 10.0
PAUSE_SECONDS = 0.4
CALM_SECONDS = 2.0
PEOPLE = 4


@contextlib.asynccontextmanager
async def served(port: int) -> AsyncIterator[None]:
    """A crowd around an attack. Who is held up gets one or two answers; these get far more.

    How many depends on the machine and its other work: it is compared with what they get just before.
    """
    calm, people = Crowd(), Crowd()
    async with calm.around(port, PEOPLE):
        await asyncio.sleep(CALM_SECONDS)
    began = time.monotonic()
    async with people.around(port, PEOPLE):
        yield
    usual = calm.done.total() / CALM_SECONDS * (time.monotonic() - began)
    assert people.done.total() > max(usual / 100, 2 * PEOPLE), (people.done, usual)


async def trickle(port: int, data: bytes, begun: int = 1) -> None:
    """Send what begins it, and then a byte now and then, until the server has had enough."""
    async with Wire(port) as wire:
        await wire.write(data[:begun])
        with contextlib.suppress(ConnectionError):
            for at in range(begun, len(data)):  # It would take many minutes.
                if await wire.is_closed(PAUSE_SECONDS):
                    return
                await wire.write(data[at : at + 1])
            raise AssertionError("all of it was taken")


def test_heads_byte_by_byte(shared: Serving) -> None:
    async def attack() -> None:
        async with served(shared.port):
            data = request("GET", "/healthz", x_filler="y" * 2000)
            await asyncio.gather(*(trickle(shared.port, data) for _ in range(150)))

    asyncio.run(attack())


def test_bodies_byte_by_byte(shared: Serving) -> None:
    async def attack() -> None:
        data = request("POST", RUN, body(EXACT, "y" * 4000))
        chunked = request("POST", RUN, b"", content_length="", transfer_encoding="chunked")
        chunked = chunked.replace(b"content-length: \r\n", b"") + b"1\r\n{\r\n" * 500
        sent, kind = multipart([('name="purpose"', b"user_data"), ('name="file"', b"y" * 4000)])
        form = request("POST", "/v1/files", sent, content_type=kind)

        async with served(shared.port):
            await asyncio.gather(
                *(
                    trickle(shared.port, each, each.index(b"\r\n\r\n") + 4)
                    for each in (data, chunked, form)
                    for _ in range(50)
                )
            )

    asyncio.run(attack())


def test_a_thousand_connections_that_say_nothing(shared: Serving) -> None:
    async def attack() -> None:
        async with contextlib.AsyncExitStack() as stack:
            idle = []
            for _ in range(1000):
                wire = await stack.enter_async_context(Wire(shared.port))
                await wire.write(b"")
                idle.append(wire)
            async with served(shared.port):
                await asyncio.sleep(HEAD_SECONDS)
                gone = await asyncio.gather(*(wire.is_closed(PATIENCE) for wire in idle))
        assert all(gone), f"{gone.count(False)} of 1000 are still open"

    asyncio.run(attack())


def test_answers_nobody_reads(shared: Serving) -> None:
    async def attack() -> None:
        wires = [Wire(shared.port) for _ in range(50)]
        async with served(shared.port):
            for wire in wires:
                # As many requests at once as the connection takes, and no answer read.
                with contextlib.suppress(ConnectionError, TimeoutError):
                    await asyncio.wait_for(
                        wire.write(request("GET", "/openapi.json") * 400), timeout=0.3
                    )
            await asyncio.sleep(HEAD_SECONDS)
            for wire in wires:
                await wire.close()

    asyncio.run(attack())
    assert shared.memory() < 1500


def test_clients_that_go_away_in_the_middle(shared: Serving) -> None:
    async def attack() -> None:
        people = Crowd()
        data = request("POST", RUN, body(EXACT, "y" * 100_000))
        async with people.around(shared.port):
            for at in range(0, len(data), len(data) // 300):
                async with Wire(shared.port) as wire:
                    await wire.write(data[:at] if at else b"")
        # Nothing is waiting any more once all are gone.
        async with Wire(shared.port) as wire:
            for _ in range(int(10 * PATIENCE)):
                if (await wire.ask("GET", "/readyz")).json.get("waiting") == 0:
                    return
                await asyncio.sleep(0.1)
        raise AssertionError("requests of clients that are gone still wait")

    asyncio.run(attack())
