"""What decides a grade on a machine, told by processes with other environments."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import graders
from graders.batch.alike import Machine, describe, difference
from graders.batch.executor import Job
from graders.rows import Layout
from tests.batch.conftest import GRADER

PYTHON = {
    "type": "python", "name": "p", "image_tag": "2025-05-08",
    "source": "import numpy\ndef grade(sample, item):\n    return 1.0\n",
}  # fmt: skip
ASK = (
    "import pickle, sys; from graders.batch.alike import describe; "
    "sys.stdout.buffer.write(pickle.dumps(describe(sys.stdin.buffer.read())))"
)


def job(body: Any = GRADER) -> bytes:
    with graders.load(body) as grader:
        return pickle.dumps(Job(grader.setup, Layout()))


def asked(given: bytes, cwd: Path | None = None, **environment: str) -> Machine | str:
    """What another process says, in another environment."""
    done = subprocess.run(
        [sys.executable, "-c", ASK], input=given, capture_output=True, check=True, cwd=cwd,
        env=os.environ | environment,
    )  # fmt: skip
    found: Machine | str = pickle.loads(done.stdout)
    return found


def here(given: bytes) -> Machine:
    found = describe(given)
    assert isinstance(found, Machine)
    return found


def faked(folder: Path, name: str, version: str) -> str:
    """Return a path to search in which a package seems to have another version."""
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    return str(folder)


@pytest.mark.parametrize("body", [GRADER, pytest.param(PYTHON, marks=pytest.mark.more)])
def test_the_same_machine_is_alike(body: Any) -> None:
    given = job(body)
    there = asked(given)
    assert isinstance(there, Machine)
    assert difference(here(given), there) == ""
    assert difference(there, here(given)) == ""


def test_a_package_that_graders_need_counts_and_another_does_not(tmp_path: Path) -> None:
    given = job()
    there = asked(given, PYTHONPATH=faked(tmp_path / "one", "Rapid_Fuzz".replace("_", ""), "0.1"))
    assert isinstance(there, Machine)
    assert difference(here(given), there).startswith("the package rapidfuzz is 0.1 there and ")
    there = asked(given, PYTHONPATH=faked(tmp_path / "two", "pandas", "0.1"))
    assert isinstance(there, Machine)
    assert difference(here(given), there) == ""


@pytest.mark.more
def test_python_graders_may_import_any_package_so_all_count(tmp_path: Path) -> None:
    given = job(PYTHON)
    there = asked(given, PYTHONPATH=faked(tmp_path, "pandas", "0.1"))
    assert isinstance(there, Machine)
    assert difference(here(given), there).startswith(
        "the package pandas of image 2025-05-08 is 0.1 there and "
    )
    there = asked(given, PYTHONPATH=faked(tmp_path / "b", "only-there", "1"))
    assert isinstance(there, Machine)
    assert difference(here(given), there) == ""  # Nobody imports it.


@pytest.mark.more
def test_code_of_the_same_version_that_was_changed_is_seen(tmp_path: Path) -> None:
    ours = Path(graders.__file__).parent
    shutil.copytree(ours, tmp_path / "graders", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "graders" / "formula" / "__init__.py").open("a") as stream:
        stream.write("# changed\n")
    given = job()
    there = asked(given, cwd=tmp_path)
    assert isinstance(there, Machine)
    assert difference(here(given), there).startswith("the code of graders is ")


def test_an_image_that_only_one_has_is_seen(tmp_path: Path) -> None:
    """Where an image is missing its python graders run in graders' own environment, in silence."""
    given = job(PYTHON)
    version = f"py{sys.version_info.major}.{sys.version_info.minor}"
    with_image = tmp_path / "local-graders" / "images" / f"2025-05-08-{version}"
    shutil.copytree(Path(sys.prefix) / "bin", with_image / "bin", symlinks=True)
    (with_image / "graders-image-ready").touch()
    there = asked(given, XDG_CACHE_HOME=str(tmp_path))
    assert isinstance(there, Machine)
    said = difference(here(given), there)
    assert said.startswith("the interpreter of image 2025-05-08 is Python 3.")
    assert said.endswith(" there and graders' own here")


def test_what_cannot_grade_there_is_said() -> None:
    text = pickle.dumps(Job(None, Layout())).replace(
        b"graders.batch.executor", b"acme_kinds.batch.other"
    )
    assert isinstance(describe(text), str)


@pytest.mark.parametrize(
    ("mine", "other", "said"),
    [
        ({"Python": "3.11.9"}, {"Python": "3.12.1"}, "Python is 3.12.1 there and 3.11.9 here"),
        ({"the sandbox level": "strong"}, {}, "the sandbox level is none there and strong here"),
        ({}, {"the package x": "1"}, "the package x is 1 there and none here"),
        ({"a": "1"}, {"a": "1"}, ""),
    ],
)
def test_a_difference_is_said_in_words(
    mine: dict[str, str], other: dict[str, str], said: str
) -> None:
    assert difference(Machine(mine), Machine(other)) == said


def test_packages_of_an_interpreter_are_named_with_it() -> None:
    mine, other = ({"/venv/bin/python": {"numpy": one, "only": one}} for one in ("2.1", "2.0"))
    del other["/venv/bin/python"]["only"]
    assert difference(Machine({}, mine), Machine({}, other)) == (
        "the package numpy of /venv/bin/python is 2.0 there and 2.1 here"
    )
