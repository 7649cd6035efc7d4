"""The documentation says what is true: its links lead somewhere, nothing is missing. Its code: docs/."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

import graders
from graders.cli import commands
from graders.formula import FUNCTIONS
from graders.hosted import CODES
from graders.kinds import TYPES
from graders.metrics import METRICS
from graders.reading import Reading

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("samples/**/*.md"),
        ROOT / "llms.txt",
    ]
)
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


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


def test_what_agents_read_first_is_true() -> None:
    text = (ROOT / "llms.txt").read_text()
    (block,) = re.findall(r"```json\n(.+?)```", text, re.DOTALL)
    grader = graders.load(json.loads(block))
    sample = '{"name": "Ann Lee", "email": "a@b.c"}'
    assert grader({"name": "Ann Lee", "email": "a@b.c"}, sample) == 1.0
    functions = re.search(r"numbers, `([a-z ]+)`", text)
    assert functions is not None
    assert set(functions[1].split()) == set(FUNCTIONS)
    named = set(re.findall(r"`graders (\w+)", text))
    assert named == set(commands())


def test_every_failure_code_is_explained() -> None:
    page = (ROOT / "docs/reference/result.md").read_text()
    assert [code for code in CODES if f"`{code}`" not in page] == []


def test_every_choice_and_its_switch_is_listed() -> None:
    page = (ROOT / "docs/reference/choices.md").read_text()
    assert [one.name for one in fields(Reading) if one.name not in page] == []


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
