"""Jobs that train and run out of room: on the disk, in memory. They fail in a sentence, keep what they have, and go on."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("peft")
pytest.importorskip("openai")

from tests.trainers import home, tiny
from tests.trainers.house import Home, shown
from tests.waiting import until

pytestmark = pytest.mark.trainers

MEGABYTES = 24


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A server whose store is a disk of its own where this user may mount one, else an ordinary folder."""
    folder, disk = tmp_path_factory.mktemp("room"), tmp_path_factory.mktemp("disk")
    words = ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs", str(disk)]
    mounted = (
        shutil.which("mount") is not None
        and not subprocess.run(words, check=False, capture_output=True).returncode
    )
    made = Home(folder, store=disk / "store")
    try:
        yield made
    finally:
        made.server.close()
        if mounted:
            subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.fixture(scope="module")
def undisturbed(house: Home) -> list[dict[str, Any]]:
    return shown(house.steps(house.done(create(house))))


def create(house: Home) -> Any:
    numbers = {"n_epochs": 3, "batch_size": 2, "learning_rate_multiplier": 50}
    return house.create("supervised", home.supervised(48), hyperparameters=numbers)


def held(house: Home, job: Any) -> int:
    """Stop the process that trains once the job has a checkpoint with a name, and return the process."""
    until(lambda: list(house.client.fine_tuning.jobs.checkpoints.list(job.id)))
    (pid,) = house.processes()
    os.kill(pid, signal.SIGSTOP)
    assert len(house.steps(job)) < 72
    return pid


def can_be_used(house: Home, job: Any) -> None:
    (*_, first) = house.client.fine_tuning.jobs.checkpoints.list(job.id)
    assert first.step_number == 24
    assert house.answer(first.fine_tuned_model_checkpoint) in tiny.WORDS


def goes_on(house: Home, job: Any, undisturbed: list[dict[str, Any]]) -> None:
    """It is resumed, from its last checkpoint, and ends as if nothing had been."""
    before = list(house.client.fine_tuning.jobs.checkpoints.list(job.id))
    resumed: Any = house.client.fine_tuning.jobs.resume(job.id)
    assert (resumed.status, resumed.error, resumed.finished_at) == ("queued", None, None)
    done = house.done(job)
    assert shown(house.steps(job)) == undisturbed
    assert len(before) <= len(list(house.client.fine_tuning.jobs.checkpoints.list(job.id))) == 3
    assert any(", from step " in one for one in house.said(job))
    assert house.answer(done.fine_tuned_model) == "green"


@pytest.fixture
def filled(house: Home) -> Iterator[Any]:
    """Fills the disk, and empties it."""
    if not os.path.ismount(house.store.parent):
        pytest.skip("a small disk can be mounted by root only")
    path = house.store.parent / "filler"

    def fill() -> None:
        with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(b"x" * 4096):
                pass

    yield fill, path.unlink
    path.unlink(missing_ok=True)


def test_a_full_disk_fails_the_job_and_keeps_what_is_there(
    house: Home, undisturbed: list[dict[str, Any]], filled: Any
) -> None:
    fill, empty = filled
    job = create(house)
    pid = held(house, job)
    fill()
    os.kill(pid, signal.SIGCONT)
    ended = house.ended(job)
    assert (ended.status, ended.error.code) == ("failed", "disk_full")
    assert "make room, and resume the job" in ended.error.message
    assert ended.fine_tuned_model is None
    can_be_used(house, job)
    # No piece of a checkpoint is left that could be taken for one.
    for one in (house.store / "training" / job.id / "checkpoints").glob("checkpoint-*"):
        assert (one / "whole.json").exists(), one
    empty()
    goes_on(house, job, undisturbed)


def test_too_little_memory_fails_the_job_and_says_what_takes_less(
    house: Home, undisturbed: list[dict[str, Any]]
) -> None:
    job = create(house)
    pid = held(house, job)
    # The process that goes on gets half the room that this one has; its parent, which starts it, needs less.
    room = int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize() // 2
    parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    resource.prlimit(parent, resource.RLIMIT_AS, (room, room))
    os.kill(pid, signal.SIGKILL)
    ended = house.ended(job)
    assert (ended.status, ended.error.code) == ("failed", "out_of_memory"), ended.error
    for text in ("2 rows of up to 2,048 tokens at once", "an adapter of rank 16", "--train-rows 1"):
        assert text in ended.error.message
    can_be_used(house, job)
    goes_on(house, job, undisturbed)
