"""Curves of jobs that train, in the real libraries of the integrations, read back by their own code."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("peft")
pytest.importorskip("openai")
pytest.importorskip("trackio")
wandb = pytest.importorskip("wandb")

from tests.trackers.stored import records
from tests.trainers import home
from tests.trainers.house import Home

pytestmark = pytest.mark.trainers

EVERY: list[Any] = [
    {"type": "tensorboard"},
    {"type": "wandb", "wandb": {"project": "mine", "tags": ["a"]}},
    {"type": "trackio", "trackio": {"project": "mine"}},
]


@pytest.fixture
def callers() -> Iterator[tuple[dict[str, str], list[bytes]]]:
    """A proxy for whatever goes to a network, which writes down what is asked of it and answers nothing."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def listen() -> None:
            while True:
                try:
                    caller, _ = server.accept()
                except OSError:
                    return
                with caller:
                    heard.append(caller.recv(4096))

        threading.Thread(target=listen, daemon=True).start()
        where = f"http://127.0.0.1:{server.getsockname()[1]}"
        names = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
        yield dict.fromkeys(names, where), heard
        server.shutdown(socket.SHUT_RDWR)


def trained(house: Home) -> tuple[Any, list[str]]:
    try:
        job = house.create(
            "supervised", home.supervised(6), integrations=EVERY,
            hyperparameters={"n_epochs": 2, "batch_size": 3},
        )  # fmt: skip
        house.done(job)
        return job, house.said(job)
    finally:
        house.server.close()


def test_each_library_gets_the_curves_and_no_network_is_needed(
    tmp_path: Path, callers: tuple[dict[str, str], list[bytes]]
) -> None:
    proxies, heard = callers
    house = Home(tmp_path, environment={"WANDB_MODE": "offline", "HOME": str(tmp_path), **proxies})
    job, said = trained(house)
    folder = house.store / "training" / job.id
    for kind in ("tensorboard", "wandb", "trackio"):
        assert any(one.startswith(f"Losses and rewards go to {kind}: ") for one in said), said
    losses = [float(one.rpartition("=")[2]) for one in said if one.startswith("Step ")]

    (events,) = (folder / "tensorboard").rglob("events.out.*")
    assert b"train/loss" in events.read_bytes()

    (file,) = (folder / "wandb").glob("offline-run-*/run-*.wandb")
    found = list(records(file))
    (run,) = [one.run for one in found if one.HasField("run")][:1]
    assert (run.project, run.run_id, list(run.tags)) == ("mine", job.id, ["a"])
    logged = [
        float(item.value_json)
        for one in found
        for item in one.history.item
        if [item.key, *item.nested_key][-1] == "train/loss"
    ]
    assert [round(one, 2) for one in logged] == losses
    assert any(one.HasField("exit") for one in found)

    code = (
        "import json; from trackio.sqlite_storage import SQLiteStorage as S; (run,) = S.get_runs('mine'); "
        "print(json.dumps([run, [one.get('train/loss') for one in S.get_logs('mine', run)]]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True,
        env={**os.environ, "TRACKIO_DIR": str(folder / "trackio")},
    )  # fmt: skip
    name, values = json.loads(done.stdout.splitlines()[-1])
    assert name == house_name(job)
    assert [round(one, 2) for one in values if one is not None] == losses
    assert heard == []


def house_name(job: Any) -> str:
    return f"ft:{home.NAME}:local::{job.id.removeprefix('ftjob-')[:8]}"


def test_without_a_key_wandb_gets_nothing_and_an_event_says_so(
    tmp_path: Path, callers: tuple[dict[str, str], list[bytes]]
) -> None:
    proxies, heard = callers
    house = Home(
        tmp_path,
        environment={"WANDB_MODE": "", "WANDB_API_KEY": "", "HOME": str(tmp_path), **proxies},
    )
    job, said = trained(house)
    assert "The wandb integration gets nothing: no key (WANDB_API_KEY)" in said
    assert not (house.store / "training" / job.id / "wandb").exists()
    assert heard == []


def test_a_service_that_cannot_be_reached_holds_no_job_up(
    tmp_path: Path, callers: tuple[dict[str, str], list[bytes]]
) -> None:
    proxies, heard = callers
    key = {"WANDB_API_KEY": "0" * 40, "WANDB_INIT_TIMEOUT": "5", "WANDB_MODE": "online"}
    house = Home(tmp_path, environment={**key, "HOME": str(tmp_path), **proxies})
    _, said = trained(house)
    assert heard
    assert any(one.startswith("The wandb integration gets nothing: ") for one in said)
