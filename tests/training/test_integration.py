"""Where a job's curves go, and what is said where they do not."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from graders.training import integration
from graders.training.integration import reporting

WANDB = {"type": "wandb", "wandb": {"project": "p", "tags": ["a"]}}


class Told:
    """What a session is told."""

    def __init__(self, folder: Path, *integrations: Any) -> None:
        self.folder = folder
        self.plan = {"integrations": integrations, "name": "ft:m", "job": "ftjob-1"}
        self.notes: list[str] = []

    def note(self, message: str, level: str = "warn") -> None:
        self.notes.append(f"{level}: {message}")


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """A wandb that writes down how it was begun, and every library there."""
    begun: list[dict[str, Any]] = []
    library = ModuleType("wandb")
    library.init = lambda **said: begun.append(said)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", library)
    monkeypatch.setattr(integration, "find_spec", lambda _: object())
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    return begun


def told(folder: Path, *integrations: Any) -> tuple[dict[str, Any], list[str]]:
    session: Any = Told(folder, *integrations)
    return reporting(session), session.notes


def test_none_is_the_rule(tmp_path: Path) -> None:
    assert told(tmp_path) == ({"report_to": [], "run_name": "ft:m"}, [])


def test_a_library_that_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integration, "find_spec", lambda _: None)
    found, notes = told(tmp_path, WANDB, {"type": "tensorboard"})
    assert found["report_to"] == []
    assert notes == [
        "warn: The wandb integration gets nothing: wandb is not installed (pip install wandb)",
        "warn: The tensorboard integration gets nothing: tensorboard is not installed (pip install tensorboard)",
    ]  # fmt: skip


@pytest.mark.usefixtures("there")
def test_a_missing_key_is_said(
    tmp_path: Path, there: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    found, notes = told(tmp_path, WANDB)
    assert (found["report_to"], there) == ([], [])
    assert notes == ["warn: The wandb integration gets nothing: no key (WANDB_API_KEY)"]


def test_a_run_of_a_job_is_one_however_often_it_goes_on(
    tmp_path: Path, there: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "k")
    found, notes = told(tmp_path, WANDB)
    assert found["report_to"] == ["wandb"]
    assert there[0]["id"] == "ftjob-1"
    assert (there[0]["project"], there[0]["resume"], there[0]["tags"]) == ("p", "allow", ["a"])
    assert notes == ["info: Losses and rewards go to wandb: p"]


@pytest.mark.usefixtures("there")
def test_what_cannot_be_reached_holds_no_job_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: Any) -> None:
        raise RuntimeError("no way through")

    monkeypatch.setenv("WANDB_API_KEY", "k")
    monkeypatch.setattr(sys.modules["wandb"], "init", fail)
    found, notes = told(tmp_path, WANDB)
    assert found["report_to"] == []
    assert "RuntimeError: no way through" in notes[0]


@pytest.mark.usefixtures("there")
def test_tensorboard_and_trackio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TRACKIO_DIR", "TENSORBOARD_LOGGING_DIR"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    trackio = {"type": "trackio", "trackio": {"project": "p"}}
    found, _ = told(tmp_path, {"type": "tensorboard"}, trackio)
    assert found == {
        "report_to": ["tensorboard", "trackio"], "run_name": "ft:m", "project": "p",
    }  # fmt: skip
