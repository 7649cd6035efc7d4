"""Jobs that train, up to where the training process begins; what that does stands in tests/trainers."""

from __future__ import annotations

import fcntl
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from graders.jobs import Store
from graders.jobs.clear import kept, remove
from graders.jobs.journal import Journal
from graders.jobs.run import run_job
from graders.jobs.validation import RefusedError
from graders.training import TrainingOptions, TrainRun, create_job, run, train_job
from graders.training.base import base_of
from graders.training.prepare import prepare
from graders.training.process import LOCK, is_free
from graders.training.trained import folder_of, trained
from graders.wire.error import ApiError

MODEL = "gpt-4o-mini-2024-07-18"
ROW = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with Store(tmp_path / "store") as made:
        yield made


@pytest.fixture
def options(tmp_path: Path) -> TrainingOptions:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return TrainingOptions(models={MODEL: str(folder)})


def upload(store: Store, *rows: Any) -> str:
    content = b"".join(json.dumps(one).encode() + b"\n" for one in rows)
    with (store.folder / "upload").open("w+b") as file:
        file.write(content)
        file.seek(0)
        made = store.files.create(file, filename="rows.jsonl", purpose="fine-tune")
    (store.folder / "upload").unlink()
    return str(made["id"])


def body(store: Store, *rows: Any, **more: Any) -> dict[str, Any]:
    return {"model": MODEL, "training_file": upload(store, *(rows or (ROW,))), "seed": 7, **more}


def test_a_job_that_trains_says_so_and_is_for_servers_that_train(
    store: Store, options: TrainingOptions
) -> None:
    job = create_job(store, body(store), options)
    assert job["dry_run"] is None
    assert job["training"]["weights_trained"] is False
    dry = store.jobs.create(body(store))
    assert "training" not in dry
    assert store.jobs.runnable() == [dry["id"]]
    assert store.jobs.runnable(trains=True) == [job["id"]]


def test_a_model_that_nothing_stands_for_is_refused(store: Store) -> None:
    with pytest.raises(ApiError, match="no model of this machine stands for"):
        create_job(store, body(store), TrainingOptions())
    assert store.jobs.list()[0] == []


def test_a_dry_run_never_touches_a_job_that_trains(store: Store, options: TrainingOptions) -> None:
    job = create_job(store, body(store), options)
    done = run_job(store, job["id"])
    assert done["error"]["code"] == "training_unavailable"
    assert "--train" in done["error"]["message"]


def test_without_training_a_supervised_job_is_refused_and_told_of_it(store: Store) -> None:
    done = run_job(store, store.jobs.create(body(store))["id"])
    assert done["error"]["code"] == "unsupported_method"
    assert "--train" in done["error"]["message"]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([ROW, {"messages": [ROW["messages"][0]]}], "line 2: messages: ends with the user's"),
        ([{"prompt": "a", "completion": 1}], "line 1: completion: is a text, got 1"),
        ([ROW, {"prompt": "a", "completion": "b"}], "line 2: the first row has messages"),
    ],
)
def test_rows_are_checked_before_anything_is_trained(
    store: Store, options: TrainingOptions, rows: list[Any], says: str
) -> None:
    job = create_job(store, body(store, *rows), options)
    done = train_job(store, job["id"], TrainRun(training=options))
    assert done["status"] == "failed"
    assert done["error"]["code"] == "invalid_training_file"
    assert says in done["error"]["message"]
    assert not folder_of(store, job["id"]).exists()


def test_what_the_training_process_reads_is_for_its_owner_alone(
    store: Store, options: TrainingOptions
) -> None:
    job = create_job(store, body(store, ROW, ROW, suffix="mine"), options)
    journal = Journal(store.database, job["id"], store.folder / "files")
    base = base_of(MODEL, options.models, {})
    folder = folder_of(store, job["id"])
    plan = prepare(journal, TrainRun(training=options), base, folder)
    assert json.loads((folder / "plan.json").read_text()) == plan
    assert plan["name"] == f"ft:{MODEL}:local:mine:{job['id'][6:14]}"
    assert plan["rows"] == {"training": 2, "validation": 0}
    assert plan["schedule"]["total_steps"] == 6
    for path in (folder, *folder.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path
    (first, _) = (folder / "rows" / "training.jsonl").read_text().splitlines()
    assert json.loads(first) == {**ROW, "learned": [1], "tools": None}


def test_a_folder_that_cannot_be_written_fails_the_job(
    store: Store, options: TrainingOptions
) -> None:
    job = create_job(store, body(store), options)
    journal = Journal(store.database, job["id"], store.folder / "files")
    (store.folder / "training").write_text("no folder")
    with pytest.raises(RefusedError, match="cannot be written") as caught:
        prepare(
            journal, TrainRun(training=options), base_of(MODEL, options.models, {}),
            folder_of(store, job["id"]),
        )  # fmt: skip
    assert caught.value.code == "training_failed"


def test_nothing_is_trained_yet(store: Store, options: TrainingOptions) -> None:
    create_job(store, body(store), options)
    assert trained(store) == {}


def test_a_job_that_is_removed_takes_what_it_trained_with_it(
    store: Store, options: TrainingOptions
) -> None:
    job = create_job(store, body(store), options)
    folder = folder_of(store, job["id"])
    (folder / "model").mkdir(parents=True)
    store.jobs.cancel(job["id"])
    gone = remove(store, [one for one in kept(store) if one.id == job["id"]])
    assert [one.id for one in gone] == [job["id"]]
    assert not folder.exists()


def test_a_folder_in_which_somebody_still_saves_is_not_free(tmp_path: Path) -> None:
    assert is_free(tmp_path)
    with (tmp_path / LOCK).open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert not is_free(tmp_path)
    assert is_free(tmp_path)


class Ended:
    """A training process that is gone: each one says and ends as it is told to."""

    def __init__(self, *, code: int = -9, words: str = "", error: Exception | None = None) -> None:
        self.code, self.words, self.error = code, words, error
        self.started = 0

    def __call__(self, *_: Any, **__: Any) -> Any:
        self.started += 1
        return self

    def next(self, _: float) -> None:
        if self.error is not None:
            raise self.error

    def wait(self) -> int:
        return self.code

    def kill(self) -> None:
        """It is gone."""

    def last_words(self) -> str:
        return self.words


def ended(store: Store, options: TrainingOptions, child: Ended, monkeypatch: Any) -> dict[str, Any]:
    monkeypatch.setattr(run, "Child", child)
    job = create_job(store, body(store), options)
    return train_job(store, job["id"], TrainRun(training=options))


def test_a_process_that_is_killed_again_and_again_fails_the_job(
    store: Store, options: TrainingOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = Ended()
    done = ended(store, options, child, monkeypatch)
    assert (done["error"]["code"], child.started) == ("process_lost", 5)
    assert "ended 5 times after step 0, by SIGKILL" in done["error"]["message"]


def test_a_process_that_the_system_kills_for_memory_is_tried_once_more(
    store: Store, options: TrainingOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    child, count = Ended(), iter(range(100))
    monkeypatch.setattr(run, "killed_for_memory", lambda: next(count))
    done = ended(store, options, child, monkeypatch)
    assert (done["error"]["code"], child.started) == ("out_of_memory", 2)
    said = [one["message"] for one in store.jobs.events(done["id"], limit=100)[0]]
    assert (
        "The training process was ended by SIGKILL, for the system ran out of memory; it goes on from step 0"
        in said
    )


def test_a_process_whose_last_words_are_of_memory_is_not_tried_again(
    store: Store, options: TrainingOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = Ended(code=-6, words="memory allocation of 64 bytes failed")
    done = ended(store, options, child, monkeypatch)
    assert (done["error"]["code"], child.started) == ("out_of_memory", 1)


def test_a_job_that_lacked_room_keeps_its_rows_and_can_be_resumed(
    store: Store, options: TrainingOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = ApiError(507, "the store cannot be used", code="storage")
    done = ended(store, options, Ended(error=full), monkeypatch)
    assert (done["status"], done["error"]["code"]) == ("failed", "disk_full")
    assert "make room, and resume the job" in done["error"]["message"]
    assert (folder_of(store, done["id"]) / "rows" / "training.jsonl").exists()
    again = store.jobs.resume(done["id"])
    assert [again[name] for name in ("status", "error", "finished_at")] == ["queued", None, None]
    assert store.jobs.runnable(trains=True) == [done["id"]]


def test_a_job_that_failed_for_what_it_is_cannot_be_resumed(
    store: Store, options: TrainingOptions
) -> None:
    job = create_job(store, body(store, {"messages": []}), options)
    train_job(store, job["id"], TrainRun(training=options))
    with pytest.raises(ApiError, match="is failed; only a paused job can be resumed"):
        store.jobs.resume(job["id"])


def test_fewer_rows_at_once_can_be_said_when_a_job_is_resumed(
    store: Store, options: TrainingOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = Ended(code=-6, words="bad_alloc")
    monkeypatch.setattr(run, "Child", child)
    rows = [ROW] * 8
    job = create_job(store, body(store, *rows, hyperparameters={"batch_size": 8}), options)
    done = train_job(store, job["id"], TrainRun(training=options))
    assert "4 rows of up to" in done["error"]["message"]
    store.jobs.resume(job["id"])
    fewer = replace(options, rows_at_once=1)
    done = train_job(store, job["id"], TrainRun(training=fewer))
    assert "1 row of up to" in done["error"]["message"]
    plan = json.loads((folder_of(store, job["id"]) / "plan.json").read_text())
    assert plan["schedule"]["rows_at_once"] == 1
