"""A file beside the results with one line a row: as durable as they are, and gone on with as they are.

Its lines are written before those of the results, so it is never behind them; where a power cut
left less of it on the disk, the results are cut to what it covers.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections import deque
from collections.abc import Iterator, Mapping
from io import FileIO
from pathlib import Path
from typing import Any, Final

from graders import jsontext
from graders.errors import RowsError
from graders.privacy import opener
from graders.rows import read_blocks

__all__ = ["Beside", "judgements_of"]

_BLOCK: Final = 1 << 20


def judgements_of(output: Path) -> Path:
    """Return where the judgements stand that belong to results at a path."""
    return output.with_name(output.name + ".judgements.jsonl")


class Beside:
    """The judgements of a run, a line for each of its rows.

    Args:
        target: the file that the results become.
        place: where the results stand until they are complete.
        earlier: results whose rows are kept, with the judgements that stand beside them.
    """

    def __init__(self, target: Path, place: Path, earlier: Path | None = None) -> None:
        self.target, self.place = judgements_of(target), judgements_of(place)
        self._digest = hashlib.sha256()
        self._bytes = 0
        self._stream: FileIO | None = None
        self._new: deque[bytes] = deque()
        self._kept = None if earlier is None else _lines(judgements_of(earlier))
        self._next: tuple[int, bytes] | None = None

    @property
    def covered(self) -> int:
        """The index up to which the file of an interrupted run has every row it can have."""
        after = 0
        for index, _ in _lines(self.place):
            after = index + 1
        return after

    def begin(self, rows: int, before: int | None) -> None:
        """Open the file behind the lines of finished rows.

        Args:
            rows: how many there are.
            before: the index after the last of them; None of none.

        Raises:
            RowsError: it has not a line for each of them.
        """
        found = 0
        for index, line in _lines(self.place):
            if before is None or index >= before:
                break
            self._count(line)
            found += 1
        if found != rows:
            raise RowsError(
                f"{self.place.name} has judgements of {found:,} of the {rows:,} finished rows; "
                "--restart starts anew"
            )
        mode = "r+" if self.place.exists() else "x+"
        self._stream = FileIO(self.place, mode, opener=opener)
        self._stream.seek(self._bytes)
        self._stream.truncate()

    def write(self, lines: bytes, judgements: bytes) -> None:
        """Append the line of each row that result lines are of.

        Args:
            lines: the result lines.
            judgements: the lines of the rows among them that were graded now; of kept rows the
                earlier file has theirs.
        """
        if self._kept is None:
            self._append(judgements)
            return
        self._new.extend(judgements.splitlines(keepends=True))
        merged = []
        for line in lines.splitlines():
            index = _index(line)
            if self._new and _index(self._new[0]) == index:
                merged.append(self._new.popleft())
            else:
                merged.append(self._earlier(index))
        self._append(b"".join(merged))

    def _earlier(self, index: int) -> bytes:
        """Return the line of a kept row; one that says so where nobody kept its judgements."""
        while self._next is None or self._next[0] < index:
            self._next = next(self._kept or iter(()), None)
            if self._next is None:
                break
        if self._next is not None and self._next[0] == index:
            return self._next[1]
        return b'{"index":%d,"judgements":null}\n' % index

    def _append(self, lines: bytes) -> None:
        if self._stream is None:
            raise TypeError("the file is closed")
        rest = memoryview(lines)
        while rest:
            rest = rest[self._stream.write(rest) :]
        self._count(lines)

    def _count(self, lines: bytes) -> None:
        self._digest.update(lines)
        self._bytes += len(lines)

    def sync(self) -> None:
        """Make sure that everything so far is on the disk."""
        if self._stream is not None:
            os.fsync(self._stream.fileno())

    @property
    def identity(self) -> dict[str, Any]:
        """What tells the complete file from others."""
        name = self.target.name
        return {"file": name, "bytes": self._bytes, "sha256": self._digest.hexdigest()}

    def is_whole(self, named: Mapping[str, Any] | None, path: Path | None = None) -> bool:
        """Whether the file at its place, or another, is the one that a manifest names."""
        path = path or self.target
        if named is None or not path.is_file():
            return False
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == named.get("sha256")

    def put(self) -> None:
        """Put the complete file in its place."""
        self.place.replace(self.target)

    def leave(self, *, empty: bool) -> None:
        """Close the file; remove it where nothing was finished."""
        if self._stream is not None:
            with contextlib.suppress(OSError):
                self._stream.close()
            self._stream = None
            if empty:
                self.place.unlink(missing_ok=True)


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield index and line of each row in a file, up to a line that cannot follow."""
    if not path.is_file():
        return
    after = -1
    with path.open("rb") as stream:
        for block in read_blocks(stream, _BLOCK):
            for line in block.data.splitlines(keepends=True):
                index = _index(line)
                if index <= after or not line.endswith(b"\n") or not _whole(line):
                    return
                after = index
                yield index, line


def _index(line: bytes) -> int:
    """Return the index that a line begins with, -1 where it begins with none."""
    number = line[9 : line.find(b",", 9)] if line.startswith(b'{"index":') else b""
    return int(number) if number.isdigit() and len(number) < 19 else -1


def _whole(line: bytes) -> bool:
    try:
        return isinstance(jsontext.decode(line), dict)
    except ValueError:
        return False
