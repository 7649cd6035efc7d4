"""The sample package, built and installed by pip: it scores, lints, is named, and can be turned off."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.extension.package import SAMPLE, install, write
from tests.waiting import PATIENCE

GRADER = str(SAMPLE / "example" / "grader.json")
ROWS = str(SAMPLE / "example" / "rows.jsonl")
NO_WORDS = str(SAMPLE / "example" / "no-words.json")
SCORES = [1.0, 4 / 7, 0.0, 0.0]
SIGNATURE = "word_overlap|version:1|package:graders-word-overlap@1.0|graders:"
OFF = (
    "word_overlap is of the extension graders-word-overlap 1.0, and extensions are off "
    "(--no-extensions, or GRADERS_EXTENSIONS=0)"
)

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    install(SAMPLE, folder)
    return folder


@pytest.fixture
def command(site: Path, tmp_path: Path) -> Command:
    def call(*words: str, path: Path = site, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "graders", *words], cwd=tmp_path, capture_output=True, text=True,
            timeout=PATIENCE, check=False, env={**os.environ, "PYTHONPATH": str(path), **more},
        )  # fmt: skip

    return call


def rewards(path: Path) -> list[Any]:
    return [json.loads(line)["reward"] for line in path.read_text().splitlines()]


@pytest.mark.more
@pytest.mark.parametrize("workers", ["0", pytest.param("2", marks=pytest.mark.more)])
def test_its_metric_scores_and_is_named(command: Command, tmp_path: Path, workers: str) -> None:
    done = command("score", GRADER, ROWS, "-o", "out.jsonl", "--workers", workers)
    assert done.returncode == 0, done.stderr
    assert rewards(tmp_path / "out.jsonl") == SCORES
    assert SIGNATURE in done.stdout
    manifest = json.loads((tmp_path / "out.jsonl.manifest.json").read_text())
    assert manifest["extensions"] == {"graders-word-overlap": "1.0"}
    assert manifest["metrics"]["overlap"].startswith(SIGNATURE)


@pytest.mark.more
def test_another_version_does_not_go_on(command: Command, tmp_path: Path, site: Path) -> None:
    score = ("score", GRADER, ROWS, "-o", "out.jsonl")
    assert command(*score, "--limit", "2").returncode == 0
    newer = tmp_path / "newer"
    shutil.copytree(site, newer)
    (about,) = newer.glob("*.dist-info/METADATA")
    about.write_text(about.read_text().replace("Version: 1.0", "Version: 1.1"))
    done = command(*score, "--limit", "2", "--resume", path=newer)
    assert done.returncode == 2
    assert "an extension has changed: graders-word-overlap was 1.0 and is 1.1" in done.stderr
    assert "a metric is made otherwise" not in done.stderr
    assert command(*score, "--limit", "2", "--resume").returncode == 0


@pytest.mark.more
def test_its_rule_lints(command: Command) -> None:
    done = command("validate", NO_WORDS, "--format", "json")
    assert done.returncode == 1, done.stderr
    (found,) = [one for one in json.loads(done.stdout)["findings"] if one["severity"] == "error"]
    assert (found["code"], found["path"], found["line"]) == ("WORDS001", "$.reference", 5)
    assert command("validate", NO_WORDS, "--ignore", "WORDS").returncode == 0
    log = json.loads(command("validate", NO_WORDS, "--format", "sarif").stdout)
    rules = log["runs"][0]["tool"]["driver"]["rules"]
    assert rules[-1]["id"] == "WORDS001"
    assert [rules[one["ruleIndex"]]["id"] for one in log["runs"][0]["results"]] == [
        one["ruleId"] for one in log["runs"][0]["results"]
    ]
    assert command("validate", GRADER).returncode == 0


@pytest.mark.more
@pytest.mark.parametrize("target", ["openai", pytest.param("azure", marks=pytest.mark.more)])
def test_no_hosted_service_has_its_metric(command: Command, target: str) -> None:
    done = command("validate", GRADER, "--target", target, "--select", "G002", "--format", "json")
    (found,) = json.loads(done.stdout)["findings"]
    assert (done.returncode, found["path"]) == (1, "$.evaluation_metric")
    assert "word_overlap of the extension graders-word-overlap 1.0" in found["message"]


@pytest.mark.more
def test_doctor_and_schema_name_it(command: Command) -> None:
    found = json.loads(command("doctor", "--json").stdout)["extensions"]
    assert [(one["group"], one["name"], one["version"], one["problem"]) for one in found] == [
        ("metrics", "word_overlap", "1.0", ""), ("rules", "WORDS001", "1.0", ""),
    ]  # fmt: skip
    assert "graders-word-overlap 1.0" in command("doctor").stdout
    schema = json.loads(command("schema").stdout)
    names = schema["$defs"]["TextSimilarity"]["properties"]["evaluation_metric"]["enum"]
    assert names[-1] == "word_overlap"
    assert "word_overlap" not in command("--no-extensions", "schema").stdout


@pytest.mark.more
def test_it_can_be_turned_off(command: Command, tmp_path: Path) -> None:
    for words, variable in ((["--no-extensions"], "1"), ([], "0")):
        score = (*words, "score", GRADER, ROWS, "-o", "out.jsonl")
        done = command(*score, GRADERS_EXTENSIONS=variable)
        assert done.returncode == 2
        assert OFF in done.stderr
        assert "Traceback" not in done.stderr
        lint = command(*words, "validate", GRADER, "--format", "json", GRADERS_EXTENSIONS=variable)
        assert OFF in json.loads(lint.stdout)["faults"][0]["message"]
    assert not (tmp_path / "out.jsonl").exists()
    done = command("score", "--no-extensions", GRADER, ROWS, "-o", "out.jsonl")
    assert "It stands before the command" in done.stderr


LOOKS = """
import sys
from graders import cli
from graders.extension import installed
code = cli._main(sys.argv[1:])
print(code, installed.cache_info().misses, file=sys.stderr)
"""


@pytest.mark.parametrize(
    "sample",
    [
        pytest.param(one, marks=pytest.mark.more)
        for one in ("partial-credit", "text-similarity", "evals-criteria", "rft-body")
    ],
)
def test_who_uses_none_does_not_look_for_any(tmp_path: Path, sample: str) -> None:
    write(
        tmp_path / "site", {"metrics": {"overlap": "acme:overlap"}}, {"acme": "raise ImportError"}
    )
    folder = SAMPLE.parent / sample
    rows = [str(folder / "rows.jsonl"), "-o", "out.jsonl", "--limit", "2"]
    done = subprocess.run(
        [sys.executable, "-c", LOOKS, "score", str(folder / "grader.json"), *rows],
        capture_output=True, text=True, check=True, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
    )  # fmt: skip
    assert done.stderr.split()[-1] == "0", done.stderr
