"""Modules and functions of a size that one reads, no more than 500 and 60 lines; a native core that one reads in an hour."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "graders"


def test_no_module_and_no_function_is_too_long() -> None:
    long = []
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text()
        name = path.relative_to(PACKAGE)
        if (count := text.count("\n")) > 500:
            long.append(f"{name} has {count} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                count = (node.end_lineno or node.lineno) - node.lineno + 1
                if count > 60:
                    long.append(f"{name}: {node.name} has {count} lines")
    assert not long


def test_the_native_core_is_small() -> None:
    lines = [
        line.strip()
        for path in PACKAGE.parent.glob("native/src/*.rs")
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    code = [line for line in lines if line and not line.startswith("//")]
    assert len(code) < 1_500, "decision 27 wants the core below 1,500 lines of code"
