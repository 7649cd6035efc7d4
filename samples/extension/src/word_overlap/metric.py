"""word_overlap: the words that two texts share, of all the words that they have."""

from __future__ import annotations

import re
from collections.abc import Sequence

from graders.metrics import Metric

__all__ = ["WORD_OVERLAP", "words"]


def words(text: str) -> set[str]:
    """Return the distinct words of a text, without case."""
    return set(re.findall(r"\w+", text.casefold()))


def word_overlap(candidates: Sequence[str], references: Sequence[str]) -> list[float]:
    """Return the Jaccard index of each pair's words, in [0, 1]; 0.0 where neither has a word."""
    return [
        _jaccard(words(candidate), words(reference))
        for candidate, reference in zip(candidates, references, strict=True)
    ]


def _jaccard(ours: set[str], theirs: set[str]) -> float:
    either = ours | theirs
    return len(ours & theirs) / len(either) if either else 0.0


WORD_OVERLAP = Metric.of(word_overlap, name="word_overlap", version="1")
