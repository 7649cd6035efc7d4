"""Whether files stay as they are while they are read: no run ends as complete over changed rows.

A file that is read from its beginning is compared piece by piece with what it was when the run began,
and a piece that differs is not handed on: whatever was scored came from the rows as they were. Of files
that are read in another way (Parquet, Excel, folders) the system's times are compared at the end, and
the digest where those differ.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from graders.errors import RowsError
from graders.remote import Place, Remote

__all__ = ["PIECE", "ChangedError", "Watch", "stamp_of", "sum_of"]

PIECE: Final = 1 << 20
"""Bytes that are summed together."""


class ChangedError(RowsError):
    """A file is not what it was, and rows of it may have been scored as they are now."""


@dataclass(slots=True)
class Watch:
    """What files were when a run began.

    Attributes:
        sums: of each file the sums of its pieces.
        stamps: what the system says of each file, taken before it was summed.
    """

    sums: dict[Place, Sequence[int]] = field(default_factory=dict)
    stamps: dict[Place, Any] = field(default_factory=dict)
    _compared: set[Place] = field(default_factory=set)

    def opened(self, path: Path) -> BinaryIO:
        """Open a file that is read from its beginning.

        Raises:
            RowsError: (while it is read) a piece of it is not what it was.
        """
        if path not in self.sums:
            return path.open("rb")
        self._compared.add(path)
        return cast("BinaryIO", io.BufferedReader(_Compared(path, self.sums[path]), PIECE))

    def check(
        self,
        identify: Callable[[Place], Mapping[str, Any]],
        known: Mapping[Place, Mapping[str, Any]],
    ) -> None:
        """See whether the files that were not compared as they were read are what they were.

        Args:
            identify: returns what tells a file from others.
            known: what that was.

        Raises:
            ChangedError: one is not.
        """
        for path, stamp in self.stamps.items():
            if path not in self._compared and stamp_of(path) != stamp:
                try:
                    now, then = identify(path), known.get(path, {})
                    same = all(now.get(one) == then.get(one) for one in ("sha256", "version"))
                except RowsError:
                    same = False
                if not same:
                    raise ChangedError(
                        f"{path} changed while it was read; --restart scores it as it is now"
                    )


def stamp_of(path: Place) -> Any:
    """Return what changes when a file, or one in a folder, is written; None where it is gone."""
    try:
        if isinstance(path, Remote):
            return path.look()
        found = path.stat()
        within = [(one, stamp_of(one)) for one in sorted(path.iterdir())] if path.is_dir() else []
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, within


def sum_of(piece: bytes) -> int:
    """Return what tells a piece from others; its length counts."""
    return zlib.crc32(piece) | len(piece) << 32


class _Compared(io.RawIOBase):
    """A file whose pieces are compared with what they were before anything of them is handed on."""

    def __init__(self, path: Path, sums: Sequence[int]) -> None:
        super().__init__()
        self._path = path
        self._file = path.open("rb")
        self._sums = sums
        self._piece = memoryview(b"")
        self._next = self._given = 0

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._file.fileno()

    def tell(self) -> int:
        return self._given

    def readinto(self, place: Any, /) -> int:
        if not self._piece:
            self._piece = memoryview(self._read())
        size = min(len(place), len(self._piece))
        place[:size] = self._piece[:size]
        self._piece = self._piece[size:]
        self._given += size
        return size

    def _read(self) -> bytes:
        piece = self._file.read(PIECE)
        expected = self._sums[self._next] if self._next < len(self._sums) else None
        if (sum_of(piece) if piece else None) != expected:
            raise RowsError(
                f"it changed while it was read, at or after byte {self._next * PIECE + 1:,}; what was "
                "scored before is kept, and goes on only with the rows as they were"
            )
        self._next += 1
        return piece

    def close(self) -> None:
        self._file.close()
        super().close()
