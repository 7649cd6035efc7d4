"""fuzzy_match: rapidfuzz's ratio, brought from 0..100 to 0..1."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Final

from graders.metrics.band import LONG, likely_common
from graders.metrics.metric import Defined, Metric, MetricOptions, library
from graders.metrics.native import Counts, core_of, counted

if TYPE_CHECKING:
    from graders.metrics.core import Core

__all__ = ["FUZZY_MATCH", "Fuzzy", "fuzzy_match"]

# Shorter texts take the native core longer than rapidfuzz.
_COUNTED: Final = 1 << 11
_HUGE: Final = 1 << 20


def fuzzy_match(candidates: Sequence[str], references: Sequence[str]) -> list[float]:
    """Return how alike two texts are as strings of characters, in [0, 1].

    Twice the longest common subsequence of characters over the length of both texts together.
    Case, punctuation and whitespace count. Two empty texts give 1.0, one empty text 0.0.
    Time grows with the product of the two lengths, 64 characters a step; less for texts alike.

    Source: `rapidfuzz.fuzz.ratio(candidate, reference) / 100`, no processor.
    """
    return FUZZY_MATCH.scores(candidates, references)


class Fuzzy:
    """fuzzy_match: shorter texts by rapidfuzz, longer ones by the native core where it is in use."""

    @cached_property
    def _core(self) -> Core | None:
        return core_of("characters")

    def score(
        self, metrics: Sequence[str], candidates: Sequence[str], references: Sequence[str]
    ) -> dict[str, list[float]]:
        """Return `rapidfuzz.fuzz.ratio / 100` of each row; two empty texts give 1.0."""
        from rapidfuzz.fuzz import ratio

        longest = max(map(len, chain(candidates, references)), default=0)
        if longest >= _COUNTED and self._core is not None:
            scores = self._counted(candidates, references)
        else:
            # Dividing, not normalized_similarity: that one differs from the hosted value in the
            # last bit.
            each = map(_long_ratio if longest >= LONG else ratio, candidates, references)
            scores = [score / 100.0 for score in each]
        return dict.fromkeys(metrics, scores)

    def _counted(self, candidates: Sequence[str], references: Sequence[str]) -> list[float]:
        """Return the same, with what longer texts have in common counted by the core."""
        scores = [0.0] * len(candidates)
        rows = []
        for row, (candidate, reference) in enumerate(zip(candidates, references, strict=True)):
            if _COUNTED <= max(len(candidate), len(reference)) <= _HUGE and candidate != reference:
                rows.append(row)
            else:
                scores[row] = _long_ratio(candidate, reference) / 100.0
        ours, theirs = [candidates[row] for row in rows], [references[row] for row in rows]
        columns = counted(self._core, _in_common, ours, theirs, orders=0, longest=True)
        values = (value for found in columns for value in map(_value, *found))
        for row, value in zip(rows, values, strict=True):
            scores[row] = value
        return scores


def _value(ours: int, theirs: int, common: int) -> float:
    """Return what rapidfuzz makes of two lengths and what is in common, by its operations in its order."""
    both = ours + theirs
    return (1.0 - (both - 2 * common) / both) * 100.0 / 100.0


def _in_common(candidates: Sequence[str], references: Sequence[str]) -> Iterator[Counts]:
    """Yield what the native core counts, counted by rapidfuzz."""
    from rapidfuzz.distance.LCSseq import similarity

    lengths = (array("q", map(len, column)) for column in (candidates, references))
    yield [*lengths, array("q", map(similarity, candidates, references))]


def _long_ratio(candidate: str, reference: str) -> float:
    """Return what `ratio` returns: sooner for long texts that are alike, in less memory for huge."""
    from rapidfuzz.fuzz import ratio

    shorter, longer = sorted((candidate, reference), key=len)
    if len(longer) > _HUGE and len(shorter) < _HUGE:
        return _huge_ratio(shorter, longer)
    for common in likely_common(shorter, longer):
        # With a cutoff, 0 says that the guess was too high.
        cutoff = 200 * common / (len(shorter) + len(longer))
        if found := ratio(shorter, longer, score_cutoff=cutoff):
            return found
    return ratio(shorter, longer)


def _huge_ratio(shorter: str, longer: str) -> float:
    """Return what `ratio` returns, which keeps 32 bytes a character of the longer text.

    As a query against many texts it keeps them of the query, which is the shorter one here.
    """
    import numpy as np
    from rapidfuzz.fuzz import ratio
    from rapidfuzz.process import cdist

    return float(cdist([shorter], [longer], scorer=ratio, dtype=np.float64)[0, 0])


def _defined(options: MetricOptions) -> Defined:
    from graders.metrics.definition import Definition

    return "rapidfuzz", Definition(options).fuzzy_match


def _takes(_: MetricOptions, candidate: str, reference: str) -> float:
    """Return about how many seconds rapidfuzz takes: 64 characters a step, fewer beyond Latin-1."""
    if candidate == reference:
        return 0.0
    a_second = 4e10 if max(candidate) <= "\xff" and max(reference) <= "\xff" else 2.5e9
    return len(candidate) * len(reference) / a_second


FUZZY_MATCH = Metric(
    name="fuzzy_match",
    takes=_takes,
    family=lambda _: Fuzzy(),
    parts=lambda _: [("scorer", "ratio/100"), library("rapidfuzz")],
    definition=_defined,
)
