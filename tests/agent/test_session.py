"""An agent's whole session: the SDK's own client over standard input and output of the real command."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import graders
from tests.waiting import PATIENCE

SAMPLES = Path(__file__).parents[2] / "samples"
CONTACT = json.loads((SAMPLES / "partial-credit/grader.json").read_text())
ROWS = [json.loads(one) for one in (SAMPLES / "partial-credit/rows.jsonl").read_text().splitlines()]
CHECK = {
    "type": "string_check",
    "name": "c",
    "input": "{{ sample.output_text }}",
    "reference": "x",
    "operation": "eq",
}


def python(source: str) -> dict[str, Any]:
    return {"type": "python", "name": "p", "source": f"def grade(sample, item):\n    {source}"}


def session(do: Callable[[Any], Awaitable[None]], *words: str, **environment: str) -> None:
    """Let an agent do something with `graders mcp`, started as an agent's client starts it."""
    from mcp import Client, StdioServerParameters

    command = StdioServerParameters(
        command=sys.executable,
        args=["-m", "graders", "mcp", *words],
        env={**os.environ, **environment},
    )

    async def run() -> None:
        async with asyncio.timeout(PATIENCE), Client(command) as client:
            await do(client)

    asyncio.run(run())


async def told(client: Any, name: str, **given: Any) -> dict[str, Any]:
    result = await client.call_tool(name, given)
    assert not result.is_error, result.content
    assert json.loads(result.content[0].text) == result.structured_content
    found: dict[str, Any] = result.structured_content
    return found


async def refused(client: Any, name: str, **given: Any) -> str:
    result = await client.call_tool(name, given)
    assert result.is_error
    assert result.structured_content is None
    text: str = result.content[0].text
    assert "Traceback" not in text
    return text


@pytest.mark.more
def test_an_agent_brings_a_grader_from_faulty_to_probed() -> None:
    async def do(client: Any) -> None:
        assert client.server_info.name == "graders"
        assert client.server_info.version == graders.__version__
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert list(tools) == ["validate", "lint", "run", "score", "probe", "explain"]
        assert all(tool.annotations.read_only_hint for tool in tools.values())

        found = await told(
            client, "validate", grader={**CONTACT, "calculate_output": "nme + email"}
        )
        assert not found["valid"]
        assert "did you mean name" in found["faults"][0]["message"]
        assert (await told(client, "validate", grader=CONTACT))["variables"][1] == "item.name"

        found = await told(client, "lint", grader={**CONTACT, "calculate_output": "name"})
        assert {"code", "path", "line", "message", "fix"} <= set(found["findings"][0])
        code = found["findings"][0]["code"]
        assert (await told(client, "explain", code=code))["cure"]

        row = ROWS[0]
        found = await told(client, "run", grader=CONTACT, item=row["item"], sample=row["sample"])
        assert found["reward"] == graders.load(CONTACT)(row["item"], row["sample"])

        found = await told(client, "score", grader=CONTACT, rows=ROWS)
        grades = list(graders.load(CONTACT).grade_many(ROWS))
        assert [one["reward"] for one in found["results"]] == [one.reward for one in grades]
        assert found["summary"]["failed"] == sum(one.reward is None for one in grades)
        assert found["left_out"] == 0

        found = await told(
            client, "probe", grader=CONTACT, rows=ROWS[:4], attacks=["empty", "praise"]
        )
        assert [one["attack"] for one in found["attacks"]] == ["empty", "praise"]

    session(do)


def test_mistakes_are_sentences_with_the_nearest_right_one() -> None:
    async def do(client: Any) -> None:
        assert "did you mean score?" in await refused(client, "scoer")
        assert "did you mean rows?" in await refused(client, "score", grader=CONTACT, row=[])
        assert "did you mean empty?" in await refused(
            client, "probe", grader=CONTACT, rows=ROWS[:1], attacks=["emty"]
        )
        said = await refused(client, "explain", code="formla_parse_error")
        assert "did you mean formula_parse_error?" in said
        said = await refused(client, "run", grader={**CHECK, "operation": "equals"}, sample="x")
        assert 'got "equals"; the operation is spelled eq' in said
        assert "not within" in await refused(
            client, "run", grader_file="../SECURITY.md", sample="x"
        )
        found = await told(client, "score", grader=CHECK, rows_file="README.md")
        assert found["summary"]["failed"] == found["summary"]["rows"]

    session(do, "--root", str(SAMPLES))


@pytest.mark.more
def test_a_grader_is_in_the_sandbox_and_a_call_ends_when_its_time_is_over(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("1")

    async def do(client: Any) -> None:
        found = await told(
            client, "run", grader=python(f"return float(open({str(secret)!r}).read())"), sample=""
        )
        assert found["reward"] is None
        assert found["failures"][0]["code"] == "python_grader_runtime_error"
        said = await refused(client, "run", grader=python("while True: pass"), sample="")
        assert "took longer than 5 s and was stopped" in said
        assert (await told(client, "validate", grader=CHECK))["valid"]

    session(do, "--timeout", "5")


@pytest.mark.more
def test_only_as_many_results_as_fit_are_given_and_the_rest_is_counted() -> None:
    long = python("raise ValueError('x' * 4000)")

    async def do(client: Any) -> None:
        found = await told(client, "score", grader=long, rows=[{"item": {}, "sample": ""}] * 200)
        assert found["summary"]["failed"] == 200
        assert found["left_out"] > 0
        assert len(found["results"]) + found["left_out"] == 200

    session(do)
