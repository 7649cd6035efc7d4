"""What this machine can promise about a python grader: `graders doctor` prints it.

Does: asks the kernel once, names the best level, and says in plain words what each level
promises and what it does not. Does not: try attacks; `tests/hostile` does that.
"""

from __future__ import annotations

import functools
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from graders.errors import UnavailableError
from graders.sandbox.boot import command, environment
from graders.sandbox.inside import lockdown, syscalls
from graders.sandbox.limits import Level

__all__ = ["MachineReport", "Promises", "probe", "promises", "require"]


@dataclass(frozen=True, slots=True)
class Promises:
    """What a level gives.

    Attributes:
        needs: what the machine must have.
        gives: what is promised, a sentence each.
        lacks: what is not promised, a sentence each.
    """

    needs: str
    gives: tuple[str, ...]
    lacks: tuple[str, ...]


_TRY_SECONDS: Final = 60.0  # Starting a Python takes seconds where a machine is busy.

_BASIC: Final = (
    "A crash, a hang or a flood of output in a grader fails its own row and nothing else.",
    "A call that outlives its time is killed by the wall clock.",
    "No environment variable of yours reaches a grader; it is never forked from your process.",
    "Nothing is left behind: processes are killed, scratch folders removed.",
)
_LIMITS: Final = ("Memory and file size of one process are limited (memory not on macOS).",)
_STANDARD: Final = (
    "No network and no sockets of any kind.",
    "No new processes, no signals to others, no tracing, no privilege gained.",
)
_FILES: Final = (
    "Files: reads the interpreter, its packages, /usr and its scratch; writes its scratch only.",
)
_MEMORY: Final = (
    "Memory that no limit counts (shared, of locks, of descriptors on their way) is refused.",
    "Disk, files and folders of a call are limited, whatever is done to hide them.",
)
_OPEN: Final = (
    "A grader can read what you can, your environment too; use the network; start processes.",
    "A grader can signal your other processes.",
)
_RESIDUE: Final = (
    "That files exist, their sizes and times (stat works everywhere).",
    "Exact totals of disk and files where the scratch is on the disk: looked at 4 times a second.",
    "CPU share beyond the number of CPUs; a bug in the kernel; side channels.",
)

_PROMISES: Final[Mapping[Level, Promises]] = MappingProxyType(
    {
        "strong": Promises(
            "Linux with user namespaces (or root, or bubblewrap), Landlock and seccomp",
            (
                *_BASIC, *_LIMITS, *_STANDARD, *_FILES, *_MEMORY,
                "Its own view of processes, network, IPC and mounts.",
                "The end of the worker ends every process in it.",
            ),
            ("That files exist, their sizes and times.", *_RESIDUE[1:]),
        ),
        "standard": Promises(
            "Linux 5.13 or later with Landlock and seccomp; no privilege",
            (*_BASIC, *_LIMITS, *_STANDARD, *_FILES, *_MEMORY),
            _RESIDUE,
        ),
        "seccomp-only": Promises(
            "Linux with seccomp",
            (*_BASIC, *_LIMITS, *_STANDARD),
            (
                "FILES ARE NOT PROTECTED: a grader reads and writes what you can; /proc too.",
                *_RESIDUE[1:],
            ),
        ),
        "limits": Promises(
            "Linux or macOS", (*_BASIC, *_LIMITS), (*_OPEN, "Total disk, CPU share.")
        ),
        "basic": Promises(
            "Linux or macOS", _BASIC, (*_OPEN, "Memory, disk and CPU are not limited.")
        ),
    }
)  # fmt: skip


def promises(level: Level) -> Promises:
    """Return what a level promises and what it does not."""
    return _PROMISES[level]


@dataclass(frozen=True, slots=True)
class MachineReport:
    """What this machine gives to the sandbox.

    Attributes:
        system: operating system, kernel and machine, as one line.
        landlock: the kernel's Landlock version, 0 where there is none.
        seccomp: whether system call filters can be used.
        namespaces: "" where a worker can have namespaces of its own, else why not.
        bubblewrap: path of a working `bwrap`, or None.
        available: the levels this machine gives, best first.
        default: the level used when none is asked for; None where only a level below
            `standard` is available, which must be asked for by name.
        notes: what a user may want to know about this machine.
        filesystem: "" where a call's scratch is a file system of its own at `standard` and
            `strong`, so that disk and files are bounded to the byte; else why not.
    """

    system: str
    landlock: int
    seccomp: bool
    namespaces: str
    bubblewrap: str | None
    available: tuple[Level, ...]
    default: Level | None
    notes: tuple[str, ...]
    filesystem: str = "not tried"


def _has_seccomp() -> bool:
    if not sys.platform.startswith("linux") or not syscalls.supported():
        return False
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:  # noqa: PTH123
            return "\nSeccomp:" in file.read()
    except OSError:
        return False


def _bubblewrap() -> str | None:
    found = shutil.which("bwrap")
    if found is None:
        return None
    try:
        tried = subprocess.run(
            [found, "--unshare-all", "--ro-bind", "/", "/", "--dev-bind", "/dev", "/dev", "true"],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=_TRY_SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found if tried.returncode == 0 else None


def _try(what: str) -> str:
    """Try `namespaces` or `mounts` in a process of its own: a fork of ours could deadlock."""
    try:
        tried = subprocess.run(
            [*command(sys.executable), what],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=_TRY_SECONDS, check=False, cwd="/",
            env=environment(tempfile.gettempdir(), ""),
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if tried.returncode != 0:
        return tried.stderr.decode(errors="replace").strip()[-200:] or "the attempt died"
    return tried.stdout.decode(errors="replace").strip()


@functools.cache
def probe() -> MachineReport:
    """Return what this machine gives; asked once a process."""
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    if os.name != "posix":
        note = "Python graders need Linux or macOS; on Windows use WSL 2."
        return MachineReport(system, 0, False, "not POSIX", None, (), None, (note,))
    if not sys.platform.startswith("linux"):
        note = "Only Linux confines files, network and processes."
        return MachineReport(
            system, 0, False, "not Linux", None, ("limits", "basic"), None, (note,)
        )
    landlock, seccomp = lockdown.landlock_abi(), _has_seccomp()
    confined = bool(landlock and seccomp)
    why_not = _try("namespaces") if confined else "not tried"
    bubblewrap = _bubblewrap() if confined and why_not else None
    filesystem = _try("mounts") if confined and why_not else why_not
    levels: list[Level] = []
    if confined:
        levels += ["strong"] if not why_not or bubblewrap else []
        levels += ["standard"]
    if seccomp:
        levels.append("seccomp-only")
    levels += ["limits", "basic"]
    return MachineReport(
        system=system,
        landlock=landlock,
        seccomp=seccomp,
        namespaces=why_not,
        bubblewrap=bubblewrap,
        available=tuple(levels),
        default="standard" if confined else None,
        notes=tuple(_notes(landlock)),
        filesystem=filesystem,
    )


def _notes(landlock: int) -> Iterator[str]:
    """Say what a user may want to know of a Linux machine."""
    if not syscalls.supported():
        yield f"System call numbers of {platform.machine()} are not known here."
    if landlock == 0:
        yield "Landlock is off or older than Linux 5.13: files cannot be protected."
    elif landlock < 3:
        yield (
            f"Landlock {landlock}: emptying a file by its path (truncate) is refused by seccomp, in "
            "the scratch too; signals are confined by seccomp alone."
        )
    elif landlock < 6:
        yield f"Landlock {landlock}: signals are confined by seccomp alone."
    if os.getuid() == 0:
        yield "Running as root: capabilities are dropped, but the number of threads is not limited."


def _gives_standard() -> bool:
    """Return whether `standard` is there, without starting anything as `probe` does."""
    return lockdown.landlock_abi() > 0 and _has_seccomp()


def require(level: Level | None) -> Level:
    """Return the level to use, or raise: a level is never replaced by a lower one in silence."""
    if level in (None, "standard") and _gives_standard():
        return "standard"
    machine = probe()
    if level is not None:
        if level in machine.available:
            return level
        raise UnavailableError(
            f"the sandbox level {level!r} needs {_PROMISES[level].needs}; this machine "
            f"({machine.system}) gives {_listed(machine.available)}"
        )
    if machine.default is not None:
        return machine.default
    if not machine.available:
        raise UnavailableError(machine.notes[0])
    best = machine.available[0]
    raise UnavailableError(
        f"this machine ({machine.system}) cannot confine python graders at the level 'standard' "
        f"({_PROMISES['standard'].needs}); to run them with less, ask for the level {best!r} by "
        f"name: {_PROMISES[best].lacks[0]}"
    )


def _listed(levels: tuple[Level, ...]) -> str:
    return ", ".join(repr(level) for level in levels) if levels else "none"
