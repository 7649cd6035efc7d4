"""Checkpoints count once they are whole, and what nobody needs goes."""

from __future__ import annotations

from pathlib import Path

from graders.training.checkpoint import checkpoint_folder, mark, marked, newest, tidy


def checkpoint(folder: Path, step: int, *, whole: bool = True) -> Path:
    place = checkpoint_folder(folder, step)
    place.mkdir(parents=True)
    for name in ("model.safetensors", "optimizer.pt", "rng_state.pth", "trainer_state.json"):
        (place / name).write_bytes(b"x" * step)
    if whole:
        mark(place, {"step": step, "tokens": 10 * step})
    return place


def steps(folder: Path) -> list[int]:
    return sorted(int(one.name.rpartition("-")[2]) for one in (folder / "checkpoints").iterdir())


def test_a_job_without_any_has_none(tmp_path: Path) -> None:
    assert newest(tmp_path) is None
    tidy(tmp_path, set())


def test_what_was_not_written_to_its_end_does_not_count(tmp_path: Path) -> None:
    checkpoint(tmp_path, 4)
    torn = checkpoint(tmp_path, 12, whole=False)
    assert newest(tmp_path) == 4
    (torn / "whole.json").write_bytes(b'{"step"')
    assert newest(tmp_path) == 4
    assert marked(checkpoint_folder(tmp_path, 4)) == {"step": 4, "tokens": 40}


def test_the_newest_stays_whole_and_of_named_ones_the_weights(tmp_path: Path) -> None:
    for step in (4, 8, 12, 16):
        checkpoint(tmp_path, step)
    checkpoint(tmp_path, 20, whole=False)
    tidy(tmp_path, {8, 12})
    assert steps(tmp_path) == [8, 12, 16, 20]  # It may be on its way.
    tidy(tmp_path, {8, 12}, torn=True)
    assert steps(tmp_path) == [8, 12, 16]
    assert newest(tmp_path) == 16
    named = checkpoint_folder(tmp_path, 8)
    assert (named / "model.safetensors").exists()
    assert marked(named) is not None
    assert not (named / "optimizer.pt").exists()
    assert (checkpoint_folder(tmp_path, 16) / "optimizer.pt").exists()


def test_tidying_twice_changes_nothing(tmp_path: Path) -> None:
    for step in (4, 8):
        checkpoint(tmp_path, step)
    tidy(tmp_path, {4})
    before = sorted(str(one) for one in tmp_path.rglob("*"))
    tidy(tmp_path, {4})
    assert sorted(str(one) for one in tmp_path.rglob("*")) == before


def test_numbers_are_ordered_as_numbers(tmp_path: Path) -> None:
    for step in (9, 10):
        checkpoint(tmp_path, step)
    assert newest(tmp_path) == 10
