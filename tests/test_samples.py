"""Each sample folder, scored with its README's own command, gives exactly its expected results."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from graders import cli
from tests.models.server import ScriptedServer, completion
from tests.waiting import PATIENCE, until

ROOT = Path(__file__).parents[1]
SAMPLES = sorted(path.parent for path in ROOT.glob("samples/*/grader.json"))


def command_of(folder: Path) -> list[str]:
    """The command of a sample's README, as words after `graders`."""
    prompt = "    graders score "
    lines = (folder / "README.md").read_text().splitlines()
    commands = [line for line in lines if line.startswith(prompt)]
    assert len(commands) == 1, f"{folder.name}/README.md shows one command to score the rows"
    words = shlex.split(commands[0])[1:]
    assert words[1] == f"samples/{folder.name}/grader.json", (
        f"{folder.name}/README.md: {commands[0]}"
    )
    return words


def test_there_are_samples() -> None:
    assert len(SAMPLES) >= 5


@pytest.mark.parametrize("folder", SAMPLES, ids=lambda folder: folder.name)
def test_a_sample_gives_its_expected_results(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(folder, tmp_path / "samples" / folder.name)
    monkeypatch.chdir(tmp_path)
    code = cli._main(command_of(folder))
    assert code == 0, capfd.readouterr().err
    assert (folder / "expected.jsonl").exists(), "expected.jsonl is out.jsonl of that command"
    assert Path("out.jsonl").read_bytes() == (folder / "expected.jsonl").read_bytes()


@pytest.mark.parametrize("folder", SAMPLES, ids=lambda folder: folder.name)
def test_a_samples_readme_names_only_rows_that_are_there(folder: Path) -> None:
    import json
    import re

    rows = [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()]
    ids = {row["id"] for row in rows}
    assert len(ids) == len(rows)
    text = (folder / "README.md").read_text()
    prefixes = {identity.split("-")[0] for identity in ids}
    named = {
        name
        for name in re.findall(r"`([a-z0-9]+(?:-[a-z0-9]+)+)`", text)
        if name.split("-")[0] in prefixes
    }
    assert named <= ids


def test_the_sample_job_says_what_its_readme_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    import json

    monkeypatch.chdir(ROOT)
    words = ["job", "run", "samples/rft-job/job.json"]
    assert f"    graders {' '.join(words)}\n" in (ROOT / "samples/rft-job/README.md").read_text()
    code = cli._main([*words, "--data-dir", str(tmp_path), "--json"])
    out, err = capfd.readouterr()
    assert code == 0, err
    verdict = json.loads(out)["dry_run"]["verdict"]
    assert verdict["outcome"] == "would_run"
    assert {one["code"]: one["train"] for one in verdict["failures"]} == {"sample_parse_error": 3}
    assert verdict["signal"]["constant"] == 0
    assert cli._main([*words, "--data-dir", str(tmp_path), "--target", "openai"]) == 1
    assert "base_model_off: OpenAI has switched o4-mini-2025-04-16 off" in capfd.readouterr().out


def shards(folder: Path, words: list[str], **more: str) -> None:
    """Run a script of samples/shards as its scheduler would."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        words,
        cwd=folder,
        env={**os.environ, "PATH": path, **more},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize(
    "way",
    [pytest.param(one, marks=pytest.mark.more) for one in ("local", "slurm", "kubernetes")],
)
def test_the_scripts_for_many_machines_give_the_bytes_of_one_run(tmp_path: Path, way: str) -> None:
    scripts, sample = ROOT / "samples/shards", ROOT / "samples/text-similarity"
    words = [str(sample / "grader.json"), str(sample / "rows.jsonl")]
    if way == "local":
        shards(tmp_path, [str(scripts / "local.sh"), *words, "parts"])
    for index in range(3) if way != "local" else ():
        if way == "slurm":
            task = {"SLURM_ARRAY_TASK_ID": str(index), "SLURM_ARRAY_TASK_COUNT": "3"}
            shards(tmp_path, ["bash", str(scripts / "slurm.sh"), *words, "parts/"], **task)
        else:
            job = yaml.safe_load((scripts / "kubernetes.yaml").read_text())
            pod = job["spec"]["template"]["spec"]["containers"][0]
            said = dict(zip(("GRADER", "ROWS", "RESULTS"), [*words, "parts/"], strict=True))
            assert {*said, "COUNT"} < {one["name"] for one in pod["env"]}
            assert pod["env"][0]["value"] == str(job["spec"]["completions"])
            place = {"JOB_COMPLETION_INDEX": str(index), "COUNT": "3"}
            shards(tmp_path, [*pod["command"], *pod["args"]], **said, **place)
    if way != "local":
        assert (
            cli._main(["merge", str(tmp_path / "parts"), "-o", str(tmp_path / "parts.jsonl")]) == 0
        )
    command = ["score", *words, "-o", str(tmp_path / "one.jsonl")]
    assert cli._main(command) == 0
    assert (tmp_path / "parts.jsonl").read_bytes() == (tmp_path / "one.jsonl").read_bytes()


def test_an_interrupted_script_leaves_no_worker_that_holds_its_part(tmp_path: Path) -> None:
    """A shell's background processes do not hear Ctrl-C, and the same line again was refused until they had ended."""
    held = True
    told = completion()
    told.held = lambda: held
    server = ScriptedServer(lambda *_: told)
    judge = {
        "type": "score_model", "name": "j", "model": "m",
        "input": [{"role": "user", "content": "x"}],
    }  # fmt: skip
    (tmp_path / "judge.json").write_text(json.dumps(judge))
    (tmp_path / "rows.jsonl").write_text('{"item": {}, "sample": "x"}\n' * 2)
    words = [str(ROOT / "samples/shards/local.sh"), "judge.json", "rows.jsonl", "parts"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    more = {"PATH": path, "COUNT": "2", "OPENAI_BASE_URL": server.url}
    script = subprocess.Popen(
        words, cwd=tmp_path, env={**os.environ, **more}, start_new_session=True
    )
    try:
        until(lambda: server.now == 2)  # One of each worker.
        os.killpg(script.pid, signal.SIGINT)
        assert script.wait(PATIENCE) != 0
        with pytest.raises(ProcessLookupError):
            os.killpg(script.pid, 0)
        held = False
        shards(tmp_path, words, **more)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(script.pid, signal.SIGKILL)
        server.stop()
    assert len((tmp_path / "parts.jsonl").read_text().splitlines()) == 2
