"""Refresh the locks: every package that `make` targets and CI install, with version and hashes.

    python tools/lock.py            refresh them all to the newest versions (`make lock`)
    python tools/lock.py --keep     change only what pyproject.toml now asks for

Each lock is a requirements file that pip and uv read alike (docs/decisions), resolved by uv once for
every Python and platform. Its first line holds a digest of what was asked for, so that a test can
tell without a network whether pyproject.toml has moved on since (`stale`).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
FOLDER: Final = ROOT / "tools" / "lock"

if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tests.clients import environment as clients  # noqa: E402  (the path above finds it)

PROJECT: Final[dict[str, list[str]]] = {
    "core": ["build"],
    "container": ["build"],
    "dev": ["build", "dev"],
    "scale": ["build", "dev", "scale"],
    "remote": ["build", "remote"],
    "spark": ["build", "spark"],
    "trackers": ["build", "trackers"],
    "browser": ["build", "dev", "browser"],
    "hooks": ["build", "dev", "hooks"],
    "site": ["build", "dev", "site"],
}
"""Each lock of the project's own environment, and the dependency groups it holds beside it.

`dev` is resolved first and the others under it, so that one environment can take one after another; but
for `remote`, `spark` and `trackers`, which have environments of their own.
"""

NODE: Final[dict[str, list[str]]] = {
    **clients.NODE,
    "npm-axe": ["axe-core@4.14.1", "puppeteer-core@24.43.1"],
    "npm-azurite": ["azurite@3.35.0"],
}
"""Locks of npm: the official client, what looks for barriers on a page and drives Firefox, an emulator of Azure's storage."""

ALONE: Final[dict[str, list[str]]] = {
    "uv": ["uv>=0.9"],
    "backend": ["setuptools>=80", "wheel>=0.45"],
    "punkt": ["llama-index-core"],
    **{f"clients-{name}": list(asked) for name, asked in clients.python().items()},
}
"""Locks of their own: uv itself, what source distributions are built with, NLTK's data, clients."""


def _project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def _asked(name: str) -> Any:
    """Return what a lock was resolved from, as far as it stands in this repository."""
    if name in ALONE:
        return ALONE[name]
    project = _project()
    groups = project["dependency-groups"]
    return [
        project["project"]["requires-python"],
        project["project"]["dependencies"],
        project["project"]["optional-dependencies"],
        [groups[group] for group in PROJECT[name]],
    ]


def digest(name: str) -> str:
    """Return a digest of what the lock `name` must be resolved from today."""
    return hashlib.sha256(json.dumps(_asked(name), sort_keys=True).encode()).hexdigest()


def names() -> list[str]:
    """Return the locks there must be, in the order in which they are resolved."""
    return ["dev", *(name for name in PROJECT if name != "dev"), *ALONE]


def path(name: str) -> Path:
    """Return the file of a lock."""
    return FOLDER / f"{name}.txt"


def stale() -> list[str]:
    """Return the locks that are missing or were resolved from something else than is asked for."""
    return [
        name
        for name in names()
        if not path(name).exists()
        or digest(name) not in path(name).read_text(encoding="utf-8").partition("\n")[0]
    ]


def _arguments(name: str, folder: Path) -> Sequence[str]:
    if name in ALONE:
        asked = folder / "asked.in"
        asked.write_text("".join(f"{line}\n" for line in ALONE[name]), encoding="utf-8")
        return [str(asked), *(["--no-deps"] if name == "punkt" else [])]  # Only a file of it.
    words = ["pyproject.toml"]
    extras = {
        "container": ("server",),
        "scale": ("ray", "parquet"),
        "remote": ("remote", "parquet"),
        "spark": ("parquet",),
    }.get(name, ())
    for extra in (*extras, *(("rouge",) if name not in {"core", "container"} else ())):
        words += ["--extra", extra]
    for group in PROJECT[name]:
        words += ["--group", group]
    if name in {"dev", "remote", "spark", "trackers"}:
        return words
    return [*words, "--constraints", str(path("dev"))]


def resolve(name: str, *, keep: bool) -> None:
    """Write one lock.

    Args:
        name: one of `names()`.
        keep: leave the versions that stand in the lock where they still fit.

    Raises:
        subprocess.CalledProcessError: nothing fits what is asked for; uv has said why.
    """
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "lock.txt"
        if keep and path(name).exists():
            output.write_text(path(name).read_text(encoding="utf-8"), encoding="utf-8")
        subprocess.run(
            [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal",
             "--python-version", "3.11", "--generate-hashes", "--no-header", "--no-annotate",
             "--no-emit-index-url", *([] if keep else ["--upgrade"]),
             "--output-file", str(output), *_arguments(name, Path(folder))],
            cwd=ROOT,
            check=True,
        )  # fmt: skip
        text = output.read_text(encoding="utf-8")
    path(name).write_text(f"# Made by `make lock` from {digest(name)}\n{text}", encoding="utf-8")


def resolve_node(name: str, requirements: Sequence[str]) -> None:
    """Write the package.json and package-lock.json of an npm client."""
    folder = FOLDER / name
    folder.mkdir(exist_ok=True)
    asked = dict(one.rsplit("@", 1) for one in requirements)
    package = {"private": True, "type": "module", "dependencies": asked}
    (folder / "package.json").write_text(json.dumps(package, indent=2) + "\n", encoding="utf-8")
    subprocess.run(
        ["npm", "install", "--package-lock-only", "--omit-lockfile-registry-resolved",
         "--silent", "--no-fund", "--no-audit"],
        cwd=folder,
        check=True,
    )  # fmt: skip


def main() -> int:
    """Read the arguments and write the locks."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--keep", action="store_true", help="keep the versions that still fit")
    parser.add_argument("names", nargs="*", help="only these locks")
    arguments = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    for name in arguments.names or names():
        print(f"==> {path(name).relative_to(ROOT)}", flush=True)  # noqa: T201
        resolve(name, keep=arguments.keep)
    if not arguments.names:
        for name, requirements in NODE.items():
            print(f"==> {(FOLDER / name).relative_to(ROOT)}", flush=True)  # noqa: T201
            resolve_node(name, requirements)
    return 0


if __name__ == "__main__":
    sys.exit(main())
