"""How much two long texts have in common at least, guessed, so that comparing them costs less.

The time to compare two texts grows with the product of their lengths. But where results below a
cutoff do not matter, rapidfuzz looks only at a band around the diagonal, the narrower the higher
the cutoff, and what it returns from there is exact. So a sample says how alike two long texts
are, and a cutoff a little lower saves most of the time; where the guess was too high rapidfuzz
returns 0, and the texts are compared again in full.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from graders.metrics.alphabet import Codes

__all__ = ["LONG", "likely_common"]

LONG = 4_096
"""Shorter texts are compared in less time than a guess takes."""

# A sample of a sixteenth takes a 256th of the time.
_SAMPLE = 16
# A wider band than this saves too little to be worth a try that may fail.
_LEAST_SHARE = 0.6


def likely_common(candidate: Codes, reference: Codes) -> int:
    """Return a length that the longest common subsequence probably has; 0 is no guess."""
    longer = max(len(candidate), len(reference))
    if min(len(candidate), len(reference)) < max(LONG, _LEAST_SHARE * longer):
        return 0
    from rapidfuzz.distance.LCSseq import similarity

    size = longer // _SAMPLE
    missing = 1 - similarity(candidate[:size], reference[:size]) / size
    # Twice as much may be missing elsewhere, and a little where the sample misses nothing.
    share = 1 - 2 * missing - 0.005
    return int(share * longer) if share >= _LEAST_SHARE else 0
