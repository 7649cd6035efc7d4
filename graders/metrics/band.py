"""How much two long texts have in common at least, guessed, so that comparing them costs less.

The time to compare two texts grows with the product of their lengths. But where results below a
cutoff do not matter, rapidfuzz looks only at a band around the diagonal, the narrower the higher
the cutoff, and what it returns from there is exact. So a sample says how alike two long texts
are, and a cutoff a little lower saves most of the time; where the guess was too high rapidfuzz
returns 0, and the texts are compared again: by a lower guess, at last in full.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from graders.metrics.alphabet import Codes

__all__ = ["LONG", "likely_common"]

LONG = 4_096
"""Shorter texts are compared in less time than a guess takes."""

# A sample of an eighth takes a 64th of the time.
_SAMPLE = 8
# How much more may be missing elsewhere than in the sample, and the share in common below which such a
# guess is not worth its try: the band is the wider, and so the try that fails the dearer.
_GUESSES = ((1.25, 0.75), (2.0, 0.6))


def likely_common(candidate: Codes, reference: Codes) -> Iterator[int]:
    """Yield lengths that the longest common subsequence probably has at least, falling; none is no guess."""
    longer = max(len(candidate), len(reference))
    if min(len(candidate), len(reference)) < max(LONG, _GUESSES[-1][1] * longer):
        return
    from rapidfuzz.distance.LCSseq import similarity

    size = longer // _SAMPLE
    missing = 1 - similarity(candidate[:size], reference[:size]) / size
    for more, least in _GUESSES:
        # A little may be missing where the sample misses nothing.
        share = 1 - more * missing - 0.005
        if share >= least:
            yield int(share * longer)
