"""Where a job's curves go, and what is said where they do not."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from graders.adapters import wandb
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
    monkeypatch.setitem(sys.modules, "trackio", library)
    for module in (integration, wandb):
        monkeypatch.setattr(module, "find_spec", lambda _: object())
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    return begun


def told(folder: Path, *integrations: Any) -> tuple[dict[str, Any], list[str]]:
    session: Any = Told(folder, *integrations)
    return reporting(session), session.notes


def test_none_is_the_rule(tmp_path: Path) -> None:
    assert told(tmp_path) == ({"report_to": [], "run_name": "ft:m"}, [])


def test_a_library_that_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (integration, wandb):
        monkeypatch.setattr(module, "find_spec", lambda _: None)
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


def test_tensorboard_and_trackio(
    tmp_path: Path, there: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        "TRACKIO_DIR",
        "TENSORBOARD_LOGGING_DIR",
        "TRACKIO_SPACE_ID",
        "TRACKIO_SERVER_URL",
    ):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    trackio = {"type": "trackio", "trackio": {"project": "p"}}
    found, notes = told(tmp_path, {"type": "tensorboard"}, trackio)
    assert found == {
        "report_to": ["tensorboard", "trackio"], "run_name": "ft:m", "project": "p",
    }  # fmt: skip
    assert there == [{"project": "p", "name": "ft:m", "resume": "allow", "embed": False}]
    assert notes == [
        f"info: Losses and rewards go to tensorboard: {tmp_path / 'tensorboard'}",
        f"info: Losses and rewards go to trackio: p, in {tmp_path / 'trackio'}",
    ]


def test_wandb_that_is_offline_says_where_and_one_that_is_disabled_that_nothing_is_kept(
    tmp_path: Path, there: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert told(tmp_path, WANDB)[1] == [
        f"info: Losses and rewards go to wandb: p, in {tmp_path / 'wandb'} until wandb sync sends them"
    ]
    assert len(there) == 1
    monkeypatch.setenv("WANDB_MODE", "disabled")
    found, notes = told(tmp_path, WANDB)
    assert (found["report_to"], len(there)) == ([], 1)
    assert notes == ["warn: The wandb integration gets nothing: WANDB_MODE is disabled"]


def test_a_login_at_a_server_of_ones_own_is_a_key(
    tmp_path: Path, there: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example.com:8443/")
    (tmp_path / ".netrc").write_text("machine wandb.example.com login user password k\n")
    (tmp_path / ".netrc").chmod(0o600)
    assert told(tmp_path, WANDB)[0]["report_to"] == ["wandb"]
    assert len(there) == 1


def test_what_is_on_its_way_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[bool] = []
    library = ModuleType("wandb")
    library.run = object()  # type: ignore[attr-defined]
    library.finish = lambda code: ended.append(code == 0)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", library)
    wandb.finish()
    assert ended == [True]
    library.run = None  # type: ignore[attr-defined]
    wandb.finish()
    assert len(ended) == 1
