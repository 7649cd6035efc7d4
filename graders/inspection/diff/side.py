"""One side of a comparison: the rewards of all rows in columns, from a file of results or graded."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Self, overload

import numpy as np

from graders import jsontext
from graders.batch.result import Result, results_of
from graders.errors import RowsError
from graders.grade import Grade
from graders.inspection.column import Column, bounded
from graders.remote import named
from graders.rows import Categories

__all__ = ["Side", "is_results", "read_side"]

_NAN = float("nan")


class Identities(Sequence[Any]):
    """The ids of many rows, as JSON in one piece: a list of texts would take some 60 bytes a row more."""

    __slots__ = ("_ends", "_text")

    def __init__(self, values: Iterable[Any] = ()) -> None:
        self._text = bytearray()
        self._ends = array("q", [0])
        self.extend(values)

    def append(self, value: Any) -> None:
        """Add the id of the next row, None for none."""
        if value is not None:
            self._text += jsontext.encode(value)
        self._ends.append(len(self._text))

    def extend(self, values: Iterable[Any]) -> None:
        """Add the ids of the next rows."""
        for one in values:
            self.append(one)

    def same(self, other: Identities, place: int) -> bool:
        """Whether both have the very same id at a place; others may be equal all the same, as 1 and 1.0 are."""
        return self._at(place) == other._at(place)

    def _at(self, place: int) -> bytes:
        return bytes(self._text[self._ends[place] : self._ends[place + 1]])

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, place: int) -> Any: ...
    @overload
    def __getitem__(self, place: slice) -> list[Any]: ...
    def __getitem__(self, place: int | slice) -> Any:
        if isinstance(place, slice):
            return [self[at] for at in range(*place.indices(len(self)))]
        text = self._at(range(len(self))[place])
        return jsontext.decode(text) if text else None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and [*self] == [*other]

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Identities({[*self]!r})"

    @property
    def held(self) -> int:
        """How many bytes hold them."""
        return len(self._text) + self._ends.itemsize * len(self._ends)


@dataclass(slots=True)
class Side:
    """Rewards in columns; nan where there is none.

    Attributes:
        name: the grader's name, or the file's.
        threshold: the reward from which a row passes.
        indexes: the rows' indexes.
        ids: the rows' ids, None where a row has none.
        rewards: a reward a row.
        subs: a column for each sub-grader.
        codes: failure codes of the rows that failed, by place.
        repeats: each judge's repeats by key, by place, where it was asked several times.
        groups: the rows' categories, None for a row that has none; [] where nobody asks.
        crowded: whether the rows have more categories than anybody could read figures of.
    """

    name: str
    threshold: float = 0.5
    indexes: array[int] = field(default_factory=lambda: array("q"))
    ids: Identities = field(default_factory=Identities)
    rewards: array[float] = field(default_factory=lambda: array("d"))
    subs: dict[str, array[float]] = field(default_factory=dict)
    codes: dict[int, tuple[str, ...]] = field(default_factory=dict)
    repeats: dict[str, dict[int, list[float | None]]] = field(default_factory=dict)
    groups: list[str | None] = field(default_factory=list)
    crowded: bool = False
    _names: dict[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of_rewards(cls, name: str, rewards: Sequence[float | None]) -> Self:
        """Return the side of rewards alone, of rows from 0."""
        side = cls(name)
        side.indexes.extend(range(len(rewards)))
        side.ids.extend([None] * len(rewards))
        side.rewards.extend([_NAN if one is None else one for one in rewards])
        return side

    @property
    def column(self) -> Column:
        """The rewards."""
        return bounded(self.rewards)

    def sub_column(self, key: str) -> Column:
        """Return the rewards of a sub-grader."""
        return bounded(self.subs[key])

    def add(self, index: int, identity: Any, grade: Grade) -> None:
        """Add a row's grade."""
        place = len(self.rewards)
        self.indexes.append(index)
        self.ids.append(identity)
        self.rewards.append(_NAN if grade.reward is None else grade.reward)
        if grade.failures:
            self.codes[place] = tuple(dict.fromkeys(one.code for one in grade.failures))
        for key in dict.fromkeys([*self.subs, *grade.sub_rewards]):
            score = grade.sub_rewards.get(key)
            column = self.subs.setdefault(key, array("d", [_NAN]) * place)
            column.append(_NAN if score is None else score)

    def add_results(self, results: Sequence[Result]) -> None:
        """Add result lines."""
        place, bodies = len(self.rewards), [one.body for one in results]
        scores = [body["sub_rewards"] for body in bodies]
        self.indexes.extend([body["index"] for body in bodies])
        self.ids.extend([body.get("id") for body in bodies])
        self.rewards.extend([_NAN if body["failures"] else body["reward"] for body in bodies])
        for key in dict.fromkeys(chain(self.subs, chain.from_iterable(scores))):
            column = self.subs.setdefault(key, array("d", [_NAN]) * place)
            column.extend([_NAN if (one := row.get(key)) is None else one for row in scores])
        for at, body in enumerate(bodies, place):
            if body["failures"]:
                self.codes[at] = tuple(dict.fromkeys(one["code"] for one in body["failures"]))
            if "by" in body or self.groups:
                self.add_group(at, body.get("by"))
            if "repeats" in body:
                for key, said in body["repeats"].items():
                    self.repeats.setdefault(key, {})[at] = said

    def check(self, path: str) -> None:
        """Refuse results in which a row stands twice.

        Raises:
            RowsError: one does.
        """
        indexes = np.array(self.indexes, dtype=np.int64)
        values, counts = np.unique(indexes, return_counts=True)
        if len(values) != len(indexes):
            raise RowsError(f"{path}: there are two results of row {values[counts > 1][0]}")

    def add_group(self, place: int, name: str | None) -> None:
        """Add the category of the row at a place; each text is kept once."""
        self.groups += [None] * (place - len(self.groups))
        self.groups.append(None if not name else self._names.setdefault(name, name))

    def group_by(self, categories: Categories, *, all_there: bool = True) -> None:
        """Take the rows' categories from the rows themselves.

        Args:
            categories: those of the rows.
            all_there: whether each row has to be among them; else those behind the last have none.
        """
        self.crowded = categories.crowded
        last = math.inf if all_there else len(categories)
        rows = zip(self.indexes, self.ids, strict=True)
        self.groups = [categories.of(*row) if row[0] < last else None for row in rows]

    def taken(self, places: Sequence[int]) -> Side:
        """Return the rows at these places only."""
        new = {place: at for at, place in enumerate(places)}
        return Side(
            self.name,
            self.threshold,
            array("q", [self.indexes[place] for place in places]),
            Identities(self.ids[place] for place in places),
            array("d", [self.rewards[place] for place in places]),
            {
                key: array("d", [column[place] for place in places])
                for key, column in self.subs.items()
            },
            {new[place]: codes for place, codes in self.codes.items() if place in new},
            {
                key: {new[place]: one for place, one in rows.items() if place in new}
                for key, rows in self.repeats.items()
            },
            [self.groups[place] for place in places] if self.groups else [],
            self.crowded,
        )


def is_results(path: str) -> bool:
    """Whether a file holds result lines; an empty one holds none, and no grader either."""
    try:
        with named(path).open("rb") as stream:
            first = stream.readline(1 << 24)
        if not first:
            return True
        body = jsontext.decode(first)
    except (OSError, ValueError):
        return False
    return isinstance(body, dict) and {"index", "sub_rewards", "failures"} <= set(body)


def read_side(path: str, threshold: float) -> Side:
    """Return the results of a file.

    Raises:
        RowsError: it cannot be read, a line is no result, or an index stands twice.
    """
    place, read = named(path), 0
    side = Side(place.name, threshold)
    for results in results_of(place):
        read += sum(len(result.line) for result in results)
        side.add_results(results)
    if read != place.stat().st_size:
        raise RowsError(f"{place}: line {len(side.rewards) + 1} is not a whole result line")
    side.check(path)
    return side
