"""What a store may take is kept whoever fills it, however many at once, and with whatever."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from graders.jobs import ApiError, Store, run_job
from tests.jobs.conftest import CHECK, lines, rows

MOST = 4 << 20


@pytest.fixture
def tight(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "data", MOST) as opened:
        yield opened


def put(store: Store, size: int, **more: Any) -> Any:
    return store.files.create([b"x" * size], filename="x", purpose="fine-tune", **more)


def announce(store: Store, size: int) -> str:
    made = store.uploads.create(
        filename="x", purpose="fine-tune", size=size, mime_type="text/plain"
    )
    return str(made["id"])


def refused(function: Any, *args: Any) -> None:
    with pytest.raises(ApiError, match=r"4,194,304 bytes \(--max-stored\)") as caught:
        function(*args)
    assert (caught.value.status, caught.value.code) == (413, "storage_quota_exceeded")


def test_what_is_too_much_is_refused_and_not_kept(tight: Store) -> None:
    kept = put(tight, 3 << 20)["id"]
    refused(put, tight, 1 << 20)
    refused(announce, tight, 1 << 20)
    assert [path.name for path in (tight.folder / "files").iterdir()] == [kept]
    tight.files.delete(kept)
    assert put(tight, 3 << 20)["bytes"] == 3 << 20


def fits(function: Any, *args: Any) -> bool:
    """Whether the store takes something; that it refuses it for its quota if not."""
    try:
        function(*args)
    except ApiError as error:
        if error.code != "storage_quota_exceeded":
            raise
        return False
    return True


def test_files_at_once_do_not_take_more_together(tight: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        kept = sum(pool.map(lambda _: fits(put, tight, 300_000), range(40)))
    taken = sum(path.stat().st_size for path in (tight.folder / "files").iterdir())
    assert taken == kept * 300_000
    assert MOST - 700_000 < taken < MOST


def test_parts_at_once_do_not_take_more_together(tight: Store) -> None:
    names = [announce(tight, 300_000) for _ in range(4)]

    def one(n: int) -> bool:
        return fits(tight.uploads.add, names[n % 4], io.BytesIO(b"x" * 300_000))

    with ThreadPoolExecutor(8) as pool:
        kept = sum(pool.map(one, range(40)))
    taken = sum(path.stat().st_size for path in (tight.folder / "uploads").rglob("*part_*"))
    assert taken == kept * 300_000
    assert MOST - 900_000 < taken < MOST


def test_empty_things_count_too(tight: Store) -> None:
    name = announce(tight, 0)
    most = MOST // (16 << 10)
    assert sum(fits(tight.uploads.add, name, io.BytesIO()) for _ in range(most)) < most
    refused(put, tight, 0)
    refused(announce, tight, 0)


def test_an_upload_that_fits_can_be_completed(tight: Store) -> None:
    name = announce(tight, 3 << 20)
    part = tight.uploads.add(name, io.BytesIO(b"x" * (3 << 20)))["id"]
    assert tight.uploads.complete(name, [part])["file"]["bytes"] == 3 << 20


def test_a_job_that_runs_ends_though_the_store_is_full(tight: Store) -> None:
    file = tight.files.create([lines(rows(4))], filename="x", purpose="fine-tune")["id"]
    body = {
        "model": "o4-mini-2025-04-16", "training_file": file, "validation_file": file,
        "method": {"type": "reinforcement", "reinforcement": {"grader": CHECK}},
    }  # fmt: skip
    name = tight.jobs.create(body)["id"]
    for size in (1 << 20, 200_000, 20_000):
        for _ in range(20):
            fits(put, tight, size)
    refused(put, tight, 1)
    refused(tight.jobs.create, body)
    assert run_job(tight, name)["status"] == "succeeded"


def test_what_has_expired_makes_room(tight: Store) -> None:
    first = put(tight, 3 << 20, expires_after={"anchor": "created_at", "seconds": 3600})["id"]
    refused(put, tight, 1 << 20)
    with tight.database.writing() as base:
        base.execute("UPDATE file SET expires_at=? WHERE id=?", (int(time.time()) - 1, first))
    assert put(tight, 1 << 20)["bytes"] == 1 << 20


def test_parts_that_nobody_can_use_any_more_are_taken_away(tight: Store) -> None:
    name = announce(tight, 1000)
    tight.uploads.add(name, io.BytesIO(b"x" * 1000))
    place = tight.folder / "uploads" / name
    os.utime(place, (time.time() - 3 * 3600,) * 2)
    announce(tight, 1)
    assert [path.name for path in place.iterdir()] == ["upload.json"]
