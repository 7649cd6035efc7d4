"""A file that several open at once: who finds it locked tries again, as long as it was told."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from graders import sqlite


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[sqlite3.Connection, sqlite3.Connection]]:
    """Return two connections to a new file; the first has it locked, and neither waits by itself."""

    def opened() -> sqlite3.Connection:
        return sqlite3.connect(tmp_path / "one.sqlite", timeout=0, isolation_level=None)

    with closing(opened()) as first, closing(opened()) as second:
        first.execute("CREATE TABLE one (value)")
        first.execute("BEGIN EXCLUSIVE")
        yield first, second


def test_the_switch_is_tried_until_the_others_are_done(
    pair: tuple[sqlite3.Connection, sqlite3.Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = pair
    monkeypatch.setattr("graders.sqlite.time.sleep", lambda _: first.execute("COMMIT"))
    sqlite.log_ahead(second, seconds=60)
    assert second.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_file_that_stays_locked_is_given_up_in_the_end(
    pair: tuple[sqlite3.Connection, sqlite3.Connection],
) -> None:
    with pytest.raises(sqlite3.OperationalError) as caught:
        sqlite.log_ahead(pair[1], seconds=0)
    assert sqlite.sqlite_problem(caught.value) == (5, "database is locked")
