"""Grading the same rows with two graders, in one pass over them."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from graders.api import Grader
from graders.grade import Grade
from graders.inspection.diff.compare import READ_FIRST, Matched
from graders.inspection.diff.result import RowDelta
from graders.inspection.diff.side import Side
from graders.inspection.excerpt import excerpt_of, shown_answer
from graders.kinds import Multi, ScoreModel
from graders.rows import Chunk

__all__ = ["KeptRows", "formulas_of", "grade_both", "pass_mark"]

_CHUNK = 512


def pass_mark(grader: Grader) -> float:
    """Return the reward from which a row passes: the grader's own threshold, else the middle."""
    threshold = getattr(grader.config, "pass_threshold", None)
    if threshold is not None:
        return float(threshold)
    if isinstance(grader.config, ScoreModel):
        return (grader.config.range[0] + grader.config.range[1]) / 2
    return 0.5


def formulas_of(a: Grader, b: Grader) -> tuple[str, str] | None:
    """Return both formulas, where both are multi graders."""
    if isinstance(a.config, Multi) and isinstance(b.config, Multi):
        return a.config.calculate_output, b.config.calculate_output
    return None


@dataclass(slots=True)
class KeptRows:
    """The rows to read first, kept while all rows pass by; no more of them than are shown."""

    a: Grader | None = None
    b: Grader | None = None
    rows: list[tuple[tuple[bool, float, int], Any, Any]] = field(default_factory=list)

    def offer(self, index: int, item: Any, sample: Any, change: tuple[bool, float]) -> None:
        """Keep a row if it is among those to read first."""
        entry = ((*change, -index), item, sample)
        if len(self.rows) < READ_FIRST:
            heapq.heappush(self.rows, entry)
        elif entry[0] > self.rows[0][0]:
            heapq.heapreplace(self.rows, entry)

    def collect(self, chunks: Iterable[Chunk], wanted: set[int]) -> None:
        """Keep the rows of these indexes."""
        for chunk in chunks:
            for at, index in enumerate(chunk.indexes):
                if index in wanted:
                    entry = (False, 0.0, -index)
                    self.rows.append((entry, chunk.items[at], chunk.samples[at]))

    def look(self, row: RowDelta) -> RowDelta:
        """Return a row with what it looks like."""
        for (_, _, index), item, sample in self.rows:
            if -index == row.index:
                return replace(
                    row,
                    answer=shown_answer(sample),
                    rendered_a=_rendered(self.a, item, sample),
                    rendered_b=_rendered(self.b, item, sample),
                )
        return row


def grade_both(
    a: Grader, b: Grader, chunks: Iterable[Chunk], marks: tuple[float, float]
) -> tuple[Matched, KeptRows]:
    """Return two graders' rewards of the same rows, and the rows to read first.

    Args:
        a: the first grader.
        b: the second.
        chunks: the rows; those that cannot be read are counted and left out.
        marks: the rewards from which a row passes, for each grader.
    """
    one, other = Side(a.name, marks[0]), Side(b.name, marks[1])
    matched, kept = Matched(one, other), KeptRows(a, b)
    for chunk in chunks:
        places = [at for at in range(len(chunk.items)) if at not in chunk.failures]
        matched.unreadable += len(chunk.failures)
        rows = [{"item": chunk.items[at], "sample": chunk.samples[at]} for at in places]
        pairs = zip(a.grade_many(rows, chunk=_CHUNK), b.grade_many(rows, chunk=_CHUNK), strict=True)
        for at, (before, after) in zip(places, pairs, strict=True):
            index = chunk.indexes[at]
            one.add(index, chunk.ids[at], before)
            other.add(index, chunk.ids[at], after)
            if chunk.groups:
                one.add_group(len(one.rewards) - 1, chunk.groups[at])
            change = _change(before, after, marks)
            if change[0] or change[1]:
                kept.offer(index, chunk.items[at], chunk.samples[at], change)
    return matched, kept


def _change(before: Grade, after: Grade, marks: tuple[float, float]) -> tuple[bool, float]:
    """Return whether a row's verdict changed, and by how much its reward."""
    if before.reward is None or after.reward is None:
        alone = abs(before.reward or 0.0) + abs(after.reward or 0.0)
        return before.reward is not after.reward, alone
    flipped = (before.reward >= marks[0]) != (after.reward >= marks[1])
    return flipped, abs(after.reward - before.reward)


def _rendered(grader: Grader | None, item: Any, sample: Any) -> dict[str, dict[str, str]]:
    return {} if grader is None else excerpt_of(grader.render(item, sample))
