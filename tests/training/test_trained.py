"""What was trained: listed by its names, and removed where nothing needs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from graders.jobs import Store
from graders.training import TrainingOptions, create_job
from graders.training.checkpoint import checkpoint_folder, mark
from graders.training.local import LocalModels
from graders.training.trained import folder_of, remove, trained
from graders.wire.error import ApiError

MODEL = "gpt-4o-mini-2024-07-18"
ROW = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with Store(tmp_path / "store", most=8 << 20) as made:
        yield made


@pytest.fixture
def options(tmp_path: Path) -> TrainingOptions:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return TrainingOptions(models={MODEL: str(folder)})


def upload(store: Store) -> str:
    path = store.folder / "upload"
    path.write_bytes(json.dumps(ROW).encode())
    with path.open("rb") as file:
        made = store.files.create(file, filename="rows.jsonl", purpose="fine-tune")
    path.unlink()
    return str(made["id"])


def job_of(
    store: Store, options: TrainingOptions, model: str = MODEL, *, status: str = "succeeded"
) -> tuple[str, str]:
    """A job as it stands when it has trained a model from another, and the model's name."""
    job = create_job(store, {"model": model, "training_file": upload(store), "seed": 7}, options)[
        "id"
    ]
    folder, name = folder_of(store, job), f"ft:{model}:local::{job[6:14]}"
    known = trained(store)
    base = str(known[model].folder) if model in known else options.models[model]
    for one in ("model", "adapter"):
        (folder / one).mkdir(parents=True)
        (folder / one / "config.json").write_text("{}")
    point = checkpoint_folder(folder, 3)
    point.mkdir(parents=True)
    mark(point, {})
    with store.database.writing() as database:
        database.execute(
            "UPDATE job SET validated=1, status=?, finished_at=5, fine_tuned_model=?, training=? WHERE id=?",
            (status, name, json.dumps({"full": False, "base": base}), job),
        )
        (place,) = database.execute("SELECT place FROM job WHERE id=?", (job,)).fetchone()
        database.execute(
            "INSERT INTO checkpoint (id, job, created_at, step, name, metrics) VALUES (?, ?, 4, 3, ?, '{}')",
            (f"ftckpt_{job}", place, f"{name}:ckpt-step-3"),
        )
    return job, name


def test_models_and_checkpoints_are_listed(store: Store, options: TrainingOptions) -> None:
    _, name = job_of(store, options)
    other = TrainingOptions(models=options.models, urls={name: "http://x/v1", "far": "http://y/v1"})
    models = LocalModels(other, store)
    assert [(one["id"], one["created"], one["owned_by"]) for one in models.listed()] == [
        (MODEL, 0, "system"), ("far", 0, "system"), (name, 5, "org-local"),
        (f"{name}:ckpt-step-3", 4, "org-local"),
    ]  # fmt: skip
    assert models.knows(name)
    assert models.knows(MODEL)
    unknowns: list[Any] = ["far", "nobody", None, [name], {}]
    for unknown in unknowns:
        assert not models.knows(unknown)


def test_a_model_is_removed_with_its_files_and_leaves_its_checkpoints(
    store: Store, options: TrainingOptions
) -> None:
    job, name = job_of(store, options)
    remove(store, name)
    folder = folder_of(store, job)
    assert sorted(one.name for one in folder.iterdir()) == ["checkpoints"]
    assert list(trained(store)) == [f"{name}:ckpt-step-3"]
    remove(store, f"{name}:ckpt-step-3")
    assert trained(store) == {}
    assert list((folder / "checkpoints").iterdir()) == []


def test_what_a_job_needs_is_not_removed(store: Store, options: TrainingOptions) -> None:
    job, name = job_of(store, options)
    later, after = job_of(store, options, name, status="paused")
    for wanted in (name, after):
        with pytest.raises(ApiError, match=f"{later} trains.* \\(paused\\)") as caught:
            remove(store, wanted)
        assert (caught.value.status, caught.value.code) == (409, "model_in_use")
    store.jobs.cancel(later)
    with pytest.raises(ApiError, match=f"{after}:ckpt-step-3 is an adapter for it") as caught:
        remove(store, name)
    assert (folder_of(store, job) / "model" / "config.json").exists()
    remove(store, f"{after}:ckpt-step-3")
    remove(store, name)
    assert sorted(trained(store)) == [after, f"{name}:ckpt-step-3"]


def test_a_job_that_waits_to_begin_needs_its_model(store: Store, options: TrainingOptions) -> None:
    _, name = job_of(store, options)
    waits = create_job(store, {"model": name, "training_file": upload(store)}, options)["id"]
    with pytest.raises(ApiError, match=f"{waits} trains from it"):
        remove(store, name)


def test_only_what_was_trained_is_deleted(store: Store, options: TrainingOptions) -> None:
    _, name = job_of(store, options)
    models = LocalModels(options, store)
    with pytest.raises(ApiError, match="was not trained here") as caught:
        models.delete(MODEL)
    assert caught.value.status == 403
    with pytest.raises(ApiError, match="did you mean") as caught:
        models.delete(name[:-1])
    assert caught.value.status == 404
    models.delete(name)
    with pytest.raises(ApiError, match="there is no model"):
        models.delete(name)


def test_a_checkpoint_that_is_an_adapter_is_no_model_to_train(
    store: Store, options: TrainingOptions
) -> None:
    _, name = job_of(store, options)
    with pytest.raises(ApiError, match=f"is a checkpoint, an adapter alone; name {name}"):
        create_job(store, {"model": f"{name}:ckpt-step-3", "training_file": upload(store)}, options)


def test_what_was_trained_takes_room_of_the_store(store: Store, options: TrainingOptions) -> None:
    job, name = job_of(store, options)
    with (folder_of(store, job) / "model" / "model.safetensors").open("wb") as file:
        file.truncate(9 << 20)
    with pytest.raises(ApiError, match="delete files or models") as caught:
        upload(store)
    assert caught.value.code == "storage_quota_exceeded"
    (store.folder / "upload").unlink()
    remove(store, name)
    upload(store)
