"""A file for targets that read one, in the memory of the machine where there is such a place."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path


@functools.cache
def folder() -> Path:
    """Return this process's own folder, gone with it."""
    memory = Path("/dev/shm")
    made = Path(tempfile.mkdtemp(prefix="graders-fuzz-", dir=memory if memory.is_dir() else None))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def written(name: str, data: bytes) -> Path:
    """Return a file of this content."""
    path = folder() / name
    path.write_bytes(data)
    return path
