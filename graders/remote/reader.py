"""What stands elsewhere as a stream: in ranges where that can be done, else from its beginning."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Final, cast

from graders.remote.fault import PassingError, RemoteError, changed, steadily

__all__ = ["PIECE", "followed", "ranged"]

PIECE: Final = 8 << 20
"""Bytes that are fetched together where a stream is read on; no more of it is held."""
_FEW: Final = 1 << 16
_SIXTH: Final = 6
"""Tries in a row that may bring nothing new of what is read from its beginning."""


def ranged(read: Callable[[int, int], bytes], size: int) -> BinaryIO:
    """Return a stream that can be sought in.

    Args:
        read: returns the bytes start..stop.
        size: how many there are.
    """
    return cast("BinaryIO", io.BufferedReader(_Ranged(read, size), _FEW))


class _Ranged(io.RawIOBase):
    """Bytes fetched in pieces. Who reads on gets large ones; who jumps about, what was asked for."""

    def __init__(self, read: Callable[[int, int], bytes], size: int) -> None:
        super().__init__()
        self._read = read
        self._size = size
        self._at = self._begin = 0
        self._piece = b""
        self._after = 0  # Where what was read last ends: who goes on there reads on.

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, place: Any, /) -> int:
        if self._at >= self._size:
            return 0
        if not self._begin <= self._at < self._begin + len(self._piece):
            wanted = max(PIECE if self._at == self._after else 0, len(place))
            self._piece = self._fetched(self._at, min(self._at + wanted, self._size))
            self._begin = self._at
        offset = self._at - self._begin
        part = self._piece[offset : offset + len(place)]
        place[: len(part)] = part
        self._at += len(part)
        self._after = self._at
        return len(part)

    def _fetched(self, start: int, stop: int) -> bytes:
        data = self._read(start, stop)
        if len(data) != stop - start:
            raise changed()
        return data


def followed(begin: Callable[[], Iterator[bytes]]) -> BinaryIO:
    """Return a stream of what can only be read from its beginning.

    Args:
        begin: yields its bytes from the beginning; raises PassingError where the connection is cut.
            It is then begun again, and what was read before is left out.
    """
    return cast("BinaryIO", io.BufferedReader(_Followed(begin), _FEW))


class _Followed(io.RawIOBase):
    def __init__(self, begin: Callable[[], Iterator[bytes]]) -> None:
        super().__init__()
        self._begin = begin
        self._pieces: Iterator[bytes] | None = None
        self._rest = b""
        self._given = 0
        self._cuts = 0

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._given

    def readinto(self, place: Any, /) -> int:
        while not self._rest:
            piece = steadily(self._next)
            if piece is None:
                return 0
            self._rest, self._cuts = piece, 0
        part = self._rest[: len(place)]
        self._rest = self._rest[len(part) :]
        place[: len(part)] = part
        self._given += len(part)
        return len(part)

    def _next(self) -> bytes | None:
        try:
            if self._pieces is None:
                self._pieces = self._begun_again()
            return next(self._pieces, None)
        except PassingError:
            self._pieces = None
            self._cuts += 1
            if self._cuts > _SIXTH:
                raise RemoteError(
                    "the connection is cut again and again, and the server gives no ranges to go on with"
                ) from None
            raise

    def _begun_again(self) -> Iterator[bytes]:
        left = self._given
        for piece in self._begin():
            if left < len(piece):
                yield piece[left:]
            left = max(0, left - len(piece))
