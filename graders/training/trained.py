"""What was trained: where models and checkpoints stand, by the names that the API gives them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from graders import jsontext
from graders.jobs.store import TRAINING, Store
from graders.training.checkpoint import checkpoint_folder, marked

__all__ = ["Trained", "folder_of", "trained", "trained_models"]


@dataclass(frozen=True, slots=True)
class Trained:
    """A model that can be asked.

    Attributes:
        name: as the API has it.
        folder: where it stands, whole, or its adapter.
        base: the model beneath an adapter, None where the folder is whole.
        at: when it was made; seconds since 1970.
    """

    name: str
    folder: Path
    base: str | None
    at: int


def folder_of(store: Store, job: str) -> Path:
    """Return the folder of a job that trains."""
    return store.folder / TRAINING / job


def trained(store: Store) -> dict[str, Trained]:
    """Return every model and checkpoint that was trained and is there, the newest first, by name."""
    found: dict[str, Trained] = {}
    with store.database.reading() as base:
        jobs = base.execute(
            "SELECT id, place, training, fine_tuned_model, finished_at FROM job"
            " WHERE training IS NOT NULL AND validated ORDER BY place DESC"
        ).fetchall()
        for job in jobs:
            plan, folder = jsontext.decode(job["training"]), folder_of(store, job["id"])
            name, whole = job["fine_tuned_model"], folder / "model"
            if name is not None and (whole / "config.json").exists():
                found[name] = Trained(name, whole, None, job["finished_at"])
            query = "SELECT * FROM checkpoint WHERE job=? AND NOT gone ORDER BY step DESC"
            for one in base.execute(query, (job["place"],)).fetchall():
                place = checkpoint_folder(folder, one["step"])
                if marked(place) is not None:
                    beneath = None if plan["full"] else plan["base"]
                    found[one["name"]] = Trained(one["name"], place, beneath, one["created_at"])
    return found


def trained_models(store: Store) -> dict[str, Path]:
    """Return the folders of the models that jobs have ended with, by name."""
    return {name: one.folder for name, one in trained(store).items() if one.base is None}
