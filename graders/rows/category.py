"""What rows are told apart by, read once and asked for by the index of a row."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from graders.errors import RowsError, quoted
from graders.rows.block import Block
from graders.rows.decode import Layout, decode_block

__all__ = ["MOST_CATEGORIES", "Categories", "read_categories"]

MOST_CATEGORIES: Final = 1000
"""More than these nobody could read figures of."""
_BLOCK_BYTES: Final = 1 << 18
_NONE: Final = 0


@dataclass(slots=True)
class Categories:
    """The categories of rows, some bytes a row.

    Attributes:
        names: the categories, each once; the first is none at all.
        crowded: whether there are too many; then no row has one.
        places: each row's place among the names.
        ids: a digest of each row's id, 0 for none.
    """

    names: list[str | None] = field(default_factory=lambda: [None])
    crowded: bool = False
    places: array[int] = field(default_factory=lambda: array("l"))
    ids: array[int] = field(default_factory=lambda: array("q"))

    def __len__(self) -> int:
        return len(self.places)

    def of(self, index: int, identity: Any) -> str | None:
        """Return the category of a row as text, None where it has none.

        Args:
            index: the row's index.
            identity: its id in the results, None where it has none there.

        Raises:
            RowsError: there is no such row, or it has another id.
        """
        if self.crowded:
            return None
        if index >= len(self.places):
            raise RowsError(
                f"--by reads the rows that were scored: the results have row {index}, "
                f"and there are only {len(self.places):,} rows"
            )
        known = self.ids[index]
        if known and identity is not None and known != _digest(identity):
            raise RowsError(
                f"--by reads the rows that were scored: row {index} is {quoted(identity)} in the "
                "results and has another id among the rows"
            )
        return self.names[self.places[index]]


def _digest(identity: Any) -> int:
    return 0 if identity is None else hash(str(identity)) or 1


def read_categories(blocks: Iterable[Block], layout: Layout) -> Categories:
    """Return the categories of rows.

    Args:
        blocks: the rows.
        layout: where the category stands.
    """
    found, places = Categories(), dict[str | None, int]({None: _NONE})
    for block in blocks:
        chunk = decode_block(block, layout)
        for name, identity in zip(chunk.groups, chunk.ids, strict=True):
            place = places.setdefault(name, len(places))
            if place == len(found.names):
                found.names.append(name)
            found.places.append(place)
            found.ids.append(_digest(identity))
        if len(found.names) - 1 > MOST_CATEGORIES:
            return Categories(crowded=True)
    return found
