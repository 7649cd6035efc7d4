"""`graders data` shows what is kept; `graders data clear` takes away what is old and not needed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from graders.jobs import Store, run_job
from graders.models.cache import ReplyCache
from tests.jobs.conftest import CHECK, lines, rows

Command = Callable[..., Any]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("GRADERS_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("GRADERS_CACHE_FILE", str(tmp_path / "replies.sqlite"))
    with Store(tmp_path / "data") as opened:
        yield opened


def make(store: Store) -> dict[str, str]:
    """A finished job, one that waits, and a file that nobody needs."""
    file, other, alone = (
        store.files.create([lines(rows(n))], filename=f"{n}.jsonl", purpose="fine-tune")["id"]
        for n in (3, 4, 5)
    )
    made = {"alone": alone, "needed": other}
    for name, training in (("done", file), ("waits", other)):
        body = {
            "model": "o4-mini-2025-04-16", "training_file": training, "validation_file": training,
            "method": {"type": "reinforcement", "reinforcement": {"grader": CHECK}},
        }  # fmt: skip
        made[name] = store.jobs.create(body)["id"]
    made["result"] = run_job(store, made["done"])["result_files"][0]
    with store.database.writing() as base:
        base.execute("UPDATE file SET created_at=created_at-40*86400")
        base.execute(
            "UPDATE job SET created_at=created_at-40*86400, finished_at=finished_at-40*86400"
        )
    return made


def blobs(store: Store) -> set[str]:
    return {path.name for path in (store.folder / "files").iterdir()}


def test_what_is_kept_is_shown(store: Store, command: Command) -> None:
    make(store)
    done = command("data")
    assert done.code == 0
    assert "uploaded files: 3" in done.out
    assert "the oldest 40 days old" in done.out
    found = {one["data"]: one for one in command("data", "--json").json}
    assert found["jobs"]["entries"] == 2
    assert found["results of jobs"]["bytes"] > 0


def test_nothing_is_made_by_looking(tmp_path: Path, command: Command) -> None:
    done = command("data", "--data-dir", str(tmp_path / "none"))
    assert "uploaded files" not in done.out
    assert not (tmp_path / "none").exists()


def test_what_is_old_is_cleared_and_what_a_job_needs_stays(store: Store, command: Command) -> None:
    made = make(store)
    before = blobs(store)
    shown = command("data", "clear", "--older-than", "30d", "--dry-run")
    assert shown.code == 0
    assert "would be cleared" in shown.out
    assert blobs(store) == before
    assert command("data", "clear", "--older-than", "50d", "--yes").out.startswith("0 ")
    assert blobs(store) == before
    done = command("data", "clear", "--older-than", "30d", "--yes")
    assert done.code == 0
    assert made["needed"] not in done.out
    assert blobs(store) == {made["needed"]}
    assert [one["id"] for one in store.jobs.list()[0]] == [made["waits"]]
    assert run_job(store, made["waits"])["status"] == "succeeded"


def test_only_what_was_chosen_is_cleared(store: Store, command: Command) -> None:
    made = make(store)
    before = blobs(store)
    command("data", "clear", "--older-than", "30d", "--what", "results", "--yes")
    assert blobs(store) == before - {made["result"]}
    with store.jobs.claim(made["done"]):
        command("data", "clear", "--older-than", "30d", "--what", "jobs", "--yes")
        assert store.jobs.get(made["done"])["status"] == "succeeded"


def test_a_cache_is_cleared_unless_somebody_has_it_open(
    store: Store, command: Command, tmp_path: Path
) -> None:
    path = tmp_path / "replies.sqlite"
    with ReplyCache(path) as cache:
        cache.put(b"a", b"b")
        done = command("data", "clear", "--older-than", "0d", "--what", "cache", "--yes")
        assert "is in use and stays" in done.err
        assert cache.get(b"a") == b"b"
    command("data", "clear", "--older-than", "0d", "--what", "cache", "--yes")
    with closing(sqlite3.connect(path)) as base:
        assert base.execute("SELECT count(*) FROM reply").fetchone() == (0,)


@pytest.mark.parametrize("given", ["30", "d", "-1d", "1y", "1e3d"])
def test_an_age_that_is_none_is_said(command: Command, given: str) -> None:
    done = command("data", "clear", "--older-than", given)
    assert done.code == 2
    assert "is not an age such as 30d" in done.err
