"""The environments of the trainers: each in a folder of its own under .venv-trainers, and its tests run there.

    python -m tests.trainers.environment [NAME...] [-m MARKER]     make what is missing, and run the tests

torch comes as its makers' build for CPUs where their index can be reached, else as pip finds it, which may be
gigabytes; TORCH says which version. What a trainer needs only on a GPU (vLLM, deepspeed, flash-attn) is left out: those are
installed without what they ask for, and with what they import.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).resolve().parents[2]
ROOT: Final = PROJECT / ".venv-trainers"
TORCH: Final = os.environ.get("TORCH", "torch==2.13.0")


@dataclass(frozen=True)
class Environment:
    """What is installed, and which tests are run with it.

    Attributes:
        packages: requirements.
        alone: requirements that are installed without what they ask for.
        tests: files of tests.
        python: the version it wants; "" for the one that runs this.
    """

    packages: tuple[str, ...]
    tests: tuple[str, ...]
    alone: tuple[str, ...] = ()
    python: str = ""


GYM: Final = "tests/trainers/test_gym.py"
CALLERS: Final = "tests/adapters"
ENVIRONMENTS: Final = {
    "trl": Environment(
        (TORCH, "trl==1.16.0", "transformers==5.24.0", "datasets==5.2.0", "rich"),
        ("tests/trainers/test_trl.py", CALLERS),
    ),
    "trl-oldest": Environment(
        (TORCH, "trl==0.24.0", "transformers<5", "rich"), ("tests/trainers/test_trl.py",)
    ),
    "train": Environment(
        (
            TORCH, "trl==1.16.0", "transformers==5.24.0", "datasets==5.2.0", "peft==0.21.2",
            "llguidance==1.9.1",
            "openai==3.57.0", "tensorboard", "trackio==0.43.0", "wandb==0.31.0", "uvicorn", "starlette",
            "python-multipart", "prometheus-client",
        ),
        (
            "tests/trainers/test_train.py", "tests/trainers/test_train_room.py",
            "tests/trainers/test_train_reports.py", "tests/trainers/test_serve.py",
        ),
    ),
    "verl": Environment(
        (
            TORCH, "transformers>=5.5.3,<5.11", "tensordict==0.10.0", "ray", "hydra-core", "datasets",
            "codetiming", "pandas", "pyarrow", "aiohttp", "cloudpickle", "torchdata", "peft", "numpy>=2",
            "pylatexenc", "tensorboard",
        ),
        ("tests/trainers/test_verl.py", CALLERS), ("verl==0.9.1",),
    ),
    "openrlhf": Environment(
        (
            TORCH, "transformers==5.15.0", "ray==2.55.0", "aiohttp", "datasets", "accelerate", "peft",
            "torchdata", "jsonlines", "einops", "optree", "requests", "pylatexenc",
        ),
        ("tests/trainers/test_openrlhf.py", CALLERS), ("openrlhf==0.11.2",),
    ),
    "verifiers": Environment(
        ("verifiers==0.4.0",), ("tests/trainers/test_verifiers.py", CALLERS)
    ),
    "skyrl": Environment(("skyrl-gym==0.4.0",), (GYM, CALLERS)),
    "tinker": Environment((TORCH, "tinker-cookbook==0.5.0"), (GYM, CALLERS)),
    "nemo": Environment(("nemo-gym==0.4.0",), (GYM, CALLERS), python="3.12"),
    "art": Environment(("openpipe-art==0.5.23",), (GYM, CALLERS), python="3.12"),
}  # fmt: skip


def interpreter(name: str) -> Path:
    """Return the interpreter of an environment."""
    return ROOT / name / "bin" / "python"


def _say(text: str) -> None:
    print(f"==> {text}", flush=True)  # noqa: T201


def _python(version: str) -> str | None:
    """Return an interpreter of a version: this one, uv's, or pyenv's; None where there is none."""
    if not version:
        return sys.executable
    found = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    return str(found[-1]) if found else shutil.which(f"python{version}")


def _uv(*words: object, may_fail: bool = False) -> bool:
    command = [sys.executable, "-m", "uv", *map(str, words)]
    quiet = subprocess.DEVNULL if may_fail else None
    return not subprocess.run(command, check=not may_fail, cwd=PROJECT, stderr=quiet).returncode


def make(name: str) -> bool:
    """Return whether an environment is there, made if it was not."""
    one = ENVIRONMENTS[name]
    done = ROOT / name / f"made-{hashlib.sha256(repr(one).encode()).hexdigest()[:16]}"
    if done.exists():
        return True
    python = _python(one.python)
    if python is None:
        _say(f"{name} wants Python {one.python}, which is not here: left out")
        return False
    _say(f"{', '.join(one.alone or one.packages[:2])} into {(ROOT / name).relative_to(PROJECT)}")
    shutil.rmtree(ROOT / name, ignore_errors=True)
    _uv("venv", "--quiet", "--seed", "--python", python, ROOT / name)
    install = ("pip", "install", "--quiet", "--python", interpreter(name))
    if TORCH in one.packages and not _uv(*install, "--torch-backend", "cpu", TORCH, may_fail=True):
        # pip knows of places for packages that this machine's owner has named; what is there stays.
        pip = [str(interpreter(name)), "-m", "pip", "install", "--quiet", TORCH]
        subprocess.run(pip, check=True, cwd=PROJECT)
    _uv(*install, *one.packages, "pytest", "-e", PROJECT)
    if one.alone:
        _uv(*install, "--no-deps", *one.alone)
    done.touch()
    return True


def main() -> int:
    """Make the environments that are named, or all, and run their tests."""
    parser = argparse.ArgumentParser(prog="python -m tests.trainers.environment")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("-m", dest="marker", help="only tests with this marker")
    asked = parser.parse_args()
    if unknown := sorted({*asked.names} - {*ENVIRONMENTS}):
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(ENVIRONMENTS)}")
    failed = []
    for name in asked.names or list(ENVIRONMENTS):
        if not make(name):
            continue
        _say(name)
        words = ["-m", "pytest", "-q", "-c", "tests/trainers/pytest.ini", "-W", "ignore"]
        words += ["-m", asked.marker] if asked.marker else []
        tests = ENVIRONMENTS[name].tests
        if subprocess.run([interpreter(name), *words, *tests], check=False, cwd=PROJECT).returncode:
            failed.append(name)
    _say(f"failed: {', '.join(failed)}" if failed else "all passed")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
