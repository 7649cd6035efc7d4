"""The MCP server over standard input and output. Imports the SDK, which is an extra."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import mcp_types as types
from mcp.server import Server
from mcp.server.stdio import stdio_server

from graders.agent.call import Caller
from graders.agent.tool import TOOLS, Tool, ToolError
from graders.errors import suggestion
from graders.jsontext import encode
from graders.version import __version__

__all__ = ["serve"]

INSTRUCTIONS: Final = """\
graders runs grader JSON (string_check, text_similarity, python, score_model, label_model, multi) as the hosted services did: \
validate a grader after each edit, lint it, run it on one row, score a few rows, probe it before anybody trains with it. explain says of each code what it means and what cures it; next, in each answer, says what to do. \
A row that cannot be scored has the reward null and failures that say why: never take null for 0. \
Templates are {{ item.key }} and {{ sample.output_text }} (or sample.output_json.key); a multi's calculate_output is a formula over its graders' keys."""


def _listed(caller: Caller) -> types.ListToolsResult:
    return types.ListToolsResult(
        tools=[
            types.Tool(
                name=tool.name,
                title=tool.title,
                description=tool.description,
                input_schema=tool.schema(files=caller.root is not None),
                output_schema=tool.output,
                annotations=types.ToolAnnotations(
                    read_only_hint=True, destructive_hint=False, open_world_hint=tool.asks
                ),
            )
            for tool in TOOLS
        ]
    )


async def _called(caller: Caller, name: str, arguments: dict[str, Any]) -> types.CallToolResult:
    try:
        body = await caller.call(_tool(name), arguments)
    except (ToolError, OSError, ValueError) as error:
        # A full disk and a text that is no Unicode, too, are the agent's to know of.
        text = types.TextContent(type="text", text=str(error))
        return types.CallToolResult(content=[text], is_error=True)
    text = types.TextContent(type="text", text=encode(body).decode())
    return types.CallToolResult(content=[text], structured_content=body)


def _tool(name: str) -> Tool:
    known = {tool.name: tool for tool in TOOLS}
    if name not in known:
        raise ToolError(f"there is no tool {name}; {suggestion(name, known, 'tools:')}")
    return known[name]


def serve(caller: Caller) -> None:
    """Serve until standard input ends."""
    busy = asyncio.Semaphore(2)

    async def list_tools(_: Any, __: Any) -> types.ListToolsResult:
        return _listed(caller)

    async def call_tool(_: Any, asked: types.CallToolRequestParams) -> types.CallToolResult:
        async with busy:
            return await _called(caller, asked.name, dict(asked.arguments or {}))

    async def run() -> None:
        server: Server[Any] = Server(
            "graders", version=__version__, title="graders", instructions=INSTRUCTIONS,
            on_list_tools=list_tools, on_call_tool=call_tool,
        )  # fmt: skip
        async with stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())

    asyncio.run(run())
