"""The action's own shell steps, run as a runner does: what they say, what they exit with."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.waiting import PATIENCE

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".github" / "actions" / "graders"

pytestmark = [
    pytest.mark.skipif(not FOLDER.is_dir(), reason="a source distribution may have no .github"),
    pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash"),
]

CHECK = {
    "type": "string_check", "name": "exact", "operation": "eq",
    "input": "{{ sample.output_text }}", "reference": "{{ item.answer }}",
}  # fmt: skip
Step = Callable[..., subprocess.CompletedProcess[str]]


def action() -> dict[str, Any]:
    value = yaml.safe_load((FOLDER / "action.yml").read_text())
    assert isinstance(value, dict)
    return value


@pytest.fixture
def step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Step:
    """Run a step of action.yml with inputs, in a folder with a grader, rows and suites."""
    work, temp = tmp_path / "a work space", tmp_path / "temp"
    (temp / "graders-environment" / "bin").mkdir(parents=True)
    (temp / "graders-environment" / "bin" / "graders").symlink_to(Path(sys.executable).parent / "graders")  # fmt: skip
    work.mkdir()
    monkeypatch.chdir(work)
    (work / "grader.json").write_text(json.dumps(CHECK))
    (work / "a grader.json").write_text(json.dumps({**CHECK, "operation": "ilike"}))
    (work / "bad.json").write_text(json.dumps({**CHECK, "operation": "no"}))
    rows = [{"item": {"answer": "Paris"}, "sample": text} for text in ("Paris", "It is Paris.")]
    (work / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name, reward in (("good", 1), ("bad", 0)):
        case = {"name": "::error::spoken", "item": {"answer": "a"}, "sample": "a", "reward": reward}
        (work / f"{name}.graders.json").write_text(json.dumps({"grader": "grader.json", "cases": [case]}))  # fmt: skip

    def call(**inputs: str) -> subprocess.CompletedProcess[str]:
        known = action()
        assert inputs.keys() <= {one.replace("-", "_") for one in known["inputs"]}
        values = {name: inputs.get(name.replace("-", "_"), one["default"]) for name, one in known["inputs"].items()}  # fmt: skip
        one = next(one for one in known["runs"]["steps"] if one.get("id") == "run")
        filled = {
            name: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda match: values[match[1]], text)
            for name, text in one["env"].items()
        }
        runner = {
            "RUNNER_TEMP": str(temp), "GITHUB_ACTION_PATH": str(FOLDER),
            "GITHUB_OUTPUT": str(temp / "output"), "GITHUB_STEP_SUMMARY": str(temp / "summary.md"),
        }  # fmt: skip
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", one["run"]],
            cwd=work, env={**os.environ, **runner, **filled}, capture_output=True, text=True,
            timeout=PATIENCE, check=False,
        )  # fmt: skip

    return call


def test_with_no_inputs_nothing_is_done(step: Step) -> None:
    done = step()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.more
def test_graders_are_checked_with_annotations_whatever_their_names(step: Step) -> None:
    done = step(graders="grader.json\n  a grader.json  \n\n", rows="rows.jsonl")
    assert done.returncode == 0, done.stdout + done.stderr
    done = step(graders="grader.json\nbad.json")
    assert done.returncode == 2
    assert "::error file=bad.json,line=1" in done.stdout
    assert "::error::graders validate exits with 2" in done.stdout


@pytest.mark.more
def test_everything_runs_and_the_worst_code_is_the_steps(step: Step, tmp_path: Path) -> None:
    done = step(
        graders="grader.json", suites="good.graders.json\nbad.graders.json", score="grader.json",
        rows="rows.jsonl", baseline="a grader.json", max_mean_drop="0.1",
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    for name in ("test", "diff"):
        assert f"::error::graders {name} exits with 1" in done.stdout
    assert "graders score exits" not in done.stdout
    summary = (tmp_path / "temp" / "summary.md").read_text()
    assert re.findall("### graders (\\w+)", summary) == ["test", "score", "diff"]
    named = (tmp_path / "temp" / "output").read_text().strip().removeprefix("results=")
    assert len(Path(named).read_text().splitlines()) == 2


@pytest.mark.more
def test_what_rows_and_tests_hold_does_not_speak_to_the_runner(step: Step) -> None:
    said = step(suites="bad.graders.json").stdout
    before, _, rest = said.partition("::stop-commands::")
    token = rest.partition("\n")[0]
    shown, closed, after = rest.partition(f"::{token}::\n")
    assert closed
    assert "::error::spoken" in shown
    assert "spoken" not in before + after


@pytest.mark.more
@pytest.mark.parametrize(
    "value",
    [
        "$(touch pwned)", "--",
        *(pytest.param(one, marks=pytest.mark.more) for one in ("`touch pwned`", "; touch pwned", "-h", "'", '"', "*")),
    ],
)  # fmt: skip
def test_no_input_becomes_a_part_of_the_script(step: Step, value: str) -> None:
    for name in ("graders", "suites", "target", "score"):
        done = step(**{"rows": "rows.jsonl", name: value, **({"graders": "grader.json"} if name == "target" else {})})  # fmt: skip
        assert done.returncode in {0, 1, 2}
        assert not Path("pwned").exists()
        assert "syntax error" not in done.stderr


@pytest.mark.more
def test_options_go_to_what_reads_rows(step: Step) -> None:
    Path("flat.jsonl").write_text(json.dumps({"answer": "Paris", "said": "Paris"}) + "\n")
    given = {"rows": "flat.jsonl", "options": "--item-path=.\n--sample-path=said"}
    assert step(score="grader.json", **given).returncode == 0
    assert step(score="grader.json", rows="flat.jsonl").returncode == 1


def test_every_input_is_described_and_reaches_the_script() -> None:
    known = action()
    script = (FOLDER / "run.sh").read_text() + (FOLDER / "install.sh").read_text()
    used = "".join(json.dumps(one) for one in known["runs"]["steps"])
    for name, one in known["inputs"].items():
        assert one["description"].endswith("."), name
        assert f"inputs.{name} }}}}" in used, name
        assert "${{" not in script
    for one in known["runs"]["steps"]:
        assert "${{" not in one.get("run", ""), "a value in a script is a part of it"
        assert "run" not in one or one["shell"] == "bash"
    for name in ("run.sh", "install.sh"):
        assert os.access(FOLDER / name, os.X_OK)
