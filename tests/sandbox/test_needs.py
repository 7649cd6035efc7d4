"""What the sandbox lacks where it runs, in a sentence with what gives it."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from graders.errors import UnavailableError
from graders.sandbox import PythonOptions, check_held, lacks, needs
from graders.sandbox.inside import lockdown
from tests.sandbox.conftest import needs_standard

OPTIONS = PythonOptions(workers=2, memory=1 << 30, disk=512 << 20)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with room for everything: its cgroups, and what `probe` says of it."""
    monkeypatch.setattr(needs, "_CGROUPS", tmp_path)
    monkeypatch.setattr(needs, "_is_tmpfs", lambda _: True)
    monkeypatch.setattr(needs, "_in_container", lambda: True)
    monkeypatch.setattr(needs, "require", lambda level: level or "standard")
    poor = type("Report", (), {"filesystem": "", "available": ("standard",)})
    monkeypatch.setattr(needs, "probe", lambda: poor)
    monkeypatch.setattr("resource.getrlimit", lambda _: (8192, 8192))
    return tmp_path


def test_where_nothing_is_missing_nothing_is_said(machine: Path) -> None:
    (machine / "memory.max").write_text("max\n")
    (machine / "pids.max").write_text("512\n")
    assert lacks(OPTIONS) == []


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("memory.max", "2147483648", "limited to 2.0 GiB, and 2 workers of python graders may take 4.0 GiB"),
        ("memory.max", "2147483648", "--memory 4096m gives it, or take less by --python-workers"),
        ("memory/memory.limit_in_bytes", "2147483648", "limited to 2.0 GiB"),
        ("pids.max", "20", "limited to 20, fewer than 128: --pids-limit 128 gives it"),
    ],
)  # fmt: skip
def test_a_low_limit_of_a_cgroup_is_said(machine: Path, file: str, text: str, said: str) -> None:
    (machine / file).parent.mkdir(exist_ok=True)
    (machine / file).write_text(f"{text}\n")
    (found,) = lacks(OPTIONS)
    assert said in found


@pytest.mark.parametrize("text", ["max", "9223372036854771712", "", "\xff", "-1"])
def test_what_is_no_limit_is_none(machine: Path, text: str) -> None:
    (machine / "memory.max").write_text(text, encoding="latin-1")
    assert lacks(OPTIONS) == []


def test_scratch_on_the_disk_is_said_and_too_little_of_it(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poor = type("Report", (), {"filesystem": "Operation not permitted"})
    monkeypatch.setattr(needs, "probe", lambda: poor)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 64 << 20}))
    polled, little = lacks(OPTIONS)
    assert (
        "no mount namespace (Operation not permitted): --security-opt seccomp=unconfined" in polled
    )
    assert "has 0.1 GiB free, less than the 1.0 GiB of 2 workers' files: --tmpfs " in little
    assert ":size=1024M gives it" in little


def test_few_open_files_and_process_one_are_said(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (256, 256))
    with monkeypatch.context() as context:
        context.setattr(os, "getpid", lambda: 1)
        files, first = lacks(OPTIONS)
    assert files == "256 files may be open, fewer than 1,024: --ulimit nofile=8192 gives it"
    assert "--init gives one" in first


def test_beside_a_container_the_machines_own_ways_are_named(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(needs, "_in_container", lambda: False)
    (machine / "pids.max").write_text("20\n")
    assert lacks(OPTIONS)[0].endswith("TasksMax= of its unit gives it")


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSYS, "the container's seccomp profile refuses Landlock: Docker 23"),
        (errno.EPERM, "the container's seccomp profile refuses Landlock: Docker 23"),
        (errno.EOPNOTSUPP, "boot with landlock in the kernel's lsm="),
        (0, "graders doctor says more"),
    ],
)
def test_where_graders_would_not_be_held_it_is_said_and_a_level_by_name_refuses(
    machine: Path, monkeypatch: pytest.MonkeyPatch, number: int, said: str
) -> None:
    def refuse(_: Any) -> Any:
        raise UnavailableError("there is no level")

    monkeypatch.setattr(needs, "require", refuse)
    monkeypatch.setattr(lockdown, "landlock_errno", lambda: number)
    (found,) = lacks(OPTIONS)
    assert found.startswith("python graders are refused: there is no level; ")
    assert said in found
    check_held(
        OPTIONS
    )  # Nobody asked for a level by name: others than python graders can be served.
    with pytest.raises(UnavailableError) as refused:
        check_held(PythonOptions(sandbox="standard"))
    assert said in str(refused.value)


@needs_standard
def test_this_machine_holds_them() -> None:
    check_held(PythonOptions(sandbox="standard"))
    assert not any(one.startswith("python graders are refused") for one in lacks(PythonOptions()))
