"""Empties a scratch folder whatever a grader left in it, and measures one that is in use.

Does: removes any tree in bounded stack and open files (1500 folders deep, names no decoder
takes, folders without permissions); works through directory descriptors, so no link and no
folder swapped in meanwhile is ever followed. Does not: race with a living process when it
empties; call that when every process that could write there is dead.
"""

# Importing pathlib costs start-up.
# ruff: noqa: PTH101, PTH116

from __future__ import annotations

import contextlib
import os
import stat
import time

__all__ = ["BYTES", "FILES", "HIDDEN", "clear", "empty", "excess", "open_folder"]

BYTES, FILES, HIDDEN = 1, 2, 3
"""What a grader has too much of: bytes, files and folders, or what cannot be looked into."""

_FOLDER = os.O_RDONLY | sum(  # (absent on Windows, where no level is available)
    getattr(os, name, 0) for name in ("O_DIRECTORY", "O_NOFOLLOW", "O_CLOEXEC")
)
_LONGEST = 4000  # the kernel takes paths below 4096 bytes
_DEEP = 50
_DEEPEST = 2000


def open_folder(path: str | bytes, parent: int | None = None) -> int:
    """Return a descriptor of a folder that `path` itself is, and not a link to one."""
    return os.open(path, _FOLDER, dir_fd=parent)


# -- emptying --------------------------------------------------------------------------------


def empty(folder: str, seconds: float = 60.0, last: str = "") -> bool:
    """Remove everything in `folder`; return whether nothing is left (False when time ran out).

    The file `last` goes when all else is gone.
    """
    try:
        root = open_folder(folder)
    except OSError:
        return not os.path.lexists(folder)
    try:
        return clear(root, seconds, last)
    finally:
        os.close(root)


def clear(root: int, seconds: float = 60.0, last: str = "") -> bool:
    """Remove everything in the folder behind a descriptor, as `empty` does."""
    # The kernel looks at every folder above the one in hand (Landlock does), so what is deep is
    # moved up; where that may not be (Landlock 1), it only takes longer.
    deadline = time.monotonic() + seconds
    here = os.dup(root)
    levels: list[_Level] = []
    try:
        levels.append(_Level(here, last))
        while levels and time.monotonic() < deadline:
            levels[-1].unlink_files(here)
            inner = levels[-1].next_folder(here)
            if inner >= 0 and len(levels) > _DEEP and levels[-1].move_up(here, root, levels[0]):
                os.close(inner)
                continue
            down = inner >= 0
            if not down:
                levels.pop()
                if not levels:
                    break
                inner = open_folder("..", here)
            os.close(here)
            here = inner
            if down:
                levels.append(_Level(here))
            elif _identity(here) == levels[-1].identity:
                levels[-1].remove_entered(here)
            else:
                return False
        left = os.listdir(root)
        if left == [last]:
            os.unlink(last, dir_fd=root)
    except OSError:
        return False
    else:
        return left in ([], [last])
    finally:
        os.close(here)


class _Level:
    """A folder under way: what is still to go."""

    def __init__(self, folder: int, last: str = "") -> None:
        self.identity = _identity(folder)
        self.files: list[str] = []
        self.folders: list[str] = []
        self.entered: str | None = None
        self.moved = 0
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name != last:
                    inner = entry.is_dir(follow_symlinks=False)
                    (self.folders if inner else self.files).append(entry.name)

    def unlink_files(self, here: int) -> None:
        while self.files:
            try:
                os.unlink(self.files.pop(), dir_fd=here)
            except OSError:
                continue  # what cannot go is found at the end

    def next_folder(self, here: int) -> int:
        """Enter the next folder that is not empty; return its descriptor, -1 when there is none."""
        while self.folders:
            name = self.folders.pop()
            try:
                os.rmdir(name, dir_fd=here)
            except OSError:
                try:
                    inner = _enter(name, here)
                except OSError:
                    continue
                self.entered = name
                return inner
        return -1

    def move_up(self, here: int, root: int, top: _Level) -> bool:
        """Move the folder that was entered to the top; return whether that went."""
        if self.entered is None:
            return False
        name = f".gone{top.moved}"
        try:
            os.rename(self.entered, name, src_dir_fd=here, dst_dir_fd=root)
        except OSError:
            return False
        top.moved += 1
        top.folders.append(name)
        self.entered = None
        return True

    def remove_entered(self, here: int) -> None:
        """Remove the folder that was entered and left again."""
        if self.entered is not None:
            with contextlib.suppress(OSError):
                os.rmdir(self.entered, dir_fd=here)
            self.entered = None


def _identity(folder: int) -> tuple[int, int]:
    found = os.fstat(folder)
    return found.st_dev, found.st_ino


def _enter(name: str, parent: int) -> int:
    """Open a folder to empty it, whatever its mode."""
    if not hasattr(os, "O_PATH"):  # macOS
        os.chmod(name, 0o700, dir_fd=parent, follow_symlinks=False)
        return open_folder(name, parent)
    place = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        if stat.S_IMODE(os.fstat(place).st_mode) & 0o700 != 0o700:
            os.chmod(f"/proc/self/fd/{place}", 0o700)
        return open_folder(".", place)
    finally:
        os.close(place)


# -- measuring -------------------------------------------------------------------------------


class _Count:
    """What was seen so far; every inode counts once."""

    def __init__(self, most_bytes: int, most_files: int) -> None:
        self.most_bytes = most_bytes
        self.most_files = most_files
        self.bytes = 0
        self.files = 0
        self.inodes: set[tuple[int, int]] = set()

    def add(self, found: os.stat_result) -> None:
        if (found.st_dev, found.st_ino) not in self.inodes:
            self.inodes.add((found.st_dev, found.st_ino))
            self.bytes += found.st_blocks * 512

    def excess(self) -> int:
        if self.files > self.most_files:
            return FILES
        return BYTES if self.bytes > self.most_bytes else 0


def excess(folder: str, pid: int, *, most_bytes: int, most_files: int, descriptors: int) -> int:
    """Return what the process `pid` has too much of in its scratch, 0 where nothing.

    Counts files and folders by their blocks, each name once, and files without a name that the
    process holds by a descriptor. What cannot be looked into, or is held by a mapping alone,
    counts as too much: nothing can be hidden by being hard to count.
    """
    count = _Count(most_bytes, most_files)
    try:
        root = open_folder(folder)
    except OSError:
        return 0
    try:
        return _walk(root, count) or _held(folder, pid, count, descriptors)
    finally:
        os.close(root)


def _walk(root: int, count: _Count) -> int:
    count.add(os.fstat(root))
    stack = [b""]
    while stack:
        path = stack.pop()
        if path.count(b"/") > _DEEPEST:
            return HIDDEN
        try:
            here = _below(root, path)
        except PermissionError:
            return HIDDEN
        except OSError:  # gone meanwhile
            continue
        try:
            with os.scandir(here) as entries:
                for entry in entries:
                    count.files += 1
                    if entry.is_dir(follow_symlinks=False):
                        stack.append(path + os.fsencode(entry.name) + b"/")
                    with contextlib.suppress(FileNotFoundError):  # gone meanwhile
                        count.add(entry.stat(follow_symlinks=False))
                    if count.excess():
                        return count.excess()
        except PermissionError:
            return HIDDEN
        except OSError:
            continue
        finally:
            os.close(here)
    return 0


def _below(root: int, path: bytes) -> int:
    """Open the folder `path`, of any length, below `root`."""
    here = os.dup(root)
    while path:
        cut = len(path) if len(path) < _LONGEST else path.rindex(b"/", 0, _LONGEST) + 1
        try:
            inner = open_folder(path[:cut].rstrip(b"/"), here)
        finally:
            os.close(here)
        here, path = inner, path[cut:]
    return here


def _held(folder: str, pid: int, count: _Count, descriptors: int) -> int:
    """Count the files that have lost their names; 0 where this process may not look."""
    for number in range(descriptors):
        try:
            found = os.stat(f"/proc/{pid}/fd/{number}")
        except OSError:
            continue
        if found.st_nlink == 0 and (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
            count.add(found)
    if count.excess():
        return count.excess()
    start, numbers = os.fsencode(folder) + b"/", {number for _, number in count.inodes}
    try:
        with open(f"/proc/{pid}/maps", "rb") as maps:  # noqa: PTH123
            for line in maps:
                fields = line.rstrip(b"\n").split(None, 5)
                if (
                    len(fields) == 6
                    and fields[5].startswith(start)
                    and fields[5].endswith(b" (deleted)")
                    and int(fields[4]) not in numbers
                ):
                    return HIDDEN
    except OSError:
        return 0
    return 0
