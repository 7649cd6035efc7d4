"""What is seen of sources before they run depends on where they will."""

from __future__ import annotations

from typing import Any

import pytest

import graders
from graders.grading.source import seen_in
from graders.sandbox import PythonOptions

SOURCE = """import subprocess

def grade(sample, item):
    return float(subprocess.run(["true"]).returncode == 0)
"""


@pytest.mark.parametrize(
    ("level", "kinds"), [("strong", ["process"]), ("standard", ["process"]), ("basic", []), ("limits", [])]
)  # fmt: skip
def test_that_no_process_starts_is_said_where_none_does(level: Any, kinds: list[str]) -> None:
    with graders.load({"type": "python", "name": "p", "source": SOURCE}) as grader:
        (seen,) = seen_in(grader.plan, PythonOptions(sandbox=level)).values()
        assert [hint.kind for hint in seen.hints] == kinds
        assert seen_in(grader.plan, object()) == {}
