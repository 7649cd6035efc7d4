"""The environments of the official clients: one for each version, made by name, kept between runs.

    python -m tests.clients.environment        make those that are missing

What is installed stands in tools/lock, with hashes. A Python client lives in a virtual environment with its own test suite unpacked beside it; the npm
client in a folder of its own.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).resolve().parents[2]
ROOT: Final = PROJECT / ".venv-clients"
LOCKS: Final = PROJECT / "tools" / "lock"
TOOL: Final = PROJECT / "tools" / "environment.py"

# What the SDK's own test suites import; pytest-asyncio below 1.4 still runs the oldest suite.
SUITE: Final = (
    "pytest", "pytest-asyncio", "pytest-xdist", "respx", "inline-snapshot", "rich",
    "nest_asyncio==1.6.0", "time-machine", "dirty-equals", "importlib-metadata", "trio",
)  # fmt: skip

PYTHON: Final = {
    "openai-1": "openai[aiohttp]==1.109.1",
    "openai-2": "openai[aiohttp]==2.54.0",
    "openai-3": "openai[aiohttp]==3.52.0",
}
"""Pinned, as the suites' expected failures are those of one version."""

NEWEST: Final = "openai-newest"
SCHEMATHESIS: Final = "schemathesis"
NODE: Final[dict[str, list[str]]] = {
    "npm-6": ["openai@6.49.0", "node@20"],
    "npm-7": ["openai@7", "node@22"],
}
"""Each with the Node it wants, for distributions have older ones; only npm itself is needed."""


def python() -> dict[str, tuple[str, ...]]:
    """Return what each Python environment is made of; tools/lock.py resolves it."""
    made = {name: (requirement, *SUITE) for name, requirement in PYTHON.items()}
    return {**made, NEWEST: ("openai[aiohttp]",), SCHEMATHESIS: ("schemathesis>=4",)}


def interpreter(name: str) -> Path:
    """Return the interpreter of a Python environment."""
    return ROOT / name / "bin" / "python"


def suite(name: str) -> Path:
    """Return the folder of the SDK's own source, tests included."""
    return ROOT / name / "suite"


def node(name: str) -> Path:
    """Return the Node of an npm environment."""
    return ROOT / name / "node_modules" / ".bin" / "node"


def version(name: str) -> str:
    """Return the pinned version of a Python environment's client."""
    return PYTHON[name].partition("==")[2]


def _say(text: str) -> None:
    print(f"==> {text}", flush=True)  # noqa: T201


def _python(name: str, done: str) -> None:
    folder = ROOT / name
    if (folder / done).exists():
        return
    _say(f"{python()[name][0]} into {folder.relative_to(ROOT.parent)}")
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run(
        [sys.executable, TOOL, f"clients-{name}", "--folder", folder, "--without-project"],
        check=True,
    )
    if name in PYTHON:
        _unpack(name)
    (folder / done).touch()


def _unpack(name: str) -> None:
    """Fetch the sdist, for it holds the SDK's own tests and examples."""
    place = suite(name)
    place.mkdir()
    lock = (LOCKS / f"clients-{name}.txt").read_text(encoding="utf-8")
    (only,) = re.findall(r"^openai==.*?(?=^\S|\Z)", lock, re.MULTILINE | re.DOTALL)
    (place / "openai.txt").write_text(only, encoding="utf-8")
    subprocess.run(
        [interpreter(name), "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
         "--no-deps", "--no-binary", "openai", "--require-hashes",
         "--dest", place, "-r", place / "openai.txt"],
        check=True,
    )  # fmt: skip
    (archive,) = place.glob("openai-*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(place, filter="data")
    (unpacked,) = (path for path in place.iterdir() if path.is_dir())
    # The installed package is what is tested, not the source beside its tests.
    (unpacked / "src").rename(unpacked / "source")
    for entry in list(unpacked.iterdir()):
        entry.rename(place / entry.name)


def _node(name: str) -> None:
    folder = ROOT / name
    if (folder / "done").exists():
        return
    _say(f"{' and '.join(NODE[name])} into {folder.relative_to(ROOT.parent)}")
    shutil.copytree(LOCKS / name, folder, dirs_exist_ok=True)
    subprocess.run(["npm", "ci", "--silent", "--no-fund", "--no-audit"], cwd=folder, check=True)
    (folder / "done").touch()


def main() -> int:
    """Make every environment that is missing or was made from another lock."""
    for name in python():
        _python(name, "made-" + _digest(LOCKS / f"clients-{name}.txt"))
    for name in NODE:
        _node(name)
    return 0


def _digest(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes()).hexdigest()[:16]


if __name__ == "__main__":
    sys.exit(main())
