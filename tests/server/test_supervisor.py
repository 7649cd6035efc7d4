"""The supervisor ends whenever it is told to."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from graders.jobs import Store
from graders.server.log import Log
from graders.server.option import ServeOptions
from graders.server.supervisor import Supervisor
from tests.waiting import PATIENCE


@pytest.mark.parametrize("turns", range(4))
def test_an_end_that_comes_with_a_job_is_not_forgotten(tmp_path: Path, turns: int) -> None:
    """Whatever of the loop's turns lies between the two: the job that ended wakes who looks for others."""

    async def end() -> None:
        async with Supervisor(store, ServeOptions(data_dir=tmp_path, jobs=1), Log()) as supervisor:
            while not supervisor._wake._waiters:  # noqa: ASYNC110
                await asyncio.sleep(0)
            supervisor.wake()
            for _ in range(turns):
                await asyncio.sleep(0)

    async def ends() -> bool:
        done, _ = await asyncio.wait([asyncio.create_task(end())], timeout=PATIENCE)
        return bool(done)

    with Store(tmp_path) as store:
        assert asyncio.run(ends())
