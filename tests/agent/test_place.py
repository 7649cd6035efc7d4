"""What a call is about lies in a private folder; nothing outside of the root is read."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from graders.agent.place import INLINE, LARGEST, lay_out
from graders.agent.tool import TOOLS, ToolError

TOOL = {tool.name: tool for tool in TOOLS}
CHECK = {
    "type": "string_check",
    "name": "c",
    "input": "{{ sample.output_text }}",
    "reference": "x",
    "operation": "eq",
}
ROW = {"item": {}, "sample": "x"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a grader and rows, beside a secret that links lead to."""
    made = tmp_path / "root"
    (made / "deep").mkdir(parents=True)
    (made / "grader.json").write_text(json.dumps(CHECK))
    (made / "deep/rows.jsonl.gz").write_bytes(b"rows")
    (tmp_path / "secret.json").write_text("{}")
    (made / "link.json").symlink_to(tmp_path / "secret.json")
    (made / "outside").symlink_to(tmp_path)
    os.mkfifo(made / "pipe.json")
    return made


def laid(
    name: str, given: dict[str, Any], tmp_path: Path, root: Path | None = None
) -> tuple[list[str], Path]:
    folder = tmp_path / "call"
    folder.mkdir()
    return lay_out(TOOL[name], given, folder, root), folder


def test_what_a_call_brings_becomes_files_and_words(tmp_path: Path) -> None:
    given = {"grader": CHECK, "rows": [ROW, ROW], "item_path": "-x", "attacks": ["empty", "praise"]}
    words, folder = laid("probe", given, tmp_path)
    assert words == [
        "probe", "grader.json", "rows.jsonl", "--limit", "200", "--attack=empty", "--attack=praise",
        "--item-path=-x", "--json",
    ]  # fmt: skip
    assert json.loads((folder / "grader.json").read_text()) == CHECK
    assert [json.loads(one) for one in (folder / "rows.jsonl").read_text().splitlines()] == [
        ROW,
        ROW,
    ]


def test_a_sample_that_looks_like_a_file_is_a_text(tmp_path: Path) -> None:
    words, folder = laid("run", {"grader": CHECK, "item": {}, "sample": "@/etc/passwd"}, tmp_path)
    assert words[2:6] == ["--item", "@item.json", "--sample-json", "@sample.json"]
    assert json.loads((folder / "sample.json").read_text()) == "@/etc/passwd"


def test_a_grader_that_looks_like_a_path_is_a_text(tmp_path: Path, root: Path) -> None:
    words, folder = laid("run", {"grader": str(root / "grader.json"), "sample": ""}, tmp_path, root)
    assert words[1] == "grader.json"
    assert (folder / "grader.json").read_text() == str(root / "grader.json")


def test_a_code_cannot_be_an_option(tmp_path: Path) -> None:
    words, _ = laid("explain", {"code": "--help"}, tmp_path)
    assert words == ["explain", "--json", "--", "--help"]


def test_files_of_the_root_are_copied_and_keep_their_endings(tmp_path: Path, root: Path) -> None:
    given = {"grader_file": "deep/../grader.json", "rows_file": str(root / "deep/rows.jsonl.gz")}
    words, folder = laid("score", given, tmp_path, root)
    assert words[1:3] == ["grader.json", "rows.jsonl.gz"]
    assert (folder / "rows.jsonl.gz").read_bytes() == b"rows"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("../secret.json", "is not within the folder that is open to agents"),
        ("/etc/passwd", "is not within the folder that is open to agents"),
        ("link.json", "is not within the folder that is open to agents"),
        ("outside/secret.json", "is not within the folder that is open to agents"),
        ("grader.jsn", "there is no file .*; did you mean grader.json?"),
        ("deep", "there is no file"),
        ("pipe.json", "there is no file"),
        ("a\x00b", "there is no file"),
        ("x" * 5000, "there is no file"),
        ("", "there is no file"),
    ],
)
def test_other_files_are_not_read(tmp_path: Path, root: Path, asked: str, said: str) -> None:
    with pytest.raises(ToolError, match=f"^grader_file: .*{said}"):
        laid("validate", {"grader_file": asked}, tmp_path, root)
    assert list((tmp_path / "call").iterdir()) == []


def test_sizes_are_bounded(tmp_path: Path, root: Path) -> None:
    with (root / "grader.json").open("r+b") as file:
        file.truncate(LARGEST["grader"] + 1)
    with pytest.raises(ToolError, match="has 1,000,001 bytes; 1,000,000 are the most"):
        laid("validate", {"grader_file": "grader.json"}, tmp_path, root)
    (tmp_path / "call").rmdir()
    with pytest.raises(ToolError, match="a call brings 2,000,000 bytes at the most"):
        laid("run", {"grader": CHECK, "sample": "x" * INLINE}, tmp_path)


@pytest.mark.parametrize("name", ["validate", "lint"])
@pytest.mark.parametrize("as_text", [True, False])
def test_a_job_body_makes_nobody_read_its_files(tmp_path: Path, name: str, as_text: bool) -> None:
    method = {"type": "reinforcement", "reinforcement": {"grader": CHECK}}
    body = {"model": "m", "method": method, "training_file": "/etc/secret.jsonl"}
    with pytest.raises(ToolError, match="training_file: a job's files are not read for agents"):
        laid(name, {"grader": json.dumps(body) if as_text else body}, tmp_path)
    (tmp_path / "call/grader.json").unlink()
    (tmp_path / "call").rmdir()
    laid(name, {"grader": {**body, "training_file": "file-abc"}}, tmp_path)


def test_a_config_that_is_none_is_left_for_the_command_to_refuse(tmp_path: Path) -> None:
    words, folder = laid("lint", {"grader": "{half", "rows": [ROW]}, tmp_path)
    assert words[1:] == ["grader.json", "--rows", "rows.jsonl", "--limit", "200", "--json"]
    assert (folder / "grader.json").read_text() == "{half"
