"""A grader and a function that writes suites for it."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

GRADER = """
{"type": "multi", "name": "m", "calculate_output": "(exact + near) / 2", "graders": {
 "exact": {"type": "string_check", "name": "exact", "operation": "eq",
           "input": "{{ sample.output_text }}", "reference": "{{ item.a }}"},
 "near": {"type": "text_similarity", "name": "near", "evaluation_metric": "fuzzy_match",
          "input": "{{ sample.output_text }}", "reference": "{{ item.a }}"}}}
"""

Write = Callable[..., Path]


@pytest.fixture
def grader_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The grader of these tests, in a folder of its own."""
    path = tmp_path_factory.mktemp("grader") / "grader.json"
    path.write_text(GRADER)
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a grader in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "grader.json").write_text(GRADER)
    return tmp_path


@pytest.fixture
def write(folder: Path) -> Write:
    """Write a suite; without a `grader:` of its own it has the folder's."""

    def write(text: str, name: str = "s.graders.yaml") -> Path:
        text = textwrap.dedent(text).lstrip("\n")
        if "grader" not in text:
            text = f"grader: grader.json\n{text}"
        path = folder / name
        path.write_text(text)
        return path

    return write
