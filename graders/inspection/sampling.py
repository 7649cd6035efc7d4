"""A part of the rows, the same each time: what costs several grades a row is done on that."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graders.rows import Chunk

__all__ = ["Sampled", "SampledRow", "sample_rows"]


@dataclass(frozen=True, slots=True)
class SampledRow:
    """One row of the input."""

    index: int
    identity: Any
    item: Any
    sample: Any


@dataclass(slots=True)
class Sampled:
    """Rows drawn from the input.

    Attributes:
        rows: the rows, in their order.
        seen: rows of the input.
        unreadable: rows of it that could not be read, and so were not drawn.
    """

    rows: list[SampledRow] = field(default_factory=list)
    seen: int = 0
    unreadable: int = 0


def sample_rows(chunks: Iterable[Chunk], limit: int | None) -> Sampled:
    """Return so many readable rows, each as likely as any other, the same for the same input.

    Memory holds no more than these.
    """
    drawn = Sampled()
    chance = np.random.default_rng(0)
    readable = 0
    for chunk in chunks:
        for at, index in enumerate(chunk.indexes):
            drawn.seen += 1
            if at in chunk.failures:
                drawn.unreadable += 1
                continue
            row = SampledRow(index, chunk.ids[at], chunk.items[at], chunk.samples[at])
            readable += 1
            if limit is None or len(drawn.rows) < limit:
                drawn.rows.append(row)
            elif (place := int(chance.integers(readable))) < limit:
                drawn.rows[place] = row
    drawn.rows.sort(key=lambda row: row.index)
    return drawn
