"""The tools that agents are offered: what each takes, what it gives, which command it is. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from graders.errors import GradersError, quoted, suggestion

__all__ = ["MOST_ROWS", "RESULTS", "SUMMARY", "TOOLS", "Tool", "ToolError", "checked"]

MOST_ROWS: Final = 200
"""Rows that one call grades at the most: more belongs into `graders score`, beside the agent."""

RESULTS: Final = "results.jsonl"
SUMMARY: Final = "summary.json"

Schema = dict[str, Any]


class ToolError(GradersError):
    """A call cannot be done; the message is for the agent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool.

    Attributes:
        name: what agents call it, which is also what sentences about its arguments begin with.
        command: the command that does it.
        title: its name for people.
        description: for the agent, what it is for and when to use it.
        takes: a JSON Schema for each argument.
        needs: arguments there must be; `a|b` for one of two.
        gives: a JSON Schema for each part of what it gives.
        flags: the option that each plain argument is given as.
        fixed: words that are always there.
        asks: whether it may ask models, where the user has said which.
    """

    name: str
    command: str
    title: str
    description: str
    takes: Mapping[str, Schema]
    needs: Sequence[str] = ()
    gives: Mapping[str, Schema]
    flags: Mapping[str, str]
    fixed: Sequence[str] = ("--json",)
    asks: bool = True

    def schema(self, *, files: bool) -> Schema:
        """Return the JSON Schema of the arguments; those that name files only where there are `files`."""
        known = {
            name: one for name, one in self.takes.items() if files or not name.endswith("_file")
        }
        either = {one for one in self.needs if files and "|" in one}
        needed = [one.partition("|")[0] for one in self.needs if one not in either]
        return {
            "type": "object",
            "properties": known,
            "required": needed,
            "additionalProperties": False,
        }

    @property
    def output(self) -> Schema:
        """The JSON Schema of what it gives."""
        step = {"type": "string", "description": "What to do with this, in a sentence."}
        return {"type": "object", "properties": {**self.gives, "next": step}}


_GRADER: Final[dict[str, Schema]] = {
    "grader": {
        "type": ["object", "array", "string"],
        "description": "The grader: a JSON object (or a list of Evals testing_criteria), or its text as JSON or YAML.",
    },
    "grader_file": {
        "type": "string",
        "description": "In its place: the path of a grader's file, within the folder that the user has opened.",
    },
}
_ROWS: Final[dict[str, Schema]] = {
    "rows": {
        "type": "array",
        "items": {"type": "object"},
        "minItems": 1,
        "maxItems": MOST_ROWS,
        "description": 'Rows such as {"item": {"answer": "Paris"}, "sample": "It is Paris."}.',
    },
    "rows_file": {
        "type": "string",
        "description": "In their place: the path of a file of rows (JSON Lines, JSON, CSV, Parquet), within that folder.",
    },
}
_LAYOUT: Final[dict[str, Schema]] = {
    "item_path": {
        "type": "string",
        "description": "Where the item stands in a row; . is the whole row. Default: item.",
    },
    "sample_path": {
        "type": "string",
        "description": "Where the sample stands in a row, such as choices[0].message.content. Default: sample.",
    },
}
_LAYOUT_FLAGS: Final = {"item_path": "--item-path", "sample_path": "--sample-path"}
_LIMIT: Final[Schema] = {
    "type": "integer",
    "minimum": 1,
    "maximum": MOST_ROWS,
    "description": f"Take the first so many rows, {MOST_ROWS} at the most and by default.",
}
_TARGET: Final[Schema] = {
    "type": "string",
    "enum": ["local", "openai", "azure"],
    "description": "Where the grader will run. Default: local.",
}
_LIST: Final[Schema] = {"type": "array"}
_OBJECT: Final[Schema] = {"type": "object"}
_REWARD: Final[Schema] = {
    "type": ["number", "null"],
    "description": "null where the row failed: it has no reward, which is not 0.",
}

TOOLS: Final = (
    Tool(
        name="validate",
        command="validate",
        title="Check a grader's config",
        description="Say whether a grader's JSON is valid, with every fault at once: its JSON path, its line and the nearest "
        "right spelling; and which variables it reads from rows. Use it after each edit of a grader.",
        takes={**_GRADER, "target": _TARGET},
        needs=["grader|grader_file"],
        gives={
            "valid": {"type": "boolean"}, "faults": _LIST, "name": {"type": "string"},
            "type": {"type": "string"}, "sub_graders": _OBJECT, "variables": _LIST,
        },
        flags={"target": "--target"},
        fixed=["--json", "--select", "G0"],
        asks=False,
    ),
    Tool(
        name="lint",
        command="validate",
        title="Lint a grader",
        description="Find what is wrong or risky in a valid grader: constant rewards, thresholds out of reach, judges easily led, "
        "variables that rows lack. Each finding has a code, a place, a sentence and a fix. With rows it also looks at what they show.",
        takes={**_GRADER, **_ROWS, **_LAYOUT, "target": _TARGET},
        needs=["grader|grader_file"],
        gives={"valid": {"type": "boolean"}, "faults": _LIST, "findings": _LIST},
        flags={"target": "--target", **_LAYOUT_FLAGS},
    ),
    Tool(
        name="run",
        command="run",
        title="Grade one sample",
        description="Grade one answer and say how its reward came about: sub-rewards, the texts that were compared, what python "
        "graders printed, why there is no reward. Use it to see a grader work on one row.",
        takes={
            **_GRADER,
            "item": {"type": "object", "description": "What is known of the row: what {{ item.… }} reads."},
            "sample": {
                "type": ["string", "object", "array"],
                "description": "The model's answer: a text, a chat completion, or messages.",
            },
        },
        needs=["grader|grader_file", "sample"],
        gives={
            "reward": _REWARD, "sub_rewards": _OBJECT, "failures": _LIST, "rendered": _OBJECT,
            "printed": _OBJECT, "said": _OBJECT, "notes": _LIST,
        },
        flags={},
    ),
    Tool(
        name="score",
        command="score",
        title="Score a few rows",
        description=f"Grade up to {MOST_ROWS} rows: a summary (mean reward, spread, failures by code, a figure for each sub-grader) and a "
        "result for each row, as far as they fit into the answer. For more rows tell the user to run `graders score`.",
        takes={**_GRADER, **_ROWS, **_LAYOUT, "limit": _LIMIT},
        needs=["grader|grader_file", "rows|rows_file"],
        gives={
            "summary": _OBJECT, "results": _LIST,
            "left_out": {"type": "integer", "description": "Results that did not fit into the answer."},
        },
        flags={"limit": "--limit", **_LAYOUT_FLAGS},
        fixed=["-o", RESULTS, "--summary", SUMMARY, "--workers", "0", "--max-failures", "100%"],
    ),
    Tool(
        name="probe",
        command="probe",
        title="Attack a reward",
        description="Grade answers that ought not to be paid (empty, the reference list, praise, injections and more), built from the "
        "rows, beside the rows' own answers: what each attack gets, and which sub-grader pays. Use it before training with a reward.",
        takes={
            **_GRADER, **_ROWS, **_LAYOUT, "limit": _LIMIT,
            "attacks": {
                "type": "array", "items": {"type": "string"},
                "description": "Only these attacks, such as empty or injection. Default: all.",
            },
        },
        needs=["grader|grader_file", "rows|rows_file"],
        gives={"name": {"type": "string"}, "rows": {"type": "integer"}, "honest": _OBJECT, "attacks": _LIST},
        flags={"limit": "--limit", "attacks": "--attack", **_LAYOUT_FLAGS},
    ),
    Tool(
        name="explain",
        command="explain",
        title="Explain a code",
        description="Say what a failure code, a lint rule (such as G101) or an attack means, why it matters, and what cures it, "
        "with an example.",
        takes={"code": {"type": "string", "description": "Such as G101, invalid_variable_error or empty."}},
        needs=["code"],
        gives={"code": {"type": "string"}},
        flags={},
        asks=False,
    ),
)  # fmt: skip


def checked(tool: Tool, arguments: Mapping[str, Any], *, files: bool) -> dict[str, Any]:
    """Return the arguments of a call that are not null, each of its type and within its bounds.

    Raises:
        ToolError: one is unknown, of another type or out of bounds, or one that is needed is not there.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    known = tool.schema(files=files)["properties"]
    for name, value in given.items():
        if name not in known and name in tool.takes:
            raise ToolError(
                f"{name}: no folder is open to agents; the user opens one by graders mcp --root FOLDER. "
                f"Give {name.removesuffix('_file')} instead"
            )
        if name not in known:
            near = suggestion(name, known, "it takes")
            raise ToolError(f"{tool.name} takes no argument {quoted(name)}; {near}")
        _check_value(name, value, known[name])
    for need in tool.needs:
        names = [name for name in need.split("|") if name in known]
        found = [name for name in names if name in given]
        if len(found) > 1:
            raise ToolError(f"{tool.name} takes {' or '.join(names)}, not both")
        if not found:
            what = " or ".join(f"{name} ({_said(known[name])})" for name in names)
            raise ToolError(f"{tool.name} needs {what}")
    if "rows" in given and "rows_file" in given:
        raise ToolError(f"{tool.name} takes rows or rows_file, not both")
    return given


_KINDS: Final[dict[str, tuple[type, str]]] = {
    "object": (dict, "an object"), "array": (list, "a list"), "string": (str, "a text"),
    "integer": (int, "a whole number"),
}  # fmt: skip


def _said(schema: Schema) -> str:
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return " or ".join(_KINDS[kind][1] for kind in kinds)


def _check_value(name: str, value: Any, schema: Schema) -> None:
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    fits = any(isinstance(value, _KINDS[kind][0]) for kind in kinds)
    if not fits or isinstance(value, bool):
        raise ToolError(f"{name} is {_said(schema)}, got {quoted(value)}")
    if "enum" in schema and value not in schema["enum"]:
        near = suggestion(value, schema["enum"], "it is one of")
        raise ToolError(f"{name}: got {quoted(value)}; {near}")
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None and not low <= value <= high:
        raise ToolError(f"{name} is from {low} to {high}, got {value}")
    if isinstance(value, list):
        _check_list(name, value, schema)


def _check_list(name: str, value: list[Any], schema: Schema) -> None:
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
        most = f" and at most {schema['maxItems']}" if "maxItems" in schema else ""
        raise ToolError(f"{name}: at least one{most} to a call, got {len(value):,}")
    inner = schema.get("items")
    for number, one in enumerate(value if inner else ()):
        _check_value(f"{name}[{number}]", one, inner or {})
