"""Files and folders are their owner's alone, whatever the umask and whoever made what is around."""

from __future__ import annotations

import os
import shlex
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from graders import privacy

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o277], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_folders_that_are_made_are_private_and_those_that_were_there_stay(tmp_path, umask):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o755)
    privacy.private_folder(shared / "a" / "b")
    privacy.private_folder(shared)
    assert [mode(one) for one in (shared, shared / "a", shared / "a" / "b")] == [
        0o755,
        0o700,
        0o700,
    ]


def test_a_name_that_a_file_has_makes_no_folder(tmp_path):
    (tmp_path / "x").write_text("")
    for path in (tmp_path / "x", tmp_path / "x" / "y"):
        with pytest.raises(OSError, match="x"):
            privacy.private_folder(path)


def test_a_file_that_is_made_is_private_and_one_that_was_there_stays(tmp_path, umask):
    path = tmp_path / "f"
    assert privacy.private_file(path)
    assert (mode(path), path.read_bytes()) == (0o600, b"")
    path.write_bytes(b"kept")
    path.chmod(0o640)
    assert not privacy.private_file(path)
    assert (mode(path), path.read_bytes()) == (0o640, b"kept")


def test_a_file_is_private_where_nodes_cannot_be_made(tmp_path, umask, monkeypatch):
    def refused(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "mknod", refused, raising=False)
    assert privacy.private_file(tmp_path / "f")
    assert mode(tmp_path / "f") == 0o600
    assert not privacy.private_file(tmp_path / "f")


def test_a_file_opened_anew_is_private(tmp_path, umask):
    with open(tmp_path / "f", "xb", opener=privacy.opener) as stream:
        assert mode(tmp_path / "f") == 0o600
        stream.write(b"x")
    (tmp_path / "f").chmod(0o644)
    with open(tmp_path / "f", "rb", opener=privacy.opener) as stream:
        assert stream.read() == b"x"
    assert mode(tmp_path / "f") == 0o644  # Whoever reads changes nothing.


def test_what_sqlite_puts_beside_a_private_database_is_private(tmp_path, umask):
    path = tmp_path / "d"
    privacy.private_file(path)
    base = sqlite3.connect(path)
    base.execute("PRAGMA journal_mode=WAL")
    base.execute("CREATE TABLE t (a)")
    made = {one.name: mode(one) for one in tmp_path.iterdir()}
    base.close()
    assert made == {"d": 0o600, "d-wal": 0o600, "d-shm": 0o600}


def test_what_is_open_to_others_is_said_and_closed(tmp_path):
    path = tmp_path / "a b"
    for name in ("a b", "a b-wal", "a b-shm"):
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(0o664)
    (tmp_path / "link").symlink_to(path)
    for one in (path, tmp_path / "link"):
        told = privacy.exposed(one, "the cache") or ""
        assert told.startswith(f"the cache {one} is open to other users")
        assert told.endswith(f"(its mode is 0664); close it by: chmod 600 {shlex.quote(str(one))}")
    privacy.close_to_others(path)
    assert {mode(one) for one in tmp_path.iterdir()} == {0o600}
    assert privacy.exposed(path, "the cache") is None
    assert privacy.exposed(tmp_path / "none", "the cache") is None
    tmp_path.chmod(0o755)
    assert (privacy.exposed(tmp_path, "the folder") or "").endswith(f"chmod 700 {tmp_path}")
    privacy.close_to_others(tmp_path)
    assert mode(tmp_path) == 0o700


def test_a_link_is_not_followed_to_change_a_mode(tmp_path):
    (tmp_path / "other").write_text("")
    (tmp_path / "other").chmod(0o644)
    (tmp_path / "d").write_text("")
    (tmp_path / "d-wal").symlink_to(tmp_path / "other")
    privacy.close_to_others(tmp_path / "d")
    assert mode(tmp_path / "other") == 0o644
