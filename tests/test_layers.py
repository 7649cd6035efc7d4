"""The floors of the house: a floor imports only lower ones."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.waiting import PATIENCE

ROOT = Path(__file__).parents[1]
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")


def test_every_import_goes_down() -> None:
    command = str(LINT_IMPORTS) if LINT_IMPORTS.exists() else shutil.which("lint-imports")
    if command is None:
        pytest.skip("import-linter is not installed")
    done = subprocess.run(
        [command, "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_waist_names_every_room_below_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = {one["id"]: one for one in project["tool"]["importlinter"]["contracts"]}
    floors = [floor.split(" | ") for floor in contracts["floors"]["layers"]]
    waist = floors.index(["api"])
    above, below = (
        {name for floor in part for name in floor} for part in (floors[:waist], floors[waist + 1 :])
    )
    rooms = {f"graders.{name}" for name in below if (ROOT / "graders" / name).is_dir()}
    assert {*contracts["waist"]["forbidden_modules"]} == rooms - {"graders.wire"}
    assert {*contracts["waist"]["source_modules"]} == {
        f"graders.{one}" for one in above - {"__main__"}
    }
