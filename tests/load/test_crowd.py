"""Two hundred clients at once: all are served, and memory stays flat."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import time
from pathlib import Path
from typing import Any

import pytest

from tests.clients.serving import Serving
from tests.load.crowd import MULTI, Crowd

pytestmark = pytest.mark.load

SECONDS = float(os.environ.get("GRADERS_LOAD_SECONDS", "12"))
PEOPLE = 200
# Caches fill and allocators keep what they got; what grows on after that is a leak.
SETTLED = 1 / 2
GROWTH_MB = 16.0  # Half a minute of a leak of half a kilobyte a request is more.


async def crowd(server: Serving) -> tuple[Crowd, list[tuple[float, float]]]:
    """Let everybody ask for the time; return what they saw and (seconds, megabytes) samples."""
    people = Crowd()
    samples: list[tuple[float, float]] = []
    began = time.monotonic()
    async with people.around(server.port, PEOPLE, rewards=True):
        while time.monotonic() - began < SECONDS:
            await asyncio.sleep(SECONDS / 60)
            megabytes = await asyncio.to_thread(server.memory)
            samples.append((time.monotonic() - began, megabytes))
    return people, samples


def test_two_hundred_clients_are_served_in_flat_memory(serve: Any, tmp_path: Path) -> None:
    (tmp_path / "both.json").write_text(json.dumps(MULTI))
    server = serve("--grader", f"both={tmp_path / 'both.json'}")
    people, samples = asyncio.run(crowd(server))
    total = sum(people.done.values())
    half = samples[int(len(samples) * SETTLED) :]
    slope = statistics.linear_regression(*zip(*half, strict=True)).slope
    growth = half[-1][1] - half[0][1]
    print(
        f"\n{PEOPLE} clients, {SECONDS:.0f} s: {total} requests, {total / SECONDS:.0f}/s, slowest "
        f"{people.slowest:.2f} s; memory {samples[0][1]:.0f} to {half[0][1]:.0f} to "
        f"{half[-1][1]:.0f} MB, {60 * slope:+.1f} MB a minute at the end; {dict(people.done)}"
    )
    assert total > 20 * SECONDS
    assert len(people.done) == 10
    assert growth < GROWTH_MB
    assert server.stop() == 0
    assert "Traceback" not in server.said
