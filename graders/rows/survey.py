"""How many rows an input holds, and places in it that can be begun at: looked for once, by one reading."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from graders import jsontext
from graders.remote import Place
from graders.rows.arrow import row_groups
from graders.rows.block import count_rows
from graders.rows.source import Mark, Source

__all__ = ["Survey", "survey_of"]

_SIZE: Final = 1 << 18
_MOST: Final = 1 << 16
"""Places of a file that are kept: of twice as many every other one goes."""
_PACKED: Final = (".gz", ".zst")


@dataclass(frozen=True, slots=True)
class Survey:
    """What an input holds.

    Attributes:
        rows: how many rows.
        marks: places to begin at, in order; a file's beginning is always one.
    """

    rows: int
    marks: tuple[Mark, ...]

    def cut(self, start: int, stop: int, parts: int) -> list[tuple[int, int]]:
        """Return the rows of each of so many parts of start..stop, as even as can be."""
        stop = max(start, min(stop, self.rows))
        count = stop - start
        ends = [start + count * part // parts for part in range(parts + 1)]
        return list(pairwise(ends))

    def wanted(self, starts: list[int]) -> tuple[Mark, ...]:
        """Return the marks that parts beginning at these rows begin at."""
        found = {
            next((one for one in reversed(self.marks) if one.row <= row), self.marks[0])
            for row in starts
        }
        return tuple(sorted(found, key=lambda one: (one.row, one.file, one.place)))


def survey_of(source: Source) -> Survey:
    """Return what an input holds. Of Parquet only the footer is read, of other files everything.

    Raises:
        RowsError: a file cannot be read, or not to its end.
    """
    rows = 0
    marks: list[Mark] = []
    for file, path in enumerate(source.paths):
        counts = row_groups(path) if path.suffix.lower() == ".parquet" and path.is_file() else None
        if counts is not None:
            for group, count in enumerate(counts):
                marks.append(Mark(file, rows, 1, group))
                rows += count
            marks += [] if counts else [Mark(file, rows)]
            continue
        here, count = _of_file(path)
        marks += [replace(one, file=file, row=rows + one.row) for one in here]
        rows += count
    return Survey(rows, tuple(marks))


def _of_file(path: Place) -> tuple[list[Mark], int]:
    """Return the places of a file that can be begun at, and how many rows it holds."""
    found: list[Mark] = []
    at = rows = step = 0
    straight = path.suffix.lower() not in _PACKED and _is_utf8(path)
    for seen, block in enumerate(Source((path,)).blocks(_SIZE)):
        straight = straight and block.unit == "line" and not block.is_table
        if straight and seen % (1 << step) == 0:
            found.append(Mark(0, block.index, block.line, at))
        if len(found) > _MOST:
            del found[1::2]
            step += 1
        at += len(block.data)
        rows = block.index + count_rows(block)
    # What was made of the file's bytes, as of an array, stands at no byte of it.
    return (found if straight and found and at == path.stat().st_size else [Mark(0, 0)]), rows


def _is_utf8(path: Place) -> bool:
    if path.is_dir():
        return False
    with path.open("rb") as stream:
        return jsontext.encoding_of(stream.read(4)) is None
