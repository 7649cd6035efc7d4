"""Training files: the line and field of each fault, counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from graders.errors import RowsError
from graders.inspection.lint import read_training
from graders.template import Path as TemplatePath

GOOD = {"messages": [{"role": "user", "content": "Hi"}], "a": {"b": 1}}


def problems(folder: Path, *rows: Any) -> list[tuple[str, int, int, str]]:
    path = folder / "train.jsonl"
    path.write_bytes(
        b"".join((r if isinstance(r, bytes) else json.dumps(r).encode()) + b"\n" for r in rows)
    )
    wanted = [TemplatePath("item", ("a", "b")), TemplatePath("sample", ("output_text",))]
    found = read_training(str(path), "training", wanted)
    return [(one.kind, one.line, one.count, one.message) for one in found.problems.values()]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"messages": None}, "messages: is missing"),
        ({"messages": []}, "messages: is a list of at least one"),
        ({"messages": ["Hi"]}, "messages[0]: is an object"),
        ({"messages": [{"content": "Hi"}]}, "messages[0].role: is one of"),
        ({"messages": [{"role": "user"}]}, "messages[0].content: is a text"),
        ({"messages": [{"role": "user", "content": ["Hi"]}]}, "has a part without a type"),
        (
            {"messages": [{"role": "assistant", "content": "Hi"}]},
            "is the assistant's, not the user's",
        ),
        ({"tools": {}}, "tools: is a list"),
        ({"tools": [1]}, "tools: [0] is an object"),
        ({"tools": [{"type": "function"}]}, "tools: [0].function needs a name"),
        ({"a": {"c": 1}}, "item.a.b: item.a has no b"),
    ],
)
def test_a_fault_has_its_line_and_field(tmp_path: Path, change: Any, message: str) -> None:
    ((_, line, count, said),) = problems(tmp_path, GOOD, {**GOOD, **change}, {**GOOD, **change})
    assert message in said
    assert (line, count) == (2, 2)


def test_lines_that_are_no_rows_are_counted_and_the_rest_is_read(tmp_path: Path) -> None:
    found = problems(tmp_path, b"{", b"[1]", b"", b"\xff", GOOD)
    assert [(kind, line, count) for kind, line, count, _ in found] == [("row", 1, 3)]


def test_a_file_that_is_not_there_is_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(RowsError, match="the training file cannot be read: No such file"):
        read_training(str(tmp_path / "none"), "training", [])
