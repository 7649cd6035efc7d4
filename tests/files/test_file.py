"""Files of a store."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graders.jobs import ApiError, Store
from tests.examples import examples

HOSTILE = [
    "../../etc/passwd", "/etc/passwd", "..", ".", "", "file-\0", "file-/../x", "file-x\n", "%2e%2e",
    "file-" + "x" * 200, "ﬁle-x", "file-x; DROP TABLE file", "\ud800", "file-*", "CON",
]  # fmt: skip


def blobs(store: Store) -> list[str]:
    return sorted(one.name for one in (store.folder / "files").iterdir())


def test_a_file_is_kept_with_its_size_and_checksum(store: Store) -> None:
    made = store.files.create(io.BytesIO(b"abc"), filename="rows.jsonl", purpose="fine-tune")
    assert made["bytes"] == 3
    assert made["sha256"] == hashlib.sha256(b"abc").hexdigest()
    assert made["object"] == "file"
    assert made["status"] == "processed"
    assert store.files.get(made["id"]) == made
    assert store.files.path(made["id"]).read_bytes() == b"abc"


def test_a_store_is_for_its_owner_alone(store: Store) -> None:
    assert store.folder.stat().st_mode & 0o077 == 0


def test_pieces_are_written_as_they_come(store: Store) -> None:
    seen = []

    def pieces() -> Iterator[bytes]:
        for _ in range(4):
            part = [one for one in (store.folder / "files").iterdir() if one.name.startswith(".")]
            seen.append(len(part))
            yield b"x" * 100_000

    made = store.files.create(pieces(), filename="x", purpose="batch")
    assert seen == [1, 1, 1, 1]
    assert made["bytes"] == 400_000
    assert blobs(store) == [made["id"]]


def test_a_file_that_is_too_large_is_refused_and_leaves_nothing(store: Store) -> None:
    with pytest.raises(ApiError, match="larger than the 1,000 bytes") as caught:
        store.files.create([b"x" * 600] * 2, filename="x", purpose="batch", limit=1000)
    assert caught.value.status == 413
    assert blobs(store) == []
    assert store.files.create([b"x" * 1000], filename="x", purpose="batch", limit=1000)


def test_an_upload_that_breaks_off_leaves_nothing(store: Store) -> None:
    def broken() -> Iterator[bytes]:
        yield b"x"
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        store.files.create(broken(), filename="x", purpose="batch")
    assert blobs(store) == []
    assert store.files.list() == ([], False)


@pytest.mark.parametrize("name", ["../../x", "a/b\0c", "\ud800", "", "x" * 5000, "CON", "ä.jsonl"])
def test_what_a_file_is_called_is_only_shown(store: Store, name: str) -> None:
    made = store.files.create([b"x"], filename=name, purpose="fine-tune")
    assert blobs(store) == [made["id"]]
    assert len(made["filename"]) <= 1024


@pytest.mark.parametrize("name", HOSTILE)
def test_an_id_from_outside_leads_nowhere(store: Store, name: str) -> None:
    for call in (store.files.get, store.files.path, store.files.delete):
        with pytest.raises(ApiError, match="No such File object") as caught:
            call(name)
        assert caught.value.status == 404
        assert caught.value.param == "id"


def test_a_deleted_file_is_gone(store: Store) -> None:
    name = store.files.create([b"x"], filename="x", purpose="fine-tune")["id"]
    assert store.files.delete(name) == {"id": name, "object": "file", "deleted": True}
    assert blobs(store) == []
    with pytest.raises(ApiError, match=f"No such File object: {name}"):
        store.files.get(name)


def test_a_file_in_use_is_not_deleted(store: Store, body: Any) -> None:
    job = store.jobs.create(body())
    for name in (job["training_file"], job["validation_file"]):
        with pytest.raises(ApiError, match=f"{job['id']}, which is validating_files") as caught:
            store.files.delete(name)
        assert caught.value.status == 409
    store.jobs.cancel(job["id"])
    assert store.files.delete(job["training_file"])["deleted"]


@pytest.mark.parametrize(
    ("purpose", "says"),
    [("fine_tune", "did you mean fine-tune"), ("x", "it is one of"), ("fine-tune-results", "mean")],
)
def test_a_purpose_is_one_of_the_known(store: Store, purpose: str, says: str) -> None:
    with pytest.raises(ApiError, match=says) as caught:
        store.files.create([b"x"], filename="x", purpose=purpose)
    assert (caught.value.status, caught.value.param) == (400, "purpose")


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"anchor": "x", "seconds": 3600}, "expires_after.anchor"),
        ({"anchor": "created_at", "seconds": 3599}, "expires_after.seconds"),
        ({"anchor": "created_at", "seconds": True}, "expires_after.seconds"),
        ({"anchor": "created_at", "seconds": "3600"}, "expires_after.seconds"),
        ({"anchor": "created_at", "seconds": 10**30}, "expires_after.seconds"),
        ({"anchor": "created_at"}, "expires_after.seconds"),
        ([], "expires_after"),
    ],
)
def test_expires_after_is_checked(store: Store, given: Any, param: str) -> None:
    with pytest.raises(ApiError) as caught:
        store.files.create([b"x"], filename="x", purpose="batch", expires_after=given)
    assert (caught.value.status, caught.value.param) == (400, param)


def test_a_file_expires(store: Store) -> None:
    lasts = {"anchor": "created_at", "seconds": 3600}
    made = store.files.create([b"x"], filename="x", purpose="fine-tune", expires_after=lasts)
    assert made["expires_at"] == made["created_at"] + 3600
    with store.database.writing() as base:
        base.execute("UPDATE file SET expires_at=?", (int(time.time()),))
    assert store.files.list() == ([], False)
    with pytest.raises(ApiError, match="No such File object"):
        store.files.get(made["id"])
    with Store(store.folder):
        assert blobs(store) == []


def test_a_batch_file_expires_after_thirty_days(store: Store) -> None:
    made = store.files.create([b"x"], filename="x", purpose="batch")
    assert made["expires_at"] == made["created_at"] + 30 * 86400


def test_a_file_that_expires_is_kept_for_the_job_that_uses_it(store: Store, body: Any) -> None:
    job = store.jobs.create(body())
    with store.database.writing() as base:
        base.execute("UPDATE file SET expires_at=1 WHERE id=?", (job["training_file"],))
    with Store(store.folder):
        assert job["training_file"] in blobs(store)


def test_files_are_listed_newest_first_and_by_purpose(store: Store) -> None:
    names = [
        store.files.create([b"x"], filename="x", purpose=purpose)["id"]
        for purpose in ("batch", "fine-tune", "batch")
    ]
    assert [one["id"] for one in store.files.list()[0]] == names[::-1]
    assert [one["id"] for one in store.files.list(order="asc")[0]] == names
    assert [one["id"] for one in store.files.list(purpose="fine-tune")[0]] == [names[1]]
    assert store.files.list(purpose="\ud800") == ([], False)


@pytest.mark.parametrize(
    "arguments",
    [{"limit": -1}, {"limit": 10_001}, {"limit": True}, {"order": "up"},
     {"after": "file-none"}, {"after": "../x"}],
)  # fmt: skip
def test_a_page_that_cannot_be_is_refused(store: Store, arguments: Any) -> None:
    with pytest.raises(ApiError) as caught:
        store.files.list(**arguments)
    assert caught.value.status == 400
    assert caught.value.param in arguments


@settings(
    max_examples=examples(60),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    count=st.integers(0, 12),
    size=st.integers(1, 5),
    ascending=st.booleans(),
    deleted=st.sets(st.integers(0, 11)),
)
def test_pages_give_every_file_once_whatever_is_deleted_meanwhile(
    tmp_path_factory: pytest.TempPathFactory,
    count: int,
    size: int,
    ascending: bool,
    deleted: set[int],
) -> None:
    with Store(tmp_path_factory.mktemp("data")) as store:
        names = [
            store.files.create([b""], filename="x", purpose="fine-tune")["id"] for _ in range(count)
        ]
        wanted = names if ascending else names[::-1]
        seen: list[str] = []
        more, after = True, None
        while more:
            listed, more = store.files.list(
                after=after, limit=size, order="asc" if ascending else "desc"
            )
            assert len(listed) <= size
            assert listed or not more
            seen += [one["id"] for one in listed]
            after = seen[-1] if seen else None
            # What was shown already may go: the next page begins where this one ended.
            for index in deleted & set(range(len(seen))):
                if any(one["id"] == seen[index] for one in store.files.list()[0]):
                    store.files.delete(seen[index])
        assert seen == wanted


def test_what_a_killed_process_left_is_swept_away_later(store: Store) -> None:
    kept = store.files.create([b"x"], filename="x", purpose="fine-tune")["id"]
    left = [store.folder / "files" / name for name in (".part-1", "file-orphan")]
    for one in left:
        one.write_bytes(b"x")
    with Store(store.folder):
        assert all(one.exists() for one in left)  # Somebody may be writing them.
    for one in (*left, store.folder / "files" / kept):
        os.utime(one, (1, 1))
    with Store(store.folder):
        assert blobs(store) == [kept]


UPLOAD = """
import sys
from graders.jobs import Store
def pieces():
    yield b"x" * 1000
    print("writing", flush=True)
    sys.stdin.read()
Store(sys.argv[1]).files.create(pieces(), filename="x", purpose="fine-tune")
"""


@pytest.mark.more
def test_an_upload_killed_in_the_middle_is_no_file(tmp_path: Path) -> None:
    started = subprocess.Popen(
        [sys.executable, "-c", UPLOAD, str(tmp_path / "data")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with started:
        assert started.stdout is not None
        assert started.stdout.readline() == b"writing\n"
        started.kill()
    with Store(tmp_path / "data") as store:
        assert store.files.list() == ([], False)
        assert [name[:6] for name in blobs(store)] == [".part-"]


def test_threads_and_a_second_store_share_one_folder(store: Store) -> None:
    names: list[str] = []

    def work() -> None:
        with Store(store.folder) as other:
            for shared in (store, other):
                made = shared.files.create([b"x"], filename="x", purpose="fine-tune")
                names.append(made["id"])

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names) == 16
    assert {one["id"] for one in store.files.list()[0]} == set(names)


def test_a_store_of_a_newer_version_is_refused(store: Store) -> None:
    with store.database.writing() as base:
        base.execute("PRAGMA user_version=99")
    with pytest.raises(ApiError, match="newer version of graders"):
        Store(store.folder)


def test_a_database_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "graders.sqlite").write_bytes(b"not a database, but long enough to be read" * 50)
    with pytest.raises(ApiError, match="cannot be used: file is not a database"):
        Store(tmp_path)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("a file")
    with pytest.raises(ApiError, match="cannot be used: Not a directory"):
        Store(tmp_path / "x" / "data")


def test_content_removed_behind_the_store_is_said(store: Store) -> None:
    name = store.files.create([b"x"], filename="x", purpose="fine-tune")["id"]
    (store.folder / "files" / name).unlink()
    with pytest.raises(ApiError, match="was removed from the store's folder"):
        store.files.path(name)


FULL = """
import resource, signal, sys
from graders.jobs import ApiError, Store
store = Store(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
try:
    store.files.create([b"x" * 100_000] * 20, filename="x", purpose="fine-tune")
except ApiError as error:
    print(error.status, error)
"""


@pytest.mark.more
def test_a_disk_that_takes_no_more_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("503 the store ")
    assert "File too large" in done.stdout
    with Store(tmp_path) as store:
        assert blobs(store) == []
        assert store.files.list() == ([], False)
