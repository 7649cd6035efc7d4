"""Run the tests on every Python that pyproject.toml names, as far as it can be had here.

    python tools/pythons.py [VERSION...] [-- what pytest is told]

An interpreter is taken from this machine (PATH, pyenv, uv's own), else uv fetches one, else, as root
on a Debian, it runs in a small system of Debian's newest packages under .cache/debian, made by
debootstrap. The table at the end says which were really run; one that could not be had is named, and
fails the command like one whose tests fail.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
DEBIAN: Final = ROOT / ".cache" / "debian"
NEEDED: Final = ("ca-certificates", "make", "util-linux", "git")
CERTIFICATES: Final = "etc/ssl/certs/ca-certificates.crt"


def say(text: str) -> None:
    """Tell what is being done: each Python takes minutes."""
    print(f"==> {text}", flush=True)  # noqa: T201


def named() -> list[str]:
    """Return the versions of Python in the classifiers, as '3.11'."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    ends = [line.rpartition(" :: ")[2] for line in project["classifiers"] if "Python :: 3." in line]
    return sorted(ends, key=lambda end: int(end.partition(".")[2]))


def on_this_machine(version: str) -> Path | None:
    """Return an interpreter of a version, found or fetched by uv."""
    uv = [sys.executable, "-m", "uv", "python"]
    for words in (["find", "--no-python-downloads", version], ["install", "--quiet", version]):
        done = subprocess.run([*uv, *words], capture_output=True, text=True, check=False)
        if done.returncode == 0 and words[0] == "find":
            return Path(done.stdout.strip())
        if done.returncode == 0:
            return on_this_machine(version)
    return None


def _run(*words: object) -> bool:
    return subprocess.run([str(word) for word in words], cwd=ROOT, check=False).returncode == 0


def in_debian(version: str) -> Path | None:
    """Return the root of a Debian that has a version, made if it is not there."""
    folder = DEBIAN / version
    if (folder / "made").exists():
        return folder
    if os.geteuid() or not Path("/etc/debian_version").exists():
        return None
    if shutil.which("debootstrap") is None:
        _run("apt-get", "install", "-y", "-qq", "debootstrap")
    say(f"making a small Debian with Python {version} in {folder.relative_to(ROOT)} (minutes)")
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    packages = ",".join([*NEEDED, f"python{version}", f"python{version}-venv"])
    with (DEBIAN / f"{version}.log").open("w") as log:
        words = ["debootstrap", "--variant=minbase", f"--include={packages}", "sid", folder]
        done = subprocess.run(words, stdout=log, stderr=log, check=False)
    if done.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        return None
    (folder / "made").touch()
    return folder


def _copy(folder: Path) -> None:
    """Lay this working tree out below a Debian's root, as a clone of it would have it."""
    shutil.rmtree(folder / "project", ignore_errors=True)
    (folder / "project").mkdir()
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (folder / "project" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / "project" / name)


def test_there(folder: Path, version: str, words: Sequence[str]) -> bool:
    """Return whether the tests pass in a Debian; its mounts end with the command."""
    _copy(folder)
    for name in ("etc/resolv.conf", "etc/hosts", CERTIFICATES):
        if Path("/", name).exists():
            shutil.copy(Path("/", name), folder / name)
    script = (
        f'for name in proc dev sys; do mount --rbind "/$name" "{folder}/$name"; done; '
        f'exec chroot "{folder}" sh -c \'cd /project && python{version} tools/environment.py dev '
        '&& exec .venv/bin/python -m pytest -q -n auto "$@"\' sh "$@"'
    )
    return _run("unshare", "--mount", "sh", "-c", script, "sh", *words)


def test_here(python: Path, version: str, words: Sequence[str]) -> bool:
    """Return whether the tests pass on an interpreter of this machine, in .venv-VERSION."""
    folder = ROOT / f".venv-{version}"
    return _run(python, "tools/environment.py", "dev", "--folder", folder) and _run(
        folder / "bin" / "python", "-m", "pytest", "-q", "-n", "auto", *words
    )


def run(version: str, words: Sequence[str]) -> tuple[bool, str]:
    """Return whether the tests pass on a version, and the line of the table that says so."""
    if python := on_this_machine(version):
        passed, where = test_here(python, version, words), str(python)
    elif folder := in_debian(version):
        passed, where = test_there(folder, version, words), f"Debian's, in {folder.name}"
    else:
        return False, f"{version:6} not to be had here"
    return passed, f"{version:6} {'passed' if passed else 'FAILED'}   {where}"


def main() -> int:
    """Run them one after another."""
    versions, _, rest = " ".join(sys.argv[1:]).partition("--")
    results = []
    for version in versions.split() or named():
        say(f"Python {version}")
        results.append(run(version, rest.split()))
    for _, line in results:
        say(line)
    return 0 if all(passed for passed, _ in results) else 1


if __name__ == "__main__":
    sys.exit(main())
