"""Which files a worker may read besides its interpreter, and how many tasks it may have."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from graders.sandbox import corpora

__all__ = ["DEVICES", "nltk_path", "packages", "readable", "task_limit"]

_SYSTEM: Final = (
    "/usr", "/lib", "/lib32", "/lib64", "/libx32", "/bin", "/sbin", "/nix/store",
    "/etc/ld.so.cache", "/etc/localtime", "/etc/mime.types", "/etc/ssl/openssl.cnf",
    "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu",
    "/dev/urandom", "/dev/random",  # not /dev/zero: mapped, it is memory that no limit counts
)  # fmt: skip

DEVICES: Final = ("/dev/null",)
"""What may be written as well."""


def _nltk_folders() -> list[str]:
    """Return the folders in which this user keeps NLTK's data."""
    named = os.environ.get("NLTK_DATA", "").split(os.pathsep)
    home = os.path.expanduser("~/nltk_data")  # noqa: PTH111
    return [
        os.path.realpath(path)
        for path in (*named, home)
        if path and os.path.isdir(path) and os.path.realpath(path) != "/"  # noqa: PTH112
    ]


def nltk_path(source: str) -> list[str]:
    """Return where a source finds NLTK's data: the user's own, then what this package has."""
    if "nltk" not in source:
        return []
    own = corpora.nltk_data()
    return [*_nltk_folders(), *([] if own is None else [str(own)])]


def readable(extra: Iterable[Path], python: str, nltk: Iterable[str]) -> tuple[str, ...]:
    """Return the files and folders a worker may read; the worker adds its interpreter's own.

    Deliberately without the home folder, /etc as a whole, /proc, /tmp and the current folder.
    """
    found = [*_SYSTEM, *nltk, *packages(python)]
    found += [os.path.realpath(path) for path in extra]
    return tuple(found)


def packages(python: str) -> list[str]:
    """Return the package folders of this process that an isolated start would not have.

    The user's own site-packages, and those on PYTHONPATH; only folders of that name, as the
    rest of `sys.path` is somebody's project with its secrets.
    """
    if python != sys.executable:
        return []
    found = []
    for path in sys.path:
        place = os.path.realpath(path) if path else ""
        if place.endswith(("site-packages", "dist-packages")) and os.path.isdir(place):  # noqa: PTH112
            found.append(place)
    return list(dict.fromkeys(found))


def task_limit() -> int:
    """Return an RLIMIT_NPROC that bounds a thread bomb and leaves the user's other work alone.

    The kernel counts every task of the user on the host, so the bound is what there is now and
    a margin. 0 where it cannot be counted. It does not bind root.
    """
    count = 0
    try:
        with os.scandir("/proc") as entries:
            for entry in entries:
                if entry.name.isdigit():
                    try:
                        if entry.stat().st_uid == os.getuid():
                            count += max(1, os.stat(f"/proc/{entry.name}/task").st_nlink - 2)  # noqa: PTH116
                    except OSError:
                        continue
    except OSError:
        return 0
    return count + 4096
