"""The limits a grader runs under, and the names of isolations and levels."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final, Literal, get_args

from graders.errors import OptionError

__all__ = ["ISOLATIONS", "LEVELS", "Isolation", "Level", "Limits", "size"]

Isolation = Literal["auto", "module", "row", "shared"]
"""What rows share: `module` a process but no globals, `row` nothing, `shared` globals too.

`auto` is `row` where the source can execute text or reach beyond itself, else `module`.
"""

Level = Literal["strong", "standard", "seccomp-only", "limits", "basic"]
"""How a worker is confined, from the most to the least; `promises(level)` says what each gives."""

ISOLATIONS: Final[tuple[Isolation, ...]] = get_args(Isolation)
LEVELS: Final[tuple[Level, ...]] = get_args(Level)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one grader may use. The defaults are the hosted service's.

    Attributes:
        call_seconds: wall-clock time of one call, the module's top level included.
        load_seconds: wall-clock time to import and run the top level once.
        memory_bytes: address space of one worker process.
        disk_bytes: the total of a runner's scratch, which is memory where it is a file system of
            its own; else the largest file, and a total looked at 4 times a second.
        disk_files: files, folders and links in a runner's scratch, bounded in the same way.
        source_bytes: the longest source, in bytes of UTF-8 (256 kB is 256,000 bytes).
        output_bytes: how much of a row's stdout, and of its stderr, is kept.
        cpus: how many CPUs one worker may use.
        grace_seconds: how long after `call_seconds` a call that ignores its clock is killed.
    """

    call_seconds: float = 120.0
    load_seconds: float = 120.0
    memory_bytes: int = 2 << 30
    disk_bytes: int = 1 << 30
    disk_files: int = 20_000
    source_bytes: int = 256_000
    output_bytes: int = 64_000
    cpus: int = 2
    grace_seconds: float = 2.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
                raise OptionError(f"{field.name} must be a number above 0, got {value!r}")
            if field.name.endswith("_seconds") and value > 1e7:
                raise OptionError(f"{field.name} must be at most 1e7, got {value!r}")


def size(count: int) -> str:
    """Return a number of bytes for people: `2 GiB`, `64 kB`, `256 kB`."""
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1000, "kB")):
        if count >= unit and count % unit == 0:
            return f"{count // unit} {name}"
    return f"{count:,} bytes"
