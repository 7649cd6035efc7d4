"""What was trained: where models and checkpoints stand, by the names that the API gives them."""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from graders import jsontext
from graders.errors import quoted
from graders.files.disk import faults
from graders.jobs.job import FINISHED
from graders.jobs.store import TRAINING, Store
from graders.training.checkpoint import checkpoint_folder, marked
from graders.wire.error import conflict

__all__ = ["Trained", "folder_of", "remove", "trained", "trained_models"]


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


def remove(store: Store, name: str) -> None:
    """Remove a model or a checkpoint that was trained, and its files.

    Raises:
        ApiError: a job trains it or from it, or a checkpoint of another job stands on it (409).
    """
    with store.database.writing() as base:  # No job begins to train from it meanwhile.
        one = trained(store)[name]
        _check_unused(base, store, one)
        base.execute("UPDATE checkpoint SET gone=1 WHERE name=?", (name,))
        aside = one.folder.with_name(f"gone-{one.folder.name}")
        with faults(store.folder):
            shutil.rmtree(aside, ignore_errors=True)
            one.folder.replace(aside)
    adapter = one.folder.parent / "adapter"
    with faults(store.folder):
        shutil.rmtree(aside)
        if one.folder.name == "model" and adapter.is_dir():
            shutil.rmtree(adapter)


def _check_unused(base: sqlite3.Connection, store: Store, one: Trained) -> None:
    query = "SELECT id, status, request, training FROM job WHERE training IS NOT NULL"
    for job in base.execute(query).fetchall():
        plan, folder = jsontext.decode(job["training"]), folder_of(store, job["id"])
        begins = plan.get("base") == str(one.folder)
        named = jsontext.decode(job["request"])["model"] == one.name
        if job["status"] not in FINISHED and (begins or named or one.folder.is_relative_to(folder)):
            which = "trains it" if one.folder.is_relative_to(folder) else "trains from it"
            raise conflict(
                f"{quoted(one.name)} cannot be deleted: {job['id']} {which} ({job['status']}); wait for "
                "its end, or cancel it", code="model_in_use",
            )  # fmt: skip
        if begins and (kept := _standing(base, store, job["id"])):
            raise conflict(
                f"{quoted(one.name)} cannot be deleted: the checkpoint {kept} is an adapter for it; delete "
                "that first", code="model_in_use",
            )  # fmt: skip


def _standing(base: sqlite3.Connection, store: Store, job: str) -> str | None:
    """Return the name of a checkpoint of a job that is an adapter and can be asked; None for none."""
    del base
    folder = folder_of(store, job)
    for one in trained(store).values():
        if one.base is not None and one.folder.is_relative_to(folder):
            return one.name
    return None
