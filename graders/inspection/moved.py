"""What became of rows between two gradings of the same files: whose reward moved, and by how much."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from math import fsum, inf
from typing import Any, Final

from graders.api import Grader
from graders.inspection.excerpt import shown_answer
from graders.rows import Chunk

__all__ = ["Graded", "Moved", "Seen", "compared", "grade_rows"]

_TOGETHER: Final = 256


@dataclass(frozen=True, slots=True)
class Seen:
    """A row as it was graded.

    Attributes:
        label: its id, else `row` and its index.
        reward: None where it failed.
        codes: of its failures, in order.
        answer: how its answer begins.
    """

    label: str
    reward: float | None
    codes: tuple[str, ...]
    answer: str


@dataclass(frozen=True, slots=True)
class Graded:
    """A file of rows as it was graded.

    Attributes:
        rows: by id where no other row has it, else by index.
        more: whether there are rows beyond the limit.
    """

    rows: Mapping[Any, Seen]
    more: bool = False

    @property
    def failed(self) -> int:
        """How many rows have no reward."""
        return sum(one.reward is None for one in self.rows.values())

    @property
    def mean(self) -> float | None:
        """The mean over the rows that have a reward; None where none has."""
        rewards = [one.reward for one in self.rows.values() if one.reward is not None]
        return fsum(rewards) / len(rewards) if rewards else None


@dataclass(frozen=True, slots=True)
class Moved:
    """A row that is not as it was: another reward, failures come or gone, or a row come or gone."""

    before: Seen | None
    after: Seen | None

    @property
    def label(self) -> str:
        """What the row is called."""
        seen = self.after or self.before
        return seen.label if seen is not None else ""

    @property
    def size(self) -> float:
        """By how much its reward moved; infinite where one of the two is missing."""
        before = None if self.before is None else self.before.reward
        after = None if self.after is None else self.after.reward
        return inf if before is None or after is None else abs(after - before)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON: null for a side on which the row is not there."""
        sides = {"before": self.before, "after": self.after}
        return {
            "row": self.label,
            **{
                name: None if one is None else {"reward": one.reward, "failures": list(one.codes)}
                for name, one in sides.items()
            },
        }


def grade_rows(grader: Grader, chunks: Iterable[Chunk], limit: int) -> Graded:
    """Return the first rows as they are graded; one that cannot be read is a failed one.

    Args:
        grader: grades.
        chunks: the rows.
        limit: how many are graded at the most.
    """
    rows = ((chunk, at) for chunk in chunks for at in range(len(chunk.items)))
    found: list[tuple[int, Any, Seen]] = []
    while part := list(islice(rows, min(_TOGETHER, limit - len(found)))):
        readable = [
            {"item": chunk.items[at], "sample": chunk.samples[at]}
            for chunk, at in part
            if at not in chunk.failures
        ]
        grades = grader.grade_many(readable)
        for chunk, at in part:
            index, identity = chunk.indexes[at], chunk.ids[at]
            label = f"row {index}" if identity is None else str(identity)
            if at in chunk.failures:
                seen = Seen(label, None, (chunk.failures[at].code,), "")
            else:
                grade = next(grades)
                codes = tuple(one.code for one in grade.failures)
                seen = Seen(label, grade.reward, codes, shown_answer(chunk.samples[at]))
            found.append((index, identity, seen))
    named = Counter(seen.label for _, identity, seen in found if identity is not None)
    keyed = {
        index if identity is None or named[seen.label] > 1 else (seen.label,): seen
        for index, identity, seen in found
    }
    return Graded(keyed, more=next(rows, None) is not None)


def compared(before: Graded, after: Graded) -> list[Moved]:
    """Return the rows that are not as they were: lost and found rewards first, then by how far they moved."""
    moved = [
        Moved(before.rows.get(key), after.rows.get(key))
        for key in dict.fromkeys((*after.rows, *before.rows))
    ]
    changed = [one for one in moved if _as_graded(one.before) != _as_graded(one.after)]
    return sorted(changed, key=lambda one: -one.size)


def _as_graded(seen: Seen | None) -> tuple[float | None, tuple[str, ...]] | None:
    return None if seen is None else (seen.reward, seen.codes)
