"""A body's content encoding undone piece by piece, so that whoever takes the pieces can stop.

A few kilobytes of gzip can hold a gigabyte: a limit has to count what comes out, not what goes in.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Final

__all__ = ["Inflater"]

_PIECE: Final = 1 << 16
_GZIP: Final = 16 + zlib.MAX_WBITS


class Inflater:
    """Undoes one content encoding.

    Args:
        encoding: the header's value: none, `identity`, `gzip` or `deflate`.

    Raises:
        ValueError: it is another one; says which.
    """

    def __init__(self, encoding: str) -> None:
        name = encoding.strip().lower()
        makers: dict[str, Callable[[], zlib._Decompress] | None] = {
            "": None,
            "identity": None,
            "gzip": lambda: zlib.decompressobj(_GZIP),
            "x-gzip": lambda: zlib.decompressobj(_GZIP),
            "deflate": zlib.decompressobj,
        }
        if name not in makers:
            raise ValueError(f"the content encoding {encoding!r} was not asked for")
        self._make = makers[name]
        self._inside = None if self._make is None else self._make()
        self._begun = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what the next bytes hold, in pieces of at most 64 kB made as they are taken.

        Raises:
            ValueError: the bytes are not in the encoding.
        """
        if self._inside is None or self._make is None:
            yield data
            return
        while data:
            if self._inside.eof:  # gzip may be several members, one after the other.
                self._inside = self._make()
            piece = self._decompress(self._inside, data)
            inside = self._inside
            data = inside.unused_data if inside.eof else inside.unconsumed_tail
            yield piece

    def _decompress(self, inside: zlib._Decompress, data: bytes) -> bytes:
        try:
            piece = inside.decompress(data, _PIECE)
        except zlib.error:
            if self._begun or self._make is not zlib.decompressobj:
                raise ValueError("the body is not in its content encoding") from None
            # Some servers mean the bare format by `deflate`.
            self._make = lambda: zlib.decompressobj(-zlib.MAX_WBITS)
            self._inside = self._make()
            self._begun = True
            return self._decompress(self._inside, data)
        self._begun = True
        return piece

    def end(self) -> None:
        """Say that there are no more bytes.

        Raises:
            ValueError: there should be.
        """
        if self._inside is not None and self._begun and not self._inside.eof:
            raise ValueError("the compressed body is cut off")
