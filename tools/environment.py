"""Make a virtual environment that holds this project and one lock, the same on every day.

    python tools/environment.py LOCK [--folder .venv]

LOCK is a file of tools/lock without its ending (core, dev, scale, browser, hooks, site, trackers), or `lowest` or `newest`:
the lowest versions that pyproject.toml allows, or the newest there are, unlocked.

Run by any Python >= 3.11 with nothing installed. uv does the installing, itself fetched by name with
its hash; where it does not run or sees no package index, pip does the same from the same files.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
LOCKS: Final = ROOT / "tools" / "lock"
UNLOCKED: Final = {"lowest": "lowest-direct", "newest": "highest"}
EVERYTHING: Final = ["--extra", "rouge", "--group", "build", "--group", "dev"]


def say(text: str) -> None:
    """Tell what is being done: an install takes a while."""
    print(f"==> {text}", file=sys.stderr, flush=True)  # noqa: T201


def interpreter(folder: Path) -> Path:
    """Return the interpreter of a virtual environment."""
    windows = folder / "Scripts" / "python.exe"
    return windows if windows.parent.is_dir() else folder / "bin" / "python"


def run(*words: object, quiet: bool = False) -> bool:
    """Return whether a command went well; what it complains of is shown unless `quiet`."""
    done = subprocess.run(
        [str(word) for word in words],
        cwd=ROOT,
        check=False,
        stderr=subprocess.DEVNULL if quiet else None,
    )
    return done.returncode == 0


def make(folder: Path) -> Path:
    """Return the interpreter of the environment in `folder`, made if it is not there.

    Raises:
        SystemExit: this Python cannot make one.
    """
    python = interpreter(folder)
    if not python.exists() or not run(python, "-c", "import pip", quiet=True):
        say(f"making a virtual environment in {folder.name}")
        shutil.rmtree(folder, ignore_errors=True)
        try:
            venv.create(folder, with_pip=True)
        except (subprocess.CalledProcessError, OSError) as error:
            shutil.rmtree(folder, ignore_errors=True)
            sys.exit(
                f"{sys.executable} cannot make a virtual environment ({error}). On Debian and "
                "Ubuntu, install python3-venv; or name another Python: make PYTHON=/path/to/python"
            )
    return interpreter(folder)


def pip(python: Path, *words: object) -> bool:
    """Return whether the environment's own pip installed something."""
    return run(python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", *words)


def uv(python: Path, *words: object, quiet: bool = False) -> bool:
    """Return whether uv installed something into the environment of `python`."""
    return run(python, "-m", "uv", "pip", "install", "--quiet", "--python", python, *words,
               quiet=quiet)  # fmt: skip


def install_lock(python: Path, name: str, *, project: bool) -> bool:
    """Return whether every package of a lock is installed, each with a hash that it names."""
    lock = LOCKS / f"{name}.txt"
    backend = ["--build-constraints", LOCKS / "backend.txt"]
    if not (
        pip(python, "--require-hashes", "-r", LOCKS / "uv.txt")
        and uv(python, "--require-hashes", *backend, "-r", lock, quiet=True)
    ):
        say("uv could not; pip installs the same files (this takes longer)")
        if not pip(python, "--require-hashes", "-r", lock):
            return False
    # The project itself: what it needs, its build backend too, is installed by now.
    return not project or pip(
        python, "--no-deps", "--no-build-isolation", "--no-index", "--editable", ROOT
    )


def install_unlocked(python: Path, name: str) -> bool:
    """Return whether the project is installed with the lowest, or the newest, of everything."""
    resolution = ["--resolution", UNLOCKED[name], "--upgrade"]
    return pip(python, "uv") and uv(
        python, *resolution, *EVERYTHING, "-r", ROOT / "pyproject.toml"
    ) and uv(python, "--no-deps", "--no-build-isolation", "--editable", ROOT)  # fmt: skip


def main(words: Sequence[str] | None = None) -> int:
    """Read the arguments and make the environment."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("lock", help="core, dev, scale, browser, hooks, site, lowest or newest")
    parser.add_argument("--folder", type=Path, default=ROOT / ".venv")
    parser.add_argument("--without-project", action="store_true", help="only the lock's packages")
    arguments = parser.parse_args(words)
    folder: Path = (Path.cwd() / arguments.folder).absolute()
    python = make(folder)
    say(f"installing graders and the packages of {arguments.lock} into {folder.name}")
    if (
        install_unlocked(python, arguments.lock)
        if arguments.lock in UNLOCKED
        else install_lock(python, arguments.lock, project=not arguments.without_project)
    ):
        return 0
    say("the packages could not be installed; what the installer says stands above")
    return 1


if __name__ == "__main__":
    sys.exit(main())
