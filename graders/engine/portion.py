"""Reading a stream of rows in portions of so many rows, whatever the length of one.

Judges are asked for a block of rows at once: a block with fewer rows than requests allowed at once
would leave the server idle.
"""

from __future__ import annotations

from typing import Final

from graders.rows import Readable

__all__ = ["Portions"]

_MOST: Final = 8 << 20


class Portions:
    """A stream whose reads give about `rows` lines, by the length of those before.

    Args:
        stream: the stream.
        rows: how many lines to aim for.
    """

    def __init__(self, stream: Readable, rows: int) -> None:
        self._stream = stream
        self._rows = rows
        self._lines = self._bytes = 0

    def read1(self, size: int, /) -> bytes:
        """Return some bytes, `size` or more if so many lines take more, or b"" at the end."""
        line = self._bytes // max(1, self._lines)
        data = self._stream.read1(max(size, min(_MOST, self._rows * line)))
        self._lines += data.count(b"\n")
        self._bytes += len(data)
        return data
