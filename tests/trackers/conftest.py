"""The command, in this process and in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.models.conftest import command  # noqa: F401  (a fixture)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trackers put what has no other place beside whoever calls them."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
