"""A disk without room, and other users' eyes: nothing is left half done, and nothing is open."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import resource
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from graders.files import disk
from graders.jobs import ApiError, Store, run_job
from tests.jobs.conftest import lines, rows


class Disk:
    """A small file system of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filler = path / "filler"

    def fill(self) -> None:
        with self._filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(b"x" * 4096):
                pass

    def empty(self) -> None:
        self._filler.unlink()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Disk]:
    """A tmpfs of four megabytes."""
    place = tmp_path / "small"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)],
        capture_output=True, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.skip("only the administrator mounts file systems")
    yield Disk(place)
    subprocess.run(["umount", "-l", str(place)], check=True)


def left(store: Store) -> list[str]:
    """What stands in the folders of files and uploads."""
    return sorted(
        str(path.relative_to(store.folder))
        for name in ("files", "uploads")
        for path in (store.folder / name).rglob("*")
        if path.is_file() and path.name != "upload.json"
    )


@pytest.mark.parametrize("size", [1, 8000, 9000, 300_000])
def test_no_room_for_a_file_is_said_whatever_its_size(small: Disk, size: int) -> None:
    with Store(small.path / "data") as store:
        upload = store.uploads.create(
            filename="x", purpose="fine-tune", size=size, mime_type="text/plain"
        )["id"]
        small.fill()
        content = b"x" * size
        puts: tuple[Callable[[], object], ...] = (
            lambda: store.files.create(io.BytesIO(content), filename="x", purpose="fine-tune"),
            lambda: store.uploads.add(upload, io.BytesIO(content)),
        )
        for put in puts:
            with pytest.raises(ApiError, match="No space left on device; make room") as caught:
                put()
            assert (caught.value.status, caught.value.code) == (507, "storage")
        with pytest.raises(ApiError) as caught:
            store.uploads.create(filename="x", purpose="fine-tune", size=1, mime_type="text/plain")
        assert caught.value.status == 507
        assert left(store) == []
        assert [path.name for path in (store.folder / "uploads").iterdir()] == [upload]
        small.empty()
        part = store.uploads.add(upload, io.BytesIO(content))["id"]
        assert store.uploads.complete(upload, [part])["file"]["bytes"] == size


def test_a_write_that_fails_late_leaves_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("graders.files.disk.os.fsync", full)
    with pytest.raises(ApiError) as caught:
        store.files.create([b"x"], filename="x", purpose="fine-tune")
    assert caught.value.status == 507
    with pytest.raises(ApiError) as caught:
        store.uploads.create(filename="x", purpose="fine-tune", size=1, mime_type="text/plain")
    assert caught.value.status == 507
    assert left(store) == []
    assert list((store.folder / "uploads").iterdir()) == []


def test_a_job_that_waits_for_room_says_so_and_goes_on(small: Disk) -> None:
    with Store(small.path / "data") as store:
        training, validation = (
            store.files.create([lines(rows(n))], filename="x", purpose="fine-tune")["id"]
            for n in (12, 4)
        )
        check = {
            "type": "string_check", "name": "check", "operation": "eq",
            "input": "{{ sample.output_text }}", "reference": "{{ item.answer }}",
        }  # fmt: skip
        method = {"type": "reinforcement", "reinforcement": {"grader": check}}
        body = {"model": "o4-mini-2025-04-16", "training_file": training,
                "validation_file": validation, "method": method}  # fmt: skip
        name = store.jobs.create(body)["id"]
        small.fill()
        for _ in range(3):
            with pytest.raises(ApiError) as caught:
                run_job(store, name)
            assert caught.value.status == 507
        said = [one["message"] for one in store.jobs.events(name)[0]]
        assert [one.startswith("The job waits for room on the disk") for one in said].count(1) == 1
        assert store.jobs.get(name)["status"] in ("validating_files", "queued", "running")
        small.empty()
        assert run_job(store, name)["status"] == "succeeded"
        said = [one["message"] for one in store.jobs.events(name, limit=100)[0]]
        assert "There is room on the disk again: the job goes on" in said


def test_no_descriptors_left_is_said_as_such(store: Store) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    store.close()
    held: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    try:
        with contextlib.suppress(OSError):
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        with pytest.raises(ApiError, match="as many files open as it may") as caught:
            store.files.list()
    finally:
        for one in held:
            os.close(one)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (caught.value.status, caught.value.code) == (503, "too_many_open_files")
    assert store.files.list() == ([], False)


@pytest.fixture
def umask() -> Iterator[Callable[[int], int]]:
    before = os.umask(0)
    yield os.umask
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    return {
        str(path.relative_to(folder)): stat.S_IMODE(path.lstat().st_mode)
        for path in (folder, *folder.rglob("*"))
    }


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o277])
@pytest.mark.parametrize("made", [True, False])
def test_a_store_is_its_owners_alone(
    tmp_path: Path, umask: Callable[[int], int], mask: int, made: bool
) -> None:
    folder = tmp_path / "data"
    if made:
        folder.mkdir()
        folder.chmod(0o755)
    umask(mask)
    with Store(folder) as store:
        store.files.create([b"x"], filename="x", purpose="fine-tune")
        upload = store.uploads.create(
            filename="x", purpose="fine-tune", size=1, mime_type="text/plain"
        )["id"]
        store.uploads.add(upload, io.BytesIO(b"x"))
        training = store.files.create([lines(rows(1))], filename="x", purpose="fine-tune")["id"]
        method = {"type": "supervised"}
        body = {"model": "gpt-4o-mini", "training_file": training, "method": method}
        with store.jobs.claim(store.jobs.create(body)["id"]):
            found = modes(folder)
    assert any(name.endswith("-wal") for name in found)
    assert len(found) > 9
    for name, mode in found.items():
        assert mode == (0o700 if (folder / name).is_dir() else 0o600), name
    assert store.warning is None


def test_what_was_open_before_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with Store(folder) as store:
        store.files.create([b"x"], filename="x", purpose="fine-tune")
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    Store(folder).close()
    assert not [name for name, mode in modes(folder).items() if mode & 0o077]


def test_a_folder_that_holds_other_things_keeps_its_mode_and_is_warned_of(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "other").write_text("of somebody else's program")
    (tmp_path / "other").chmod(0o644)
    with Store(tmp_path) as store:
        assert store.warning is not None
        assert "is open to other users" in store.warning
    found = modes(tmp_path)
    assert (found.pop("."), found.pop("other")) == (0o755, 0o644)
    assert not [name for name, mode in found.items() if mode & 0o077]


@pytest.mark.skipif(os.geteuid() != 0, reason="only the administrator gives files away")
def test_a_store_in_which_others_have_a_hand_is_refused(tmp_path: Path) -> None:
    with Store(tmp_path / "data"):
        pass
    os.chown(tmp_path / "data" / "files", 4242, 4242)
    with pytest.raises(ApiError, match=r"belongs to another user \(uid 4242\)"):
        Store(tmp_path / "data")


def test_a_database_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "graders.sqlite").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ApiError, match="is a symbolic link"):
        Store(tmp_path / "data")
    assert not (tmp_path / "elsewhere").exists()


def test_a_store_removed_while_it_is_open_takes_nothing_more(store: Store) -> None:
    shutil.rmtree(store.folder)
    for act in (
        store.files.list,
        lambda: store.files.create([b"x"], filename="x", purpose="fine-tune"),
    ):
        with pytest.raises(ApiError) as caught:
            act()
        assert caught.value.status == 503
    assert not store.folder.exists()


def test_room_is_asked_of_the_disk(tmp_path: Path) -> None:
    assert disk.has_room(tmp_path / "missing" / "x")
    assert disk.has_room(tmp_path)
    assert not disk.has_room(tmp_path, 1 << 60)
