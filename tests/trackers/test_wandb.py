"""Runs in Weights & Biases, offline: what stands in its own file is what `wandb sync` would send."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import DecodeError

from graders.adapters.wandb import lacks, log
from tests.batch.conftest import GRADER, lines
from tests.models.conftest import Command
from tests.trackers.stored import records
from tests.waiting import until

pytestmark = [pytest.mark.trackers, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("WANDB_PROJECT", "WANDB_API_KEY", "WANDB_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WANDB_MODE", "offline")
    import wandb

    wandb.teardown()  # What a process has learned of its place stays with it.
    monkeypatch.chdir(tmp_path)
    (tmp_path / "grader.json").write_text(json.dumps(GRADER))
    (tmp_path / "rows.jsonl").write_bytes(lines(600))
    return tmp_path


def stored(place: Path) -> Iterator[tuple[Path, list[Any]]]:
    """Yield the file of each run, and what is written in it once its end is: another process writes it."""
    for path in sorted(place.glob("wandb/offline-run-*/*.wandb")):
        yield path, until(lambda path=path: whole(path))  # type: ignore[misc]


def whole(path: Path) -> list[Any]:
    """Return what stands in a file; nothing while its end is still to come."""
    try:
        found = [*records(path)]
    except (struct.error, DecodeError, AssertionError):
        return []
    return found if any(one.WhichOneof("record_type") == "exit" for one in found) else []


def figures(records: list[Any]) -> dict[str, Any]:
    """Return the last value of each figure."""
    return {
        (one.key or "/".join(one.nested_key)): json.loads(one.value_json)
        for record in records
        if record.WhichOneof("record_type") == "history"
        for one in record.history.item
    }


def begun(records: list[Any]) -> Any:
    return next(one.run for one in records if one.WhichOneof("record_type") == "run")


def settings(records: list[Any]) -> dict[str, Any]:
    found = [*begun(records).config.update]
    found += [
        one
        for record in records
        if record.WhichOneof("record_type") == "config"
        for one in record.config.update
    ]
    return {one.key or one.nested_key[0]: json.loads(one.value_json) for one in found}


def score(command: Command, place: Path, *more: str) -> Any:
    return command(place, "score", "grader.json", "rows.jsonl", "-o", "out.jsonl", *more)


def test_a_run_has_settings_figures_an_artifact_and_a_table(command: Command, place: Path) -> None:
    done = score(command, place, "--track", "wandb:team/mine", "--summary", "summary.json")
    assert done.code == 0, done.err
    assert "until wandb sync sends it" in done.err
    ((path, records),) = stored(place)
    summary = json.loads((place / "summary.json").read_text())
    manifest = json.loads((place / "out.jsonl.manifest.json").read_text())
    run, told = begun(records), figures(records)
    assert (run.project, run.entity, run.display_name) == ("mine", "team", "m")
    assert told["rows"] == summary["rows"]
    assert told["reward/mean"] == summary["mean_of_scored"]
    assert told["reward/low"] < told["reward/mean"] < told["reward/high"]
    assert told["sub/near/mean"] == summary["sub_rewards"]["near"]["mean"]
    assert settings(records)["grader/sha256"] == manifest["grader"]["sha256"]
    (table,) = path.parent.rglob("*.table.json")
    assert len(json.loads(table.read_text())["data"]) == summary["rows"]
    kept = [one.artifact for one in records if one.WhichOneof("record_type") == "artifact"]
    named = {
        entry.path
        for one in kept
        if one.type == "graders-results"
        for entry in one.manifest.contents
    }
    assert named == {"grader.json", "manifest.json", "out.jsonl"}
    ended = [one.exit.exit_code for one in records if one.WhichOneof("record_type") == "exit"]
    assert ended == [0]


def test_a_run_that_is_resumed_goes_on_in_the_same(command: Command, place: Path) -> None:
    (place / "rows.jsonl").write_bytes(lines(20_000))  # More than one block.
    assert score(command, place, "--track", "wandb:mine", "--max-failures", "5").code == 1
    assert score(command, place, "--track", "wandb:mine", "--resume").code == 0
    (_, first), (_, second) = stored(place)
    assert begun(first).run_id == begun(second).run_id
    assert figures(first)["rows"] < figures(second)["rows"]


def test_results_that_are_there_are_logged_into_the_active_run_which_stays_open(
    command: Command, place: Path
) -> None:
    assert score(command, place).code == 0
    import wandb

    with wandb.init(project="own", settings=wandb.Settings(silent=True)) as run:
        assert log("out.jsonl", GRADER) == run.id
        run.log({"mine": 1})
    ((_, records),) = stored(place)
    assert begun(records).project == "own"
    assert figures(records)["mine"] == 1
    assert "reward/mean" in figures(records)


def test_without_a_key_it_says_so_before_the_first_row(
    command: Command, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.setenv("HOME", str(place))
    monkeypatch.delenv("NETRC", raising=False)
    assert lacks() == "no key (WANDB_API_KEY)"
    done = score(command, place, "--track", "wandb")
    assert done.code == 2
    assert "wandb: no key (WANDB_API_KEY); WANDB_MODE=offline keeps it on this machine" in done.err
    assert not (place / "out.jsonl").exists()
