"""The hooks as pre-commit runs them, and the action's installation: from a clone, by PyPI."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
HOOKS = ROOT / ".pre-commit-hooks.yaml"
CHECK = {
    "type": "string_check", "name": "exact", "operation": "eq",
    "input": "{{ sample.output_text }}", "reference": "{{ item.answer }}",
}  # fmt: skip
WAIT = 1800
"""Seconds for what installs packages, on a slow day."""


def run(*words: object, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in words], cwd=cwd, env={**os.environ, **more}, capture_output=True,
        text=True, timeout=WAIT, check=False,
    )  # fmt: skip


def git(*words: str, cwd: Path) -> str:
    who = {f"GIT_{who}_{what}": "a@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}  # fmt: skip
    done = run("git", "-c", "init.defaultBranch=main", *words, cwd=cwd, **who)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository that holds this working copy as its one commit."""
    folder = tmp_path_factory.mktemp("clone")
    for name in git("ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT).splitlines():  # fmt: skip
        source, target = ROOT / name, folder / name
        if source.is_file() and not name.startswith("tests/"):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    git("init", "--quiet", cwd=folder)
    git("add", "--all", cwd=folder)
    git("commit", "--quiet", "-m", "all", cwd=folder)
    return folder


def test_a_hook_is_for_files_that_are_named_so() -> None:
    hooks = {one["id"]: one for one in yaml.safe_load(HOOKS.read_text())}
    assert set(hooks) == {"graders-validate", "graders-test", "graders-test-all"}
    for hook, name, fits in [
        ("graders-validate", "grader.json", True),
        ("graders-validate", "rewards/grader.yaml", True),
        ("graders-validate", "rewards/answer.grader.yml", True),
        ("graders-validate", "upgrader.json", False),
        ("graders-validate", "a.graders.json", False),
        ("graders-test", "a.graders.yaml", True),
        ("graders-test", "rewards/a.graders.json", True),
        ("graders-test", "grader.json", False),
        ("graders-test-all", "rows.jsonl", True),
    ]:
        assert bool(re.search(hooks[hook]["files"], name)) == fits, (hook, name)


@pytest.mark.hooks
def test_pre_commit_runs_the_hooks_and_keeps_back_what_is_wrong(
    clone: Path, tmp_path: Path
) -> None:
    config = {"repos": [{
        "repo": str(clone), "rev": git("rev-parse", "HEAD", cwd=clone),
        "hooks": [{"id": "graders-validate"}, {"id": "graders-test"}, {"id": "graders-test-all"}],
    }]}  # fmt: skip
    mine = tmp_path / "mine"
    mine.mkdir()
    git("init", "--quiet", cwd=mine)
    (mine / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))
    (mine / "grader.json").write_text(json.dumps(CHECK))
    (mine / "a.grader.yaml").write_text(yaml.safe_dump(CHECK))
    case = {"name": "c", "item": {"answer": "a"}, "sample": "a", "reward": 1}
    suite = {"grader": "grader.json", "cases": [case]}
    (mine / "a.graders.yaml").write_text(yaml.safe_dump(suite))
    git("add", "--all", cwd=mine)
    home = {"PRE_COMMIT_HOME": str(tmp_path / "home")}
    words = (sys.executable, "-m", "pre_commit", "run", "--color", "never")
    done = run(*words, "--all-files", cwd=mine, **home)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("Passed") == 3

    (mine / "a.grader.yaml").write_text(yaml.safe_dump({**CHECK, "operation": "equals"}))
    (mine / "a.graders.yaml").write_text(yaml.safe_dump({**suite, "cases": [{**case, "reward": 0}]}))  # fmt: skip
    git("add", "--all", cwd=mine)
    done = run(*words, cwd=mine, **home)
    assert done.returncode == 1
    assert done.stdout.count("Failed") == 3
    assert '"equals"' in done.stdout
    assert "reward: expected 0" in done.stdout


@pytest.mark.hooks
def test_the_action_installs_graders_of_its_own_commit(clone: Path, tmp_path: Path) -> None:
    script = clone / ".github" / "actions" / "graders" / "install.sh"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = run(script, cwd=tmp_path, RUNNER_TEMP=str(tmp_path), EXTRAS="excel", PATH=path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("graders ")
    python = tmp_path / "graders-environment" / "bin" / "python"
    found = run(python, "-c", "import graders, openpyxl; print(graders.__file__)", cwd=tmp_path)
    assert str(tmp_path / "graders-environment") in found.stdout
