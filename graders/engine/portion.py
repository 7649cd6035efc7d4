"""Reading a stream of rows in portions of so many rows, whatever the length of one.

Judges are asked for a block of rows at once. A block with fewer rows than requests allowed at once
would leave the server idle; one with many more would hold all their replies.
"""

from __future__ import annotations

from typing import Final

from graders.rows import Readable

__all__ = ["Portions"]

_FIRST: Final = 1 << 14
_LEAST: Final = 1 << 12
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
        """Return about so many lines, more or fewer bytes than `size`, or b"" at the end."""
        if self._lines:
            size = min(_MOST, max(_LEAST, self._rows * self._bytes // self._lines))
        else:  # How long a line is remains to be seen.
            size = min(size, _FIRST)
        data = self._stream.read1(size)
        self._lines += data.count(b"\n")
        self._bytes += len(data)
        return data
