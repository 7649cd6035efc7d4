"""Files of rows in other encodings than UTF-8, read as UTF-8 where it is certain which one it is."""

from __future__ import annotations

import codecs
import io
from typing import Any, BinaryIO, Final, cast

from graders import jsontext
from graders.errors import RowsError

__all__ = ["as_utf8"]

_PIECE: Final = 1 << 16


def as_utf8(stream: BinaryIO) -> BinaryIO:
    """Return a stream of UTF-8 for one of UTF-16 or UTF-32, told by its first bytes; else itself.

    Args:
        stream: a buffered stream at its beginning.
    """
    peek = getattr(stream, "peek", None)
    name = jsontext.encoding_of(peek(4)[:4]) if peek is not None else None
    return stream if name is None else cast("BinaryIO", io.BufferedReader(_Recoded(stream, name)))


class _Recoded(io.RawIOBase):
    """The text of a stream, encoded anew."""

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        super().__init__()
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._name = encoding.upper().replace("_", "-")
        self._ready = b""
        self._begun = self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, place: Any, /) -> int:
        while not self._ready and not self._ended:
            data = self._stream.read(_PIECE)
            self._ended = not data
            try:
                text = self._decoder.decode(data, self._ended)
            except UnicodeDecodeError:
                raise RowsError(
                    f"the file begins as {self._name} does, and does not go on so; save it as UTF-8"
                ) from None
            if text and not self._begun:
                text, self._begun = text.removeprefix("\ufeff"), True
            # A lone surrogate is no UTF-8: the row that holds it says so.
            self._ready = text.encode("utf-8", "surrogatepass")
        taken = self._ready[: len(place)]
        place[: len(taken)] = taken
        self._ready = self._ready[len(taken) :]
        return len(taken)
