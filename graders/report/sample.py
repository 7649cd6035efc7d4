"""Which rows a page shows when it cannot show all: picked while they are read, a bounded number held."""

from __future__ import annotations

import math
from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, chain, islice, zip_longest
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from graders.batch.result import Result

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Table = NDArray[np.float64]

__all__ = ["MOST_ROWS", "Pick", "Sampler", "Spot"]

MOST_ROWS: Final = 2000
_DRAWN: Final = 16_384
"""Rows that are drawn, of all that have a reward, to stand for every rank."""
_MOST_CODES: Final = 100
_COLUMNS: Final = ("reward", "apart", "draw", "place", "offset")
_REWARD, _APART, _DRAW, _PLACE, _OFFSET = range(5)


class Spot(NamedTuple):
    """Where a row's line stands: the how-manieth it is, and the byte at which it begins."""

    place: int
    offset: int


@dataclass(frozen=True, slots=True)
class Pick:
    """The rows that are shown.

    Attributes:
        spots: where their lines stand, in order.
        said: which they are, in one sentence.
    """

    spots: list[Spot]
    said: str


@dataclass(slots=True)
class Sampler:
    """Picks the rows to show out of results that pass by once.

    What is held does not grow with the rows: the failed rows that could be shown, the lowest and
    highest rewards, the rows on which judges are furthest apart, and up to 16,384 rows drawn by a
    number that is made of their place alone. So the same results give the same rows.

    Attributes:
        named: indexes of rows that other parts of the page name.
        most: how many rows are shown at the most.
        count: rows that were seen.
        failed: those with failures.
    """

    named: frozenset[int] = frozenset()
    most: int = MOST_ROWS
    count: int = 0
    failed: int = 0
    _read: int = 0
    _first: array[int] = field(default_factory=lambda: array("q"), repr=False)
    _named: dict[int, Spot] = field(default_factory=dict, repr=False)
    _by_code: dict[str, array[int]] = field(default_factory=dict, repr=False)
    _kept: Any = field(default=None, repr=False)

    @property
    def held(self) -> int:
        """How many numbers are held of rows: what must not grow with them."""
        tables = 0 if self._kept is None else int(self._kept.size)
        lists = sum(map(len, self._by_code.values())) + len(self._first) + 2 * len(self._named)
        return tables + lists

    @property
    def found(self) -> Collection[int]:
        """The indexes of rows that are named and were seen."""
        return self._named.keys()

    def add(self, results: Sequence[Result]) -> None:
        """Look at the next results of the file."""
        if not results:
            return
        import numpy as np  # noqa: PLC0415  (what reads no results needs none)

        bodies = [one.body for one in results]
        offsets = list(accumulate([len(one.line) for one in results], initial=self._read))
        self._read = offsets.pop()
        first = self.count
        self.count += len(results)
        failed = [body["failures"] or body.get("replaced") or [] for body in bodies]
        for at in [at for at, found in enumerate(failed) if found]:
            self._fail(failed[at][0]["code"], Spot(first + at, offsets[at]))
        rewards = [math.nan if body["failures"] else body["reward"] for body in bodies]
        if self.named:
            for at, body in enumerate(bodies):
                if body["index"] in self.named:
                    self._named.setdefault(body["index"], Spot(first + at, offsets[at]))
        for at in range(min(max(self.most - first, 0), len(bodies))):
            self._first.extend((first + at, offsets[at]))
        apart = _apart([body.get("panel") or {} for body in bodies])
        places = np.arange(first, self.count, dtype=float)
        rows: Table = np.column_stack([rewards, apart, _draws(places), places, offsets])
        self._kept = rows if self._kept is None else np.vstack([self._kept, rows])
        if len(self._kept) > 2 * _DRAWN:
            self._kept = self._best(self._kept)

    def _fail(self, code: str, spot: Spot) -> None:
        self.failed += 1
        known = code in self._by_code or len(self._by_code) < _MOST_CODES
        spots = self._by_code.setdefault(code if known else "", array("q"))
        if len(spots) < 2 * self.most:
            spots.extend(spot)

    def _best(self, rows: Table) -> Table:
        """Return the rows that may still be picked."""
        import numpy as np  # noqa: PLC0415

        scored = rows[~np.isnan(rows[:, _REWARD])]
        few = self.most // 10 + 1
        order = np.lexsort((scored[:, _PLACE], scored[:, _REWARD]))
        kept = np.vstack([
            _drawn(scored), scored[order[:few]], scored[order[-few:]], _furthest(rows)[:few],
        ])  # fmt: skip
        return kept[np.unique(kept[:, _PLACE], return_index=True)[1]]

    def pick(self) -> Pick:
        """Return the rows to show: the same for the same results."""
        if self.count <= self.most:
            return Pick(_spots(self._first), f"All {self.count:,} rows are here.")
        import numpy as np  # noqa: PLC0415

        kept = self._best(self._kept)
        scored = kept[~np.isnan(kept[:, _REWARD])]
        ranked = scored[np.lexsort((scored[:, _PLACE], scored[:, _REWARD]))]
        drawn = ranked[np.isin(ranked[:, _PLACE], _drawn(scored)[:, _PLACE])]
        chosen: dict[Spot, None] = {}

        def take(spots: Iterable[Spot], share: float) -> int:
            before = len(chosen)
            room = min(round(share * self.most), self.most - before)
            chosen.update(dict.fromkeys(islice((s for s in spots if s not in chosen), room)))
            return len(chosen) - before

        take(self._named.values(), 1)
        turns = zip_longest(*map(_spots, self._by_code.values()))
        failing = [spot for spot in chain.from_iterable(turns) if spot is not None]
        take(failing, 0.3)
        split = take(_rows(_furthest(kept)), 0.1)
        lowest, highest = take(_rows(ranked), 0.1), take(_rows(ranked[::-1]), 0.1)
        spread = take(_evenly([*_rows(drawn)], self.most - len(chosen)), 1)
        take(failing, 1)  # Where few rows have a reward, there is room for more.
        of_failed = len({*failing} & chosen.keys())
        parts = [
            f"{of_failed:,} of the {self.failed:,} rows with failures" if of_failed < self.failed else
            f"all {self.failed:,} rows with failures" if self.failed else "",
            f"{split:,} on which judges are furthest apart" if split else "",
            f"the {lowest:,} lowest and {highest:,} highest rewards" if lowest else "",
            f"{spread:,} evenly over the ranks of the reward" if spread else "",
        ]  # fmt: skip
        said = "; ".join(part for part in parts if part)
        return Pick(
            sorted(chosen),
            f"This is a sample of {len(chosen):,} of the {self.count:,} rows: {said}. "
            "The figures above are exact over all rows.",
        )


def _apart(panels: Sequence[Mapping[str, Any]]) -> Table:
    """Return how far the judges of each row are apart at the most; 0.0 where no two of them are."""
    import numpy as np  # noqa: PLC0415

    found = np.zeros(len(panels))
    for key in set().union(*panels):
        said = [one.get("disagreement") if (one := row.get(key)) else None for row in panels]
        found = np.fmax(found, np.array(said, dtype=float))
    return found


def _draws(places: Table) -> Table:
    """Return a number for each place, as good as drawn by lot, and the same on every machine.

    Source: the mixing of SplitMix64, Steele, Lea and Flood 2014.
    """
    import numpy as np  # noqa: PLC0415

    mixed = (places.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    found: Table = (mixed ^ (mixed >> np.uint64(31))).astype(np.float64)
    return found


def _drawn(scored: Table) -> Table:
    """Return the rows that are drawn to stand for all that have a reward."""
    import numpy as np  # noqa: PLC0415

    found: Table = scored[np.argsort(scored[:, _DRAW], kind="stable")[:_DRAWN]]
    return found


def _furthest(rows: Table) -> Table:
    """Return the rows on which judges differ, those where they are furthest apart first."""
    import numpy as np  # noqa: PLC0415

    split = rows[rows[:, _APART] > 0]
    found: Table = split[np.lexsort((split[:, _PLACE], -split[:, _APART]))]
    return found


def _rows(rows: Table) -> Iterator[Spot]:
    """Yield where rows stand; few of them are wanted, mostly."""
    return (Spot(int(place), int(offset)) for place, offset in rows[:, (_PLACE, _OFFSET)].tolist())


def _spots(flat: array[int]) -> list[Spot]:
    return [Spot(*pair) for pair in zip(flat[::2], flat[1::2], strict=True)]


def _evenly(ranked: list[Spot], wanted: int) -> list[Spot]:
    """Return rows at even distances of rank; more than wanted, for some are taken already."""
    if not ranked or wanted < 1:
        return []
    if len(ranked) <= wanted:
        return ranked
    steps = [ranked[i * len(ranked) // wanted] for i in range(wanted)]
    between = [ranked[(2 * i + 1) * len(ranked) // (2 * wanted)] for i in range(wanted)]
    return [*steps, *between]
