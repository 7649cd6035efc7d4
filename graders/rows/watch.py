"""Whether files stay as they are while they are read: a run over changed rows never ends as complete.

What is read from a file's beginning to its end is counted and summed as it is read, and compared with
what the file was when the run began. Of other files (Parquet, Excel, folders), and of what was read
in part, the size and the times that the system keeps are compared, and where these differ, the digest.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

from graders.errors import RowsError

__all__ = ["Watch", "stamp_of"]

_PIECE = 1 << 20


@dataclass(slots=True)
class Watch:
    """What files were, and what was read of them.

    Attributes:
        files: what each file was when the run began: its stamp, and for what is read as a stream
            its size and sum.
    """

    files: dict[Path, tuple[Any, int, int]] = field(default_factory=dict)
    _read: dict[Path, Any] = field(default_factory=dict)

    def know(self, path: Path, size: int, total: int, stamp: Any) -> None:
        """Keep what a file is.

        Args:
            path: the file.
            size: its bytes.
            total: their CRC-32.
            stamp: what `stamp_of` gave before they were read.
        """
        self.files[path] = stamp, size, total

    def opened(self, path: Path) -> BinaryIO:
        """Open a file; what is read of it is counted."""
        summed = self._read[path] = _Summed(path)
        return cast("BinaryIO", io.BufferedReader(summed, _PIECE))

    def check(
        self, identify: Callable[[Path], Mapping[str, Any]], digests: Mapping[Path, str]
    ) -> None:
        """See whether the files are what they were.

        Args:
            identify: returns what tells a file from others.
            digests: what that was.

        Raises:
            RowsError: one changed while it was read.
        """
        for path, (stamp, size, total) in self.files.items():
            read = self._read.get(path)
            if read is not None and read.ended:
                if (read.count, read.total) != (size, total):
                    raise _changed(path, size, read.count)
            elif stamp_of(path) != stamp and _digest(identify, path) != digests.get(path):
                raise _changed(path, size, None)


def stamp_of(path: Path) -> Any:
    """Return what changes when a file is written: None where it cannot be told any more."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def _digest(identify: Callable[[Path], Mapping[str, Any]], path: Path) -> Any:
    try:
        return identify(path).get("sha256")
    except RowsError:
        return None


def _changed(path: Path, size: int, read: int | None) -> RowsError:
    now = "" if read is None else f", {read:,} were read"
    return RowsError(
        f"{path} changed while it was read: it had {size:,} bytes when the run began{now}; "
        "the run goes on only with the rows it began with"
    )


class _Summed(io.RawIOBase):
    """A file whose bytes are counted and summed as they are read."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = path.open("rb", buffering=0)
        self.count = self.total = 0
        self.ended = False

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._file.fileno()

    def tell(self) -> int:
        return self.count

    def readinto(self, place: Any, /) -> int:
        size = self._file.readinto(place) or 0
        self.count += size
        self.total = zlib.crc32(memoryview(place)[:size], self.total)
        self.ended = self.ended or not size
        return size

    def close(self) -> None:
        self._file.close()
        super().close()
