"""The documentation says what is true: its code runs, its links lead somewhere, nothing is missing."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from graders.choices import Choices
from graders.cli import commands
from graders.config.model import TYPES
from graders.hosted import CODES
from graders.metrics import METRICS

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("samples/**/*.md")])
FENCE = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[tuple[str, str]]:
    found = FENCE.findall(page.read_text())
    return [(words.strip(), body) for kind, words, body in found if kind == language]


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *command], cwd=cwd, env=environment, text=True, capture_output=True,
        check=False,
    )  # fmt: skip


def test_the_generated_pages_are_fresh() -> None:
    done = run("tools/reference.py", "--check", cwd=ROOT)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text())
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if blocks(page, "python")],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_the_python_code_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    for words, body in blocks(page, "json"):
        if words.startswith("file="):
            (tmp_path / words.removeprefix("file=")).write_text(body)
    if not (tmp_path / "samples").exists():
        (tmp_path / "samples").symlink_to(ROOT / "samples")
    code = "\n".join(body for _, body in blocks(page, "python"))
    done = run("-W", "error", "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_tutorial_does_what_it_says(tmp_path: Path) -> None:
    page = ROOT / "docs/tutorial/first-grader.md"
    for words, body in blocks(page, "json"):
        if words.startswith("file="):
            (tmp_path / words.removeprefix("file=")).write_text(body)
    printed = []
    for _, body in blocks(page, "console"):
        command = shlex.split(body.removeprefix("$ "))
        assert command[0] == "graders"
        done = run("-c", "from graders.cli import main; main()", *command[1:], cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout)
    shown = blocks(page, "text")[0][1]
    squeezed = re.sub(r"[ \t]+", " ", printed[0])
    for line in shown.splitlines():
        assert re.sub(r"[ \t]+", " ", line).strip() in squeezed
    failed_line = next(body for words, body in blocks(page, "json") if not words)
    assert failed_line in (tmp_path / "results.jsonl").read_text()


def test_every_failure_code_is_explained() -> None:
    page = (ROOT / "docs/reference/result.md").read_text()
    assert [code for code in CODES if f"`{code}`" not in page] == []


def test_every_choice_and_its_switch_is_listed() -> None:
    page = (ROOT / "docs/reference/choices.md").read_text()
    assert [one.name for one in fields(Choices) if one.name not in page] == []


def test_every_metric_and_type_is_described() -> None:
    metrics = (ROOT / "docs/reference/metric.md").read_text()
    ranged = {f"rouge_{n}" for n in range(2, 5)}
    assert [name for name in METRICS if f"`{name}`" not in metrics and name not in ranged] == []
    page = (ROOT / "docs/reference/config.md").read_text()
    assert [name for name in TYPES if f"## {name}" not in page] == []


def test_every_command_has_an_example_in_its_help() -> None:
    for name, command in commands().items():
        assert "Examples:" in (command.epilog or ""), name
        assert f"graders {name}" in (command.epilog or ""), name


def test_nothing_names_a_place_of_the_machine_it_was_written_on() -> None:
    forbidden = re.compile(r"/(?:work|root|home)/")
    for page in PAGES:
        assert not forbidden.search(page.read_text()), page


def test_decisions_are_numbered_without_gaps_and_all_in_the_index() -> None:
    folder = ROOT / "docs/decisions"
    records = sorted(folder.glob("[0-9]*.md"))
    assert [one.name[:4] for one in records] == [f"{n:04}" for n in range(1, len(records) + 1)]
    for one in records:
        assert one.read_text().startswith(f"# {one.name[:4]} · "), one.name
    listed = re.findall(
        r"^\| \[(\d{4})\]\(([^)]+)\) \|", (folder / "README.md").read_text(), re.MULTILINE
    )
    assert listed == [(one.name[:4], one.name) for one in records]
