"""Runs the attacks as root and as an ordinary user, in process namespaces of their own.

    python tests/hostile/run.py                 every attack here, as whoever we can be
    python tests/hostile/run.py FOLDER -v       another collection
    python tests/hostile/run.py --soak 100000   many calls with 1 % hostile rows
    python tests/hostile/run.py --no-namespaces as where a container refuses them
    python tests/hostile/run.py --landlock 2    as on a kernel with an older Landlock (5.13 to 6.1)

The sandbox is copied to a folder any user can read and run there alone, without the rest of
graders: it needs only the standard library.
"""

# A program that prints; and /proc is read as it is.
# ruff: noqa: T201, PTH101, PTH115, PTH208

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGE = HERE.parent.parent / "graders"
UID = 65534

# `import graders` would pull in the whole engine and its dependencies.
SOLO = (
    "import sys,types;p=types.ModuleType('graders');p.__path__=[r'%s'];sys.modules['graders']=p\n"
)


def stage(folder: Path, attacks: list[Path], landlock: int) -> list[Path]:
    """Copy what the arena needs; return the folders of attacks there."""
    folder.chmod(0o755)
    package = folder / "graders"
    shutil.copytree(
        PACKAGE / "sandbox", package / "sandbox", ignore=shutil.ignore_patterns("__pycache__")
    )
    if landlock:
        with (package / "sandbox" / "inside" / "lockdown.py").open("a") as file:
            file.write(f"\n\ndef landlock_abi() -> int:\n    return {landlock}\n")
    for name in ("errors.py", "calls.py", "option.py"):
        shutil.copy(PACKAGE / name, package / name)
    for name in ("arena.py", "soak.py"):
        text = (HERE / name).read_text()
        first = "from __future__ import annotations\n"
        (folder / name).write_text(text.replace(first, first + SOLO % package, 1))
    staged = []
    for number, source in enumerate(attacks):
        target = folder / f"attacks{number}"
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            target.mkdir()
            shutil.copy(source, target)
        staged.append(target)
    subprocess.run(["chmod", "-R", "a+rX", str(folder)], check=True)
    return staged


def python_for(uid: int) -> str:
    """Return an interpreter that user may execute; not one below somebody's home."""
    candidates = [sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"]
    if uid == os.getuid():
        return candidates[0]
    for candidate in candidates:
        tried = subprocess.run(
            ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups",
             # The shell, as setpriv itself still has root's way with paths.
             "sh", "-c", '"$@"', "sh", candidate, "-I", "-c", "import sys; sys.exit(sys.version_info < (3, 11))"],
            capture_output=True, check=False,
        )  # fmt: skip
        if tried.returncode == 0:
            return candidate
    raise SystemExit("no python 3.11 that an ordinary user can execute")


def inside(uid: int, order: list[str]) -> int:
    """Run a command in a new process namespace as a user."""
    python = python_for(uid)
    temp = tempfile.mkdtemp(prefix="arena-tmp-")
    os.chmod(temp, 0o700)
    os.chown(temp, uid, uid if os.getuid() == 0 else -1)
    root = os.getuid() == 0
    space = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    if not root:
        space[1:1] = ["--user", "--map-current-user"]
    become = (
        ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups"]
        if uid != os.getuid()
        else []
    )
    environment = {"PATH": os.environ["PATH"], "TMPDIR": temp, "HOME": temp, "LANG": "C.UTF-8"}
    # A parent in between, so that the arena is not process 1 (which buries everyone's orphans).
    try:
        done = subprocess.run(
            # Other programs' shared memory is none of this test's business.
            [*space, "sh", "-c", 'mount -t tmpfs none /dev/shm 2>/dev/null; exec "$@"', "sh",
             *become, "sh", "-c", '"$@"; exit $?', "sh", python, "-B", *order],
            check=False, env=environment, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    finally:
        left = os.listdir(temp)
        subprocess.run(["rm", "-rf", temp], check=False)
    stray = [name for name in left if name.startswith("gr-")]
    if stray:
        print("left behind:", stray)
        return 1
    return done.returncode


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("attacks", nargs="*", type=Path)
    parser.add_argument("--user", choices=["both", "root", "ordinary"], default="both")
    parser.add_argument("--soak", type=int, default=0, metavar="CALLS")
    for name in ("--isolation", "--level", "--workers", "--seconds", "--only"):
        parser.add_argument(name, default="", help="passed on to arena.py")
    parser.add_argument("--landlock", type=int, default=0, metavar="VERSION")
    parser.add_argument("--no-namespaces", action="store_true")
    parser.add_argument("-v", "--verbose", action="store_true")
    options = parser.parse_args()
    rest = ["-v"] if options.verbose else []
    rest += ["--no-namespaces"] if options.no_namespaces else []
    for name in ("isolation", "level", "workers", "seconds", "only"):
        if getattr(options, name):
            rest += [f"--{name}", getattr(options, name)]
    root = os.getuid() == 0
    users = (
        [os.getuid()]
        if not root
        else {"both": [0, UID], "root": [0], "ordinary": [UID]}[options.user]
    )
    with tempfile.TemporaryDirectory(prefix="arena-stage-") as name:
        staged = stage(Path(name), options.attacks or [HERE / "attacks"], options.landlock)
        outside = os.readlink("/proc/self/ns/pid")
        if options.soak:
            order = [f"{name}/soak.py", str(options.soak), "--outside", outside]
        else:
            order = [f"{name}/arena.py", *map(str, staged), "--outside", outside, *rest]
        # Side by side: most of the time an attack waits for the end of its own.
        with ThreadPoolExecutor(len(users)) as pool:
            return max(pool.map(lambda uid: inside(uid, order), users))


if __name__ == "__main__":
    sys.exit(main())
