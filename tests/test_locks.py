"""The locks of tools/lock: in step with pyproject.toml, complete, hashed, above known holes."""

from __future__ import annotations

import importlib.util
import re
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
LOCKS = sorted((ROOT / "tools/lock").glob("*.txt"))
PINNED = re.compile(r"([a-z0-9._-]+)==([^\s;\\]+)( ;.*)? \\")

# The lowest version without a known hole; a floor must not be below it.
MENDED = {
    "nltk": "3.10.4", "jinja2": "3.1.6", "mcp": "1.27.2", "mlflow": "3.11.0", "python-multipart": "0.0.31",
    "starlette": "1.3.1",
}  # fmt: skip


def tool(name: str) -> ModuleType:
    place = importlib.util.spec_from_file_location(f"tools_{name}", ROOT / "tools" / f"{name}.py")
    assert place is not None
    assert place.loader is not None
    module = importlib.util.module_from_spec(place)
    place.loader.exec_module(module)
    return module


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def asked() -> list[str]:
    """Return every requirement of pyproject.toml, whichever part it stands in."""
    whole = project()
    parts = [
        [whole["project"]["dependencies"]],
        whole["project"]["optional-dependencies"].values(),
        whole["dependency-groups"].values(),
    ]
    return [line for lists in parts for lines in lists for line in lines]


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(digits) for digits in re.findall(r"\d+", version))


@pytest.fixture(scope="module")
def lock() -> ModuleType:
    return tool("lock")


def test_every_lock_was_made_from_what_is_asked_for_today(lock: ModuleType) -> None:
    assert lock.stale() == [], "run: make lock"


def test_a_lock_is_stale_when_pyproject_asks_for_something_else(
    lock: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = project()
    changed["dependency-groups"]["scale"].append("another>=1")
    monkeypatch.setattr(lock, "_project", lambda: changed)
    assert lock.stale() == ["scale"]
    changed["project"]["dependencies"].append("another>=1")
    assert set(lock.stale()) == set(lock.PROJECT)


def test_there_is_no_lock_that_nothing_makes(lock: ModuleType) -> None:
    assert [path.stem for path in LOCKS] == sorted(lock.names())


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_a_lock_pins_every_package_with_hashes_and_names_no_host(path: Path) -> None:
    first, *rest = path.read_text(encoding="utf-8").splitlines()
    assert first.startswith("# Made by `make lock` from ")
    packages = [line for line in rest if not line.startswith("    --hash=sha256:")]
    assert packages
    for line in packages:
        assert PINNED.fullmatch(line), line
    assert not re.search(r"https?:|://|index-url", "\n".join(rest))


def test_the_projects_own_locks_agree_on_every_version(lock: ModuleType) -> None:
    """One environment takes core, dev, scale, browser, hooks and site one after another; remote, spark and trackers have their own."""
    versions: dict[str, set[str]] = {}
    for name in lock.PROJECT.keys() - {"remote", "spark", "trackers"}:
        for package, version, _ in PINNED.findall(lock.path(name).read_text("utf-8")):
            versions.setdefault(package, set()).add(version)
    both = {package for package, found in versions.items() if len(found) > 1}
    assert both <= {"numpy", "pymdown-extensions", "scipy"}, (
        "one version for each Python at the most"
    )


@pytest.mark.parametrize(("name", "mended"), sorted(MENDED.items()))
def test_floors_stand_above_known_holes(name: str, mended: str) -> None:
    lines = [line for line in asked() if re.match(rf"{re.escape(name)}[>= ]", line)]
    assert lines
    for line in lines:
        floor = re.search(r">=\s*([0-9.]+)", line)
        assert floor is not None, line
        assert numbers(floor.group(1)) >= numbers(mended), line


def test_what_runs_has_a_lower_bound_and_no_upper_one_without_a_reason() -> None:
    for line in project()["project"]["dependencies"]:
        assert ">=" in line, line
        assert "<" not in line.partition(";")[0], f"{line}: an upper bound wants a known break"


def test_an_environment_is_made_by_any_supported_python_with_nothing_installed() -> None:
    source = (ROOT / "tools/environment.py").read_text(encoding="utf-8")
    imported = set(re.findall(r"^(?:from|import) (\w+)", source, re.MULTILINE)) - {"__future__"}
    assert imported <= set(sys.stdlib_module_names)


def test_the_pythons_that_are_run_are_those_of_the_classifiers() -> None:
    named = tool("pythons").named()
    assert named[0] == project()["project"]["requires-python"].removeprefix(">=")
    assert named == ["3.11", "3.13", "3.14"]  # No 3.12 could be had to run the tests on.
