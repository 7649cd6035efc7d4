"""Runs in a real local MLflow: its database, its artifacts."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from graders.adapters.mlflow import log
from graders.api import load
from graders.errors import OptionError
from tests.batch.conftest import GRADER, lines
from tests.models.conftest import Command

pytestmark = [pytest.mark.trackers, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "grader.json").write_text(json.dumps(GRADER))
    (tmp_path / "rows.jsonl").write_bytes(lines(1500))
    return tmp_path


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database without runs: to make its tables takes seconds."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    with contextlib.chdir(path.parent):  # There the first experiment's files are to stand.
        client(f"sqlite:///{path}").get_experiment_by_name("graders")
    return path


@pytest.fixture
def uri(place: Path, empty: Path) -> str:
    shutil.copy(empty, place / "mlflow.db")
    return f"sqlite:///{place}/mlflow.db"


def client(uri: str) -> Any:
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=uri)


def runs(uri: str, experiment: str = "graders") -> list[Any]:
    found = client(uri).get_experiment_by_name(experiment)
    return [] if found is None else [*client(uri).search_runs([found.experiment_id])]


def score(command: Command, place: Path, *more: str) -> Any:
    return command(place, "score", "grader.json", "rows.jsonl", "-o", "out.jsonl", *more)


def test_a_run_has_settings_figures_files_and_a_table(
    command: Command, place: Path, uri: str
) -> None:
    done = score(command, place, "--track", f"mlflow:{uri}", "--summary", "summary.json")
    assert done.code == 0, done.err
    (run,) = runs(uri)
    assert (
        f"graders: tracked by mlflow: run {run.info.run_id} of experiment graders, {uri}"
        in done.err
    )
    assert (run.info.run_name, run.info.status) == ("m", "FINISHED")
    summary = json.loads((place / "summary.json").read_text())
    manifest = json.loads((place / "out.jsonl.manifest.json").read_text())
    figures, told = run.data.metrics, run.data.params
    assert figures["rows"] == summary["rows"] == 1515
    assert figures["failed"] == summary["failed"] > 0
    assert figures["reward/mean"] == summary["mean_of_scored"]
    assert figures["reward/mean_of_all"] == summary["mean_of_all"]
    assert figures["reward/low"] < figures["reward/mean"] < figures["reward/high"]
    assert figures["sub/near/mean"] == summary["sub_rewards"]["near"]["mean"]
    assert (
        figures["failures/invalid_variable_error"]
        == summary["failures"]["invalid_variable_error"]["rows"]
    )
    assert told["grader/sha256"] == manifest["grader"]["sha256"]
    assert told["option/on_error"] == "null"
    assert told["version/graders"] == manifest["versions"]["graders"]
    folder = Path(client(uri).download_artifacts(run.info.run_id, ""))
    assert json.loads((folder / "grader.json").read_text())["graders"] == GRADER["graders"]
    assert json.loads((folder / "manifest.json").read_text()) == manifest
    assert (folder / "out.jsonl").read_bytes() == (place / "out.jsonl").read_bytes()
    table = json.loads((folder / "rows.json").read_text())
    assert table["columns"] == [
        "index",
        "id",
        "reward",
        "sub/same",
        "sub/near",
        "by",
        "failure",
        "why",
    ]
    assert len(table["data"]) == 1515
    failed = [row for row in table["data"] if row[2] is None]
    assert len(failed) == summary["failed"]
    assert all(row[6] for row in failed)


def test_a_run_that_is_resumed_goes_on_in_the_same(command: Command, place: Path, uri: str) -> None:
    told = ["--track", f"mlflow:{uri}"]
    (place / "rows.jsonl").write_bytes(lines(20_000))  # More than one block.
    done = score(command, place, *told, "--max-failures", "20")
    assert done.code == 1
    (run,) = runs(uri)
    assert run.info.status == "FAILED"
    assert 0 < run.data.metrics["rows"] < 20_198
    assert [*client(uri).list_artifacts(run.info.run_id)] == []
    done = score(command, place, *told, "--resume")
    assert done.code == 0, done.err
    (again,) = runs(uri)
    assert (again.info.run_id, again.info.status) == (run.info.run_id, "FINISHED")
    assert again.data.metrics["rows"] == 20_198
    score(
        command, place, *told, "--resume"
    )  # There is nothing left to do; the table is not told twice.
    (third,) = runs(uri)
    folder = Path(client(uri).download_artifacts(third.info.run_id, ""))
    assert len(json.loads((folder / "rows.json").read_text())["data"]) == 10_000
    score(command, place, *told, "--restart")
    assert len(runs(uri)) == 2


def test_results_that_are_there_are_logged_by_a_command_and_from_python(
    command: Command, place: Path, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert score(command, place).code == 0
    done = command(place, "track", "out.jsonl", "--to", f"mlflow:{uri}", "--grader", "grader.json")
    assert done.code == 0, done.err
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    number = log("out.jsonl", load(GRADER), uri=uri)
    (first,), (second,) = runs(uri), runs(uri, "mine")
    assert second.info.run_id == number
    assert first.data.metrics == second.data.metrics
    assert first.data.params == second.data.params


def test_a_run_that_is_active_is_logged_into_and_left_open(
    command: Command, place: Path, uri: str
) -> None:
    import mlflow

    assert score(command, place).code == 0
    mlflow.set_tracking_uri(uri)
    try:
        with mlflow.start_run() as active:
            assert log("out.jsonl") == active.info.run_id
            assert mlflow.active_run() is not None
            mlflow.log_metric("mine", 1.0)
        found = client(uri).get_run(active.info.run_id)
        assert found.data.metrics["mine"] == 1.0
        assert found.data.metrics["rows"] == 1515
    finally:
        mlflow.set_tracking_uri(None)


def test_another_grader_than_that_of_the_results_is_refused(
    command: Command, place: Path, uri: str
) -> None:
    assert score(command, place).code == 0
    with pytest.raises(OptionError, match="was scored by another grader"):
        log("out.jsonl", GRADER["graders"]["same"], uri=uri)  # type: ignore[index]
    assert runs(uri) == []


def test_names_of_any_letters_are_taken(command: Command, place: Path, uri: str) -> None:
    check = {"type": "string_check", "operation": "eq", "input": "{{ item.a }}", "reference": "x"}
    criteria = [{**check, "name": "is it good? (émoji 🦊/slash)"}, {**check, "name": "x" * 400}]
    (place / "grader.json").write_text(json.dumps({"testing_criteria": criteria}))
    done = score(command, place, "--track", f"mlflow:{uri}")
    assert "takes nothing more" not in done.err, done.err
    (run,) = runs(uri)
    assert run.info.status == "FINISHED"
    assert any(name.startswith("sub/is it good_ _émoji _/slash_/mean") for name in run.data.metrics)


def test_a_tracker_that_is_away_stops_no_run(
    command: Command, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = "http://127.0.0.1:9"
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    done = score(command, place, "--track", f"mlflow:{given}")
    assert (place / "out.jsonl").exists(), done.err
    assert done.code == 0
    assert done.err.count(f"mlflow:{given} takes nothing more") == 1
    assert f"graders track out.jsonl --to mlflow:{given}" in done.err
    assert "Traceback" not in done.err


def test_an_address_of_no_sort_is_refused_before_the_first_row(
    command: Command, place: Path
) -> None:
    done = score(command, place, "--track", "mlflow:mysql://nowhere/db")
    assert done.code == 2
    assert done.err.startswith("graders: mlflow:mysql://nowhere/db: ")
    assert not (place / "out.jsonl").exists()


def test_a_run_of_no_rows_is_a_run(command: Command, place: Path, uri: str) -> None:
    (place / "rows.jsonl").write_text("")
    done = score(command, place, "--track", f"mlflow:{uri}", "--allow-empty")
    assert done.code == 0, done.err
    (run,) = runs(uri)
    assert (run.info.status, run.data.metrics["rows"]) == ("FINISHED", 0.0)


@pytest.mark.parametrize("output", ["-", "parts/"])
def test_results_that_are_no_file_here_are_refused_at_once(
    command: Command, place: Path, uri: str, output: str
) -> None:
    done = command(
        place, "score", "grader.json", "rows.jsonl", "-o", output, "--track", f"mlflow:{uri}"
    )
    assert done.code == 2
    assert "--track takes results from a file of this machine" in done.err
    assert runs(uri) == []


def test_nothing_of_mlflow_is_imported_where_nobody_asks(command: Command, place: Path) -> None:
    assert "graders.adapters.mlflow" in sys.modules  # By this module.
    import subprocess

    source = "import sys; from graders import cli; cli._main(['score', 'grader.json', 'rows.jsonl', '-o', 'o.jsonl', '--workers', '0']); print([one for one in ('mlflow', 'wandb') if one in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", source], cwd=place, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
