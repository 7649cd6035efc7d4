"""fuzzy_match: rapidfuzz's ratio, brought from 0..100 to 0..1."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from graders.metrics.band import LONG, likely_common
from graders.metrics.metric import Defined, Metric, MetricOptions, library

__all__ = ["FUZZY_MATCH", "Fuzzy", "fuzzy_match"]

_HUGE = 1 << 20


def fuzzy_match(candidates: Sequence[str], references: Sequence[str]) -> list[float]:
    """Return how alike two texts are as strings of characters, in [0, 1].

    Twice the longest common subsequence of characters over the length of both texts together.
    Case, punctuation and whitespace count. Two empty texts give 1.0, one empty text 0.0.
    Time grows with the product of the two lengths, 64 characters a step; less for texts alike.

    Source: `rapidfuzz.fuzz.ratio(candidate, reference) / 100`, no processor.
    """
    return FUZZY_MATCH.scores(candidates, references)


class Fuzzy:
    """fuzzy_match."""

    def score(
        self, metrics: Sequence[str], candidates: Sequence[str], references: Sequence[str]
    ) -> dict[str, list[float]]:
        """Return `rapidfuzz.fuzz.ratio / 100` of each row; two empty texts give 1.0."""
        from rapidfuzz.fuzz import ratio

        long = max(map(len, chain(candidates, references)), default=0) >= LONG
        # Dividing, not normalized_similarity: that one differs from the hosted value in the
        # last bit.
        scores = [
            score / 100.0 for score in map(_long_ratio if long else ratio, candidates, references)
        ]
        return dict.fromkeys(metrics, scores)


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
