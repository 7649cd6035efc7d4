"""Checkpoints on disk: which are whole, which can be gone on from, which go.

A checkpoint is written by the trainer, file after file. It counts once it has its mark, which is
written last: whatever a process was killed at, what has the mark is whole.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

from graders import jsontext
from graders.privacy import opener

__all__ = ["checkpoint_folder", "mark", "marked", "newest", "tidy"]

_MARK: Final = "whole.json"
_PREFIX: Final = "checkpoint-"
# What only going on needs: two thirds of a checkpoint where every weight is trained.
_STATE: Final = ("optimizer.pt", "scheduler.pt", "rng_state.pth", "scaler.pt")


def checkpoint_folder(folder: Path, step: int) -> Path:
    """Return where a job's checkpoint after a step stands."""
    return folder / "checkpoints" / f"{_PREFIX}{step}"


def mark(checkpoint: Path, told: dict[str, Any]) -> None:
    """Note that a checkpoint is whole, once all of it is on the disk, and what is known of it.

    Raises:
        OSError: it cannot be written.
    """
    for path in checkpoint.iterdir():
        if path.is_file():
            _sync(path)
    partial = checkpoint / f"{_MARK}.partial"
    with open(partial, "wb", opener=opener) as file:
        file.write(jsontext.encode(told))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(checkpoint / _MARK)
    for one in (checkpoint, checkpoint.parent):
        _sync(one)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def marked(checkpoint: Path) -> dict[str, Any] | None:
    """Return what is known of a checkpoint, None where it is not whole."""
    try:
        found: dict[str, Any] = jsontext.decode((checkpoint / _MARK).read_bytes())
    except (OSError, ValueError):
        return None
    return found


def _steps(folder: Path) -> list[int]:
    with contextlib.suppress(OSError):
        names = [one.name.removeprefix(_PREFIX) for one in (folder / "checkpoints").iterdir()]
        return sorted(int(one) for one in names if one.isdecimal())
    return []


def newest(folder: Path) -> int | None:
    """Return the step of a job's newest checkpoint that training can go on from; None for none."""
    for step in reversed(_steps(folder)):
        place = checkpoint_folder(folder, step)
        if marked(place) is not None and (place / "optimizer.pt").exists():
            return step
    return None


def tidy(folder: Path, kept: Collection[int], *, torn: bool = False) -> None:
    """Take away what nobody needs: pieces of checkpoints, and those that are passed and have no name.

    The newest stays as it is; of others that are kept the weights stay.

    Args:
        folder: the job's.
        kept: the steps of checkpoints that have names.
        torn: whether nobody trains: then what is newer than the newest is none that is being written.
    """
    last = newest(folder)
    for step in _steps(folder):
        place = checkpoint_folder(folder, step)
        if step == last or ((last is None or step > last) and not torn):
            continue
        with contextlib.suppress(OSError):
            if step not in kept or marked(place) is None:
                (place / _MARK).unlink(missing_ok=True)
                shutil.rmtree(place)
                continue
            for name in _STATE:
                (place / name).unlink(missing_ok=True)
