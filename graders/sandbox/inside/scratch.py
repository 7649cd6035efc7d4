"""Empties a scratch folder, whatever a grader left in it.

Does: removes any tree in bounded stack and open files (1500 folders deep, names no decoder
takes, folders without permissions), never follows a symlink. Does not: race with a living
process; call it when every process that could write there is dead.
"""

# Bytes paths, as names here need not decode; and importing pathlib costs start-up.
# ruff: noqa: PTH101, PTH104, PTH106, PTH108, PTH118

from __future__ import annotations

import os
import time

__all__ = ["empty", "used"]


def empty(folder: str, seconds: float = 60.0) -> bool:
    """Remove everything in `folder`; return whether nothing is left (False when time ran out)."""
    deadline = time.monotonic() + seconds
    root = os.fsencode(folder)
    moved = 0
    while time.monotonic() < deadline:
        try:
            entries = list(os.scandir(root))
        except OSError:
            return not os.path.lexists(root)
        if not entries:
            return True
        for entry in entries:
            if time.monotonic() > deadline:
                return False
            try:
                if not entry.is_dir(follow_symlinks=False):
                    os.unlink(entry.path)
                    continue
                os.chmod(entry.path, 0o700)
                # A tree of any depth is flattened: grandchildren move up, then the folder goes.
                # So no path is ever longer than two names and nothing recurses.
                with os.scandir(entry.path) as inner:
                    for deeper in inner:
                        if deeper.is_dir(follow_symlinks=False):
                            os.chmod(deeper.path, 0o700)
                            moved += 1
                            os.rename(deeper.path, os.path.join(root, b".gone%d" % moved))
                        else:
                            os.unlink(deeper.path)
                os.rmdir(entry.path)
            except OSError:
                continue
        time.sleep(0)
    return False


def used(folder: str, enough: int) -> int:
    """Return about how many bytes the files in `folder` take; stops counting past `enough`."""
    total = 0
    seen = 0
    stack = [os.fsencode(folder)]
    while stack and total <= enough and seen < 100_000:
        try:
            with os.scandir(stack.pop()) as entries:
                for entry in entries:
                    seen += 1
                    if entry.is_dir(follow_symlinks=False):
                        stack.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_blocks * 512
        except OSError:
            continue
    return total
