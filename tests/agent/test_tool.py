"""What agents may give: schemas that say it, and one sentence for what is wrong."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from graders.agent.tool import MOST_ROWS, TOOLS, Tool, ToolError, checked
from graders.cli import commands

TOOL = {tool.name: tool for tool in TOOLS}
CHECK = {"type": "string_check"}
ROW = {"item": {}, "sample": "x"}

GOOD: list[tuple[str, dict[str, Any]]] = [
    ("validate", {"grader": CHECK}),
    ("validate", {"grader": "type: string_check", "target": "azure"}),
    ("lint", {"grader": [CHECK], "rows": [ROW]}),
    ("lint", {"grader_file": "a.json"}),
    ("run", {"grader": CHECK, "sample": "x"}),
    ("run", {"grader": CHECK, "item": {}, "sample": {"choices": []}}),
    ("score", {"grader": CHECK, "rows": [ROW] * MOST_ROWS, "limit": 1}),
    ("score", {"grader_file": "a", "rows_file": "b", "item_path": "."}),
    ("probe", {"grader": CHECK, "rows_file": "b", "attacks": ["empty"]}),
    ("explain", {"code": "G101"}),
]
BAD: list[tuple[str, dict[str, Any], str]] = [
    ("validate", {}, "validate needs grader (an object or a list or a text) or grader_file (a text)"),
    ("validate", {"grader": CHECK, "grader_file": "a"}, "validate takes grader or grader_file, not both"),
    ("validate", {"grader": 1}, "grader is an object or a list or a text, got 1"),
    ("validate", {"grader": True}, "grader is an object or a list or a text, got true"),
    ("validate", {"grader": CHECK, "target": "opnai"}, 'target: got "opnai"; did you mean openai?'),
    ("validate", {"graders": CHECK}, 'validate takes no argument "graders"; did you mean grader?'),
    ("run", {"grader": CHECK}, "run needs sample (a text or an object or a list)"),
    ("run", {"grader": CHECK, "sample": "x", "item": "y"}, 'item is an object, got "y"'),
    ("score", {"grader": CHECK}, "score needs rows (a list) or rows_file (a text)"),
    ("score", {"grader": CHECK, "rows": []}, "rows: at least one and at most 200 to a call, got 0"),
    ("score", {"grader": CHECK, "rows": [ROW] * 201}, "rows: at least one and at most 200 to a call, got 201"),
    ("score", {"grader": CHECK, "rows": [ROW, 2]}, "rows[1] is an object, got 2"),
    ("score", {"grader": CHECK, "rows": [ROW], "limit": 201}, "limit is from 1 to 200, got 201"),
    ("score", {"grader": CHECK, "rows": [ROW], "limit": 1.5}, "limit is a whole number, got 1.5"),
    ("score", {"grader": CHECK, "rows": [ROW], "limit": True}, "limit is a whole number, got true"),
    ("lint", {"grader": CHECK, "rows": [ROW], "rows_file": "b"}, "lint takes rows or rows_file, not both"),
    ("probe", {"grader": CHECK, "rows": [ROW], "attacks": [1]}, "attacks[0] is a text, got 1"),
    ("explain", {}, "explain needs code (a text)"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "given"), GOOD)
def test_what_the_schema_allows_is_taken(name: str, given: dict[str, Any]) -> None:
    tool = TOOL[name]
    jsonschema.validate(given, tool.schema(files=True))
    assert (
        checked(
            tool, {**given, "item_path" if name == "score" else "target": None} | given, files=True
        )
        == given
    )


@pytest.mark.parametrize(("name", "given", "said"), BAD)
def test_what_is_wrong_is_said_in_a_sentence(name: str, given: dict[str, Any], said: str) -> None:
    with pytest.raises(ToolError) as caught:
        checked(TOOL[name], given, files=True)
    assert str(caught.value) == said


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_without_a_folder_no_argument_names_a_file(tool: Tool) -> None:
    schema = tool.schema(files=False)
    assert not [name for name in schema["properties"] if name.endswith("_file")]
    assert set(schema["required"]) <= set(schema["properties"])
    if "grader_file" in tool.takes:
        assert "grader" in schema["required"]
        with pytest.raises(ToolError, match=r"no folder is open to agents; .* --root FOLDER"):
            checked(tool, {"grader_file": "a.json"}, files=False)


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_a_tool_is_a_command_with_options_that_it_has(tool: Tool) -> None:
    command = commands()[tool.command]
    options = {word for one in command.params for word in one.opts}
    used = {*tool.flags.values(), *(word for word in tool.fixed if word.startswith("-"))}
    assert used <= options
    assert set(tool.flags) <= set(tool.takes)


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_schemas_are_schemas_and_everything_is_described(tool: Tool) -> None:
    for schema in (tool.schema(files=True), tool.output):
        jsonschema.Draft202012Validator.check_schema(schema)
    assert all(one["description"].endswith(".") for one in tool.takes.values())
    assert len(tool.description) > 60
