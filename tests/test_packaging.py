"""The built wheel, installed into a folder of its own and run from an empty one."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import graders
from tests.waiting import PATIENCE

ROOT = Path(__file__).parents[1]
CONFIG = (
    '{"type": "text_similarity", "name": "m", "evaluation_metric": "meteor", '
    '"input": "{{ sample.output_text }}", "reference": "{{ item.a }}"}'
)


def run(*words: str, **options: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(  # type: ignore[call-overload]
        words, capture_output=True, text=True, check=False, timeout=PATIENCE, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert isinstance(done, subprocess.CompletedProcess)
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pytest.importorskip("build")
    pytest.importorskip("hatchling")
    run(
        sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder),
        str(ROOT), cwd=folder,
    )  # fmt: skip
    (built,) = folder.glob("*.whl")
    return built


def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


@pytest.mark.more
def test_the_wheel_has_the_distributions_name_and_the_packages_version(wheel: Path) -> None:
    assert wheel.name == f"local_graders-{graders.__version__}-py3-none-any.whl"


def test_the_wheel_holds_the_package_and_nothing_beside_it(wheel: Path) -> None:
    assert {name.split("/")[0] for name in names(wheel)} == {
        "graders",
        f"local_graders-{graders.__version__}.dist-info",
    }


def test_the_wheel_holds_every_module_and_data_file_of_the_source(wheel: Path) -> None:
    source = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "graders").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert source <= set(names(wheel))
    assert "graders/py.typed" in source
    assert any(name.startswith("graders/metrics/data/") for name in source)


def test_the_wheel_holds_the_licences(wheel: Path) -> None:
    licences = [name for name in names(wheel) if ".dist-info/licenses/" in name]
    for name in ("LICENSE", "NOTICE"):
        assert any(one.endswith(f"/licenses/{name}") for one in licences)
    assert any("metrics/data/LICENSE" in one for one in licences)


@pytest.mark.more
def test_the_wheel_runs_from_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    target, empty = tmp_path / "installed", tmp_path / "empty"
    empty.mkdir()
    run(
        sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index",
        "--no-compile", "--disable-pip-version-check", "--target", str(target), str(wheel),
    )  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(target), "PYTHONDONTWRITEBYTECODE": "1"}
    where = run(
        sys.executable, "-c", "import graders; print(graders.__file__)",
        cwd=empty, env=environment,
    )  # fmt: skip
    assert Path(where.stdout.strip()).is_relative_to(target)
    done = run(
        str(target / "bin" / "graders"), "run", "-", "--item", '{"a": "the cats sat"}',
        "--sample", "the cat sat", "--json",
        cwd=empty, env=environment, input=CONFIG,
    )  # fmt: skip
    assert done.stderr == ""
    assert '"reward": 0.9' in done.stdout
    assert list(empty.iterdir()) == []
