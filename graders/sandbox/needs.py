"""What the sandbox lacks where it runs, a sentence each, with what gives it: a container takes much away.

Does: reads limits that the kernel tells (cgroups, rlimits, free space) and compares them with the options of
python graders. Does not: try anything that `probe` has not tried.
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from graders.errors import UnavailableError
from graders.sandbox.inside import lockdown
from graders.sandbox.level import probe, require
from graders.sandbox.option import PythonOptions

__all__ = ["check_held", "lacks"]

_CGROUPS: Final = Path("/sys/fs/cgroup")
_OURS: Final = 1 << 30
"""Memory of the server itself, beside the workers of its python graders."""
_TASKS: Final = 32
"""Processes and threads of a worker."""
_FEWEST_TASKS: Final = 128
_FEWEST_FILES: Final = 1024
_MARKS: Final = ("/.dockerenv", "/run/.containerenv")


def check_held(options: PythonOptions) -> None:
    """Return where python graders would be held at the level that is asked for by name; nothing is, where none is.

    Raises:
        UnavailableError: they would not be; says what is missing, and which option gives it.
    """
    if options.sandbox is None:
        return
    try:
        require(options.sandbox)
    except UnavailableError as error:
        raise UnavailableError(f"{error}; {_why_not()}") from None


def lacks(options: PythonOptions) -> list[str]:
    """Return what is missing where python graders run, a sentence each; [] where nothing is."""
    if os.name != "posix" or not sys.platform.startswith("linux"):
        return []
    try:
        require(options.sandbox)
    except UnavailableError as error:
        return [f"python graders are refused: {error}; {_why_not()}"]
    return [*_disk(options), *_limits(options), *_first_process()]


def _why_not() -> str:
    """Say why Landlock cannot be had, as the kernel answers, and what gives it."""
    number = lockdown.landlock_errno()
    if number == errno.EOPNOTSUPP:
        return "Landlock is built in and switched off: boot with landlock in the kernel's lsm="
    if number == errno.EPERM or (number == errno.ENOSYS and _in_container()):
        return (
            "either its kernel is older than Linux 5.13, or the container's seccomp profile refuses Landlock: Docker 23, Podman 4 "
            "and containerd 1.7 allow it, older ones by --security-opt seccomp=PROFILE with the three landlock_ calls"
        )
    if number == errno.ENOSYS:
        return "this kernel is older than Linux 5.13, or built without Landlock"
    return "graders doctor says more"


def _given_by(container: str, machine: str) -> str:
    """Say what gives something: an option of a container in one, else what does on a machine."""
    return f"{container if _in_container() else machine} gives it"


def _disk(options: PythonOptions) -> Iterator[str]:
    """Say what there is of scratch, and of memory for it."""
    workers = options.workers or os.cpu_count() or 1
    folder, why = tempfile.gettempdir(), probe().filesystem
    files, in_memory = workers * options.disk, not why or _is_tmpfs(folder)
    less = "or take less by --python-workers and --python-disk"
    if why:
        yield (
            f"calls' files are counted 4 times a second, not bounded by the kernel, for there is no mount namespace ({why}): "
            + _given_by(
                "--security-opt seccomp=unconfined, which weakens the container,",
                "a user namespace (sysctl, AppArmor)",
            )
        )
        free = shutil.disk_usage(folder).free
        if free < files:
            gives = _given_by(
                f"--tmpfs {folder}:size={_megabytes(files)}M", "another folder by TMPDIR"
            )
            yield f"{folder} has {_shown(free)} free, less than the {_shown(files)} of {workers} workers' files: {gives}, {less}"
    most = _least("memory.max", "memory/memory.limit_in_bytes")
    needed = workers * options.memory + (files if in_memory else 0) + _OURS
    if most is not None and most < needed:
        gives = _given_by(f"--memory {_megabytes(needed)}m", "MemoryMax= of its unit")
        yield (
            f"memory is limited to {_shown(most)}, and {workers} workers of python graders may take {_shown(needed)} with what "
            f"is theirs and the server's: {gives}, {less}, or --python-memory"
        )


def _limits(options: PythonOptions) -> Iterator[str]:
    """Say which limits on processes and files are low."""
    workers = options.workers or os.cpu_count() or 1
    most, needed = _least("pids.max", "pids/pids.max"), max(_FEWEST_TASKS, 2 * workers * _TASKS)
    if most is not None and most < needed:
        gives = _given_by(f"--pids-limit {needed}", "TasksMax= of its unit")
        yield f"processes and threads are limited to {most:,}, fewer than {needed:,}: {gives}"
    import resource  # noqa: PLC0415  (absent on Windows)

    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if 0 <= files < _FEWEST_FILES:
        gives = _given_by("--ulimit nofile=8192", "ulimit -n")
        yield f"{files:,} files may be open, fewer than {_FEWEST_FILES:,}: {gives}"


def _first_process() -> Iterator[str]:
    if os.getpid() == 1:
        yield "processes that lose their parent stay as zombies, for this is process 1: --init gives one that buries them"


def _in_container() -> bool:
    return (
        os.getpid() == 1 or any(Path(one).exists() for one in _MARKS) or "container" in os.environ
    )


def _is_tmpfs(folder: str) -> bool:
    """Whether a folder is on a file system in memory."""
    found, kind = "", ""
    try:
        lines = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    for line in lines:
        _, place, sort, *_ = line.split(" ")
        if (folder == place or folder.startswith(place.rstrip("/") + "/")) and len(place) >= len(
            found
        ):
            found, kind = place, sort
    return kind in ("tmpfs", "ramfs")


def _least(*names: str) -> int | None:
    """Return the least limit that the cgroups of this process have under one of these names; None for none."""
    limits = []
    for name in names:
        for path in _places(name):
            try:
                text = path.read_text(encoding="ascii").strip()
            except (OSError, ValueError):
                continue
            if (
                text.isdecimal() and int(text) < 1 << 60
            ):  # The first version writes "none" as a huge number.
                limits.append(int(text))
    return min(limits, default=None)


def _places(name: str) -> Iterator[Path]:
    """Yield where a limit may stand: at the root of what this process sees, and on the way down to it."""
    yield _CGROUPS / name
    kind = name.partition("/")[0] if "/" in name else ""
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        _, sorts, place = line.split(":", 2)
        if kind in sorts.split(",") if kind else not sorts:
            file = name.rpartition("/")[2]
            steps = [one for one in place.split("/") if one not in ("", "..")]
            for depth in range(1, len(steps) + 1):
                yield _CGROUPS.joinpath(kind, *steps[:depth], file)


def _shown(count: int) -> str:
    return f"{count / (1 << 30):.1f} GiB"


def _megabytes(count: int) -> int:
    return -(-count // (1 << 20))
