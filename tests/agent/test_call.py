"""A call done: what a command gives, what becomes of one that nobody waits for."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from graders.agent.call import Caller
from graders.agent.tool import TOOLS
from tests.waiting import until

TOOL = {tool.name: tool for tool in TOOLS}


def test_a_call_that_is_given_up_leaves_no_process_and_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    endless = {
        "type": "python",
        "name": "p",
        "source": "def grade(sample, item):\n    while True: pass",
    }

    async def give_up() -> None:
        caller = Caller(root=None, seconds=600)
        task = asyncio.create_task(caller.call(TOOL["run"], {"grader": endless, "sample": ""}))
        await asyncio.to_thread(until, lambda: working_in(tmp_path))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(give_up())
    assert list(tmp_path.glob("graders-agent-*")) == []
    until(lambda: not working_in(tmp_path))


def working_in(folder: Path) -> list[str]:
    """Return the processes whose folder is, or was, below this one."""
    found = []
    for one in Path("/proc").glob("[0-9]*/cwd"):
        try:
            place = str(one.readlink())
        except OSError:
            continue
        if place.startswith(str(folder)):
            found.append(str(one))
    return found


def test_what_cannot_be_written_is_said() -> None:
    from graders.agent.server import _called

    given = {"grader": "\ud800", "sample": ""}
    result = asyncio.run(_called(Caller(root=None, seconds=60), "run", given))
    assert result.is_error
    assert "surrogates not allowed" in str(result.content[0])
