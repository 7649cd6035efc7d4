"""A call done: what a command gives, what becomes of one that nobody waits for."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from graders.agent import call
from graders.agent.call import Caller, _read
from graders.agent.tool import TOOLS, ToolError
from tests.waiting import until

TOOL = {tool.name: tool for tool in TOOLS}
CONSTANT = {
    "type": "string_check", "name": "c", "operation": "eq", "reference": "a", "input": "b",
}  # fmt: skip


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


def test_an_answer_that_comes_in_pieces_is_read_to_its_end() -> None:
    """A pipe holds 64 kB: a probe of some rows says more."""
    rows = [{"item": {"answer": f"word {n} " * 60}, "sample": f"word {n} " * 50} for n in range(40)]
    grader = {
        "type": "text_similarity", "name": "t", "input": "{{ sample.output_text }}",
        "reference": "{{ item.answer }}", "evaluation_metric": "fuzzy_match",
    }  # fmt: skip
    caller = Caller(root=None, seconds=600)
    body = asyncio.run(caller.call(TOOL["probe"], {"grader": grader, "rows": rows}))
    assert body["probed"] == 40
    assert "explain says what cures" in body["next"]
    assert {len(one["worst"]) for one in body["attacks"] if one.get("reached")} == {1}
    assert not any("worst" in one for one in body["attacks"] if not one.get("reached"))


def test_an_answer_that_nobody_would_read_is_refused() -> None:
    async def read() -> None:
        stream = asyncio.StreamReader()
        stream.feed_data(b"x" * 33_000_000)
        stream.feed_eof()
        with pytest.raises(ToolError, match="more than 32,000,000 bytes"):
            await _read(stream)

    asyncio.run(read())


def test_each_tool_gives_what_an_agent_has_a_use_for() -> None:
    async def call(name: str, **given: object) -> dict[str, Any]:
        return await Caller(root=None, seconds=600).call(TOOL[name], {"grader": CONSTANT, **given})

    assert "findings" not in asyncio.run(call("validate"))
    found = asyncio.run(call("lint"))
    assert set(found) <= {"valid", "faults", "findings", "rows", "next"}
    assert all(one["fix"] for one in found["findings"])
    row = {"grader": {**CONSTANT, "input": "{{ item.a }}"}, "item": {}, "sample": ""}
    (failure,) = asyncio.run(call("run", **row))["failures"]
    assert "item.a" in failure["message"]


def test_a_call_ends_when_its_time_is_over() -> None:
    caller = Caller(root=None, seconds=0.001)  # Not even the interpreter starts in so short a time.
    with pytest.raises(
        ToolError, match=r"took longer than 0\.001 s and was stopped; give fewer rows"
    ):
        asyncio.run(caller.call(TOOL["explain"], {"code": "G101"}))


def test_only_as_much_as_fits_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call, "MOST_SAID", 3000)
    caller, rows = Caller(root=None, seconds=600), [{"item": {}, "sample": "x"}] * 100
    grader = {**CONSTANT, "input": "{{ sample.output_text }}"}
    found = asyncio.run(caller.call(TOOL["score"], {"grader": grader, "rows": rows}))
    assert found["summary"]["rows"] == 100
    assert found["left_out"] > 0 < len(found["results"])
    assert len(found["results"]) + found["left_out"] == 100
    with pytest.raises(ToolError, match=r"the answer has [\d,]+ bytes, 3,000 are the most"):
        asyncio.run(caller.call(TOOL["probe"], {"grader": grader, "rows": rows}))


def test_options_in_failures_and_fixes_are_arguments() -> None:
    caller = Caller(root=None, seconds=600)
    grader = {**CONSTANT, "input": "{{ sample.output_text }}"}
    body = asyncio.run(caller.call(TOOL["score"], {"grader": grader, "rows": [{"output": "a"}]}))
    said = body["results"][0]["failures"][0]["message"]
    assert "perhaps sample_path output" in said
    first = body["summary"]["failures"]["invalid_variable_error"]["first"][0]["message"]
    assert first == said
