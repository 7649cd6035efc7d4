"""What the repository tells the places it lives in: workflows, issue forms, citation, hooks."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import graders

ROOT = Path(__file__).parent.parent
WORKFLOWS = sorted(ROOT.glob(".github/workflows/*.yml"))
FORMS = sorted(ROOT.glob(".github/ISSUE_TEMPLATE/*.yml"))

pytestmark = pytest.mark.skipif(not WORKFLOWS, reason="a source distribution has no .github")


def read(path: Path) -> dict[str, Any]:
    value = yaml.safe_load(path.read_text())
    assert isinstance(value, dict)
    return value


def jobs() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in WORKFLOWS:
        for name, job in read(path)["jobs"].items():
            yield f"{path.name}: {name}", job


def test_every_action_is_pinned_by_its_commit_and_says_its_version() -> None:
    used = [
        line.split("uses:")[1].strip()
        for path in [*WORKFLOWS, *ROOT.glob(".github/actions/*/action.yml")]
        for line in path.read_text().splitlines()
        if "uses:" in line
    ]
    assert len(used) > 5
    assert [
        one for one in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one)
    ] == []


def test_a_job_may_nothing_that_it_does_not_name_and_ends() -> None:
    for path in WORKFLOWS:
        assert read(path)["permissions"] == {}, path.name
    written = {
        f"{name}: {what}"
        for name, job in jobs()
        for what, given in job["permissions"].items()
        if given == "write"
    }
    assert written == {
        "release.yml: publish: id-token", "release.yml: publish: attestations",
        "site.yml: build: contents",
    }  # fmt: skip
    assert [name for name, job in jobs() if not 0 < job["timeout-minutes"] <= 120] == []


def test_what_a_step_makes_runs_and_names_is_there() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = [step["run"] for _, job in jobs() for step in job["steps"] if "run" in step]
    made = {
        word
        for one in commands
        for words in re.findall(r"make ([^&\n]+)", one)
        for word in words.split()
        if "=" not in word
    }
    assert {"demo", "test", "lint", "types"} <= made
    assert made - targets == {".venv/installed-dev"}
    assert "$(VENV)/installed-dev:" in (ROOT / "Makefile").read_text()
    named = {word for one in commands for word in re.findall(r"\btests/\S+|\.ci/run", one)}
    assert named
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_the_tests_run_on_every_python_that_is_promised() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    promised = {
        one.rpartition(" ")[2]
        for one in project["classifiers"]
        if re.fullmatch(r"Programming Language :: Python :: 3\.\d+", one)
    }
    matrices = [job["strategy"]["matrix"] for _, job in jobs() if "strategy" in job]
    tried = [matrix["python"] for matrix in matrices if "python" in matrix]
    assert len(tried) == 2
    for one in tried:
        assert promised <= set(one)


def test_the_samples_that_a_wheel_is_tried_on_have_known_results() -> None:
    release = (ROOT / ".github/workflows/release.yml").read_text()
    (names,) = re.findall(r"for sample in (.+); do", release)
    for name in names.split():
        assert (ROOT / "samples" / name / "expected.jsonl").exists(), name


def test_an_issue_form_asks_for_something_and_has_no_part_twice() -> None:
    forms = [path for path in FORMS if path.name != "config.yml"]
    assert {path.stem for path in forms} == {"bug", "question", "wrong-number"}
    for path in forms:
        form = read(path)
        assert form["name"]
        assert form["description"]
        asked = [one for one in form["body"] if one["type"] != "markdown"]
        assert len({one["id"] for one in asked}) == len(asked)
        assert any(one.get("validations", {}).get("required") for one in asked)


def test_the_citation_has_the_version_and_the_licence() -> None:
    citation = read(ROOT / "CITATION.cff")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert citation["version"] == graders.__version__
    assert citation["license"] == project["license"]


def test_the_hooks_are_the_tools_that_make_installs() -> None:
    local, hooks = (read(ROOT / ".pre-commit-config.yaml")["repos"][n] for n in (1, 0))
    assert re.fullmatch("[0-9a-f]{40}", hooks["rev"])
    tools = {one["entry"].split()[0] for one in local["hooks"]}
    makefile = (ROOT / "Makefile").read_text()
    assert tools == {".venv/bin/ruff", ".venv/bin/lint-imports", ".venv/bin/mypy"}
    assert all(one.replace(".venv/bin", "$(BIN)") in makefile for one in tools)
