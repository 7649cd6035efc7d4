"""The notebook in samples runs from top to bottom, and what it shows is what it says."""

from __future__ import annotations

import ast
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

SAMPLES = Path(__file__).parents[1] / "samples"


def run_cell(source: str, names: dict[str, Any]) -> Any:
    """Run a cell as a notebook does; return what its last line shows."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    if last is None:
        return None
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names)  # type: ignore[attr-defined]


def test_every_cell_runs_and_shows_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("notebook", "support-answers"):
        shutil.copytree(SAMPLES / name, tmp_path / name)
    monkeypatch.chdir(tmp_path / "notebook")
    notebook = json.loads(Path("grade-a-frame.ipynb").read_text())
    names: dict[str, Any] = {}
    shown = [
        run_cell("".join(cell["source"]), names)
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
    ]
    assert repr(shown[0]).startswith("<Grader ")
    assert "<table" in shown[1]._repr_html_()
    assert "reward" in shown[2].columns
    page = shown[4]._repr_html_()
    assert "<svg" in page
    assert "rows by reward" in page
    names["grader"].close()
