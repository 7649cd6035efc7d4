"""What commands print fits the terminal: 80 columns, fewer, more; also texts of wide characters."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from tests.waiting import PATIENCE

SAMPLES = Path(__file__).parents[2] / "samples"
Command = Callable[..., Any]
WIDE = "株式会社の請求書を確認してください。" * 6

RUNS = [
    ["run", "wide.json", "--item", json.dumps({"a": WIDE}), "--sample", f"{WIDE} {WIDE}"],
    ["run", "nothing.json"],
    ["validate", "samples/judge/grader.json"],
    ["validate", "wide.json", "--rows", "wide.jsonl"],
    ["validate", "wide.json", "--dialect", "hosty"],
    ["score", "wide.json", "wide.jsonl", "-o", "wide-results.jsonl"],
    ["score", "samples/support-answers/grader.json", "samples/support-answers/rows.jsonl", "-o", "out.jsonl", "--verify-metrics", "5"],
    ["report", "wide-results.jsonl"],
    ["test", "samples/partial-credit", "wide.graders.yaml"],
    ["probe", "wide.json", "wide.jsonl"],
    ["diff", "wide.json", "check.json", "wide.jsonl"],
    ["diff", "samples/partial-credit/grader.json", "samples/partial-credit/product.json", "samples/partial-credit/rows.jsonl"],
    ["agree", "samples/string-check/grader.json", "samples/string-check/rows.jsonl", "--label", "human"],
    ["verify", "samples/text-similarity/grader.json", "samples/text-similarity/rows.jsonl"],
    ["job", "run", "samples/rft-job/job.json"],
    ["job", "list"],
    ["evals", "import", "samples/evals-move/exported"],
    ["evals", "list"],
    ["evals", "compare", "evalrun_67e579652b548190aaa83ada4b125f47"],
    ["evals", "show", "evalrun_67e579652b548190aaa83ada4b125f47"],
    ["evals", "items", "evalrun_67e579652b548190aaa83ada4b125f47"],
    ["doctor"],
    ["data"],
    ["new"],
    ["new", "format", "-o", "recipe"],
    ["image", "list"],
    ["scroe"],
]  # fmt: skip


@pytest.fixture
def kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(SAMPLES, folder / "samples")
    monkeypatch.setenv("GRADERS_DATA_DIR", "kept")
    monkeypatch.setenv("GRADERS_CACHE_FILE", "replies.sqlite")
    monkeypatch.setenv("COLUMNS", "80")
    near = {
        "type": "text_similarity", "name": WIDE, "evaluation_metric": "fuzzy_match",
        "input": "{{ sample.output_text }}", "reference": "{{ item.a }}",
    }  # fmt: skip
    multi = {
        "type": "multi", "name": WIDE, "calculate_output": "(a + b) / 2",
        "graders": {"a": near, "b": {**near, "name": "b", "input": "{{ sample.output_json.k }}"}},
    }  # fmt: skip
    (folder / "wide.json").write_text(json.dumps(multi, ensure_ascii=False))
    rows = [{"id": WIDE, "item": {"a": WIDE}, "sample": text} for text in (WIDE, json.dumps({"k": WIDE}), "x")]  # fmt: skip
    (folder / "wide.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    case = {"name": WIDE, "item": {"a": WIDE}, "sample": f"{WIDE} and more", "reward": 0.25}
    suite = {"grader": "wide.json", "cases": [case]}
    (folder / "wide.graders.yaml").write_text(json.dumps(suite, ensure_ascii=False))
    return folder


def too_wide(text: str, width: int) -> list[str]:
    """Return the lines that are wider, but for a path or an id alone, which is there to be copied."""
    return [
        line for line in text.splitlines()
        if cell_len(line) > width and (" " in line.strip() or not line.strip().isascii())
    ]  # fmt: skip


def test_every_command_fits_80_columns(kept: Path, command: Command) -> None:
    for arguments in RUNS:
        done = command(*arguments)
        assert done.out + done.err, arguments
        assert "Traceback" not in done.err
        assert too_wide(done.out + done.err, 80) == [], arguments


@pytest.mark.parametrize(
    "columns", [pytest.param(one, marks=pytest.mark.more) for one in ("1", "40", "200")]
)
def test_every_command_runs_at_every_width(
    kept: Path, command: Command, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    codes = [command(*arguments).code for arguments in RUNS]
    monkeypatch.setenv("COLUMNS", columns)
    shutil.rmtree("recipe")
    assert [command(*arguments).code for arguments in RUNS] == codes


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals there")
def test_sentences_on_a_terminal_are_as_wide_as_it_is_and_whole_in_a_log(
    kept: Path, program: list[str]
) -> None:
    words = [*program, "score", "check.json", "rows.jsonl", "--where", "3:2:1"]
    said = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    logged = subprocess.run(words, stderr=subprocess.PIPE, env=said, timeout=PATIENCE, check=False)
    assert "is not a range of row indexes such as 100:200, 100: or 17" in logged.stderr.decode()
    ours, theirs = pty.openpty()
    os.set_blocking(ours, True)
    subprocess.run(
        ["sh", "-c", 'stty columns 50 <&2; exec "$@"', "sh", *words],
        stderr=theirs, env=said, timeout=PATIENCE, check=False,
    )  # fmt: skip
    os.close(theirs)
    lines = os.read(ours, 1 << 16).decode().split("\r\n")
    os.close(ours)
    assert any(line.startswith("    ") for line in lines)
    assert max(map(len, lines[3:])) <= 50
