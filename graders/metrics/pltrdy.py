"""ROUGE as the PyPI package `rouge` 1.0.1 (by pltrdy) defines it: the other candidate for hosted.

It differs from rouge-score: text is split into sentences at ".", into words at whitespace, case
counts, n-grams are sets, F has 1e-8 in its denominator, and ROUGE-L unites the words of the longest
common subsequences of all sentences. Where the package raises an error (an empty text, "." alone)
the score is 0.0.

ROUGE-N is computed by the package. Its ROUGE-L is recursive, so it fails from some 500 words a
sentence on; here is the same choice among equally long subsequences without recursion, with rows
of the table as bits of one integer.
"""

from __future__ import annotations

from collections.abc import Sequence

from graders.errors import UnavailableError
from graders.metrics.metric import Measure

__all__ = ["PltrdyRouge"]


class PltrdyRouge:
    """ROUGE-1..5 and ROUGE-L of the `rouge` package."""

    def __init__(self, measure: Measure) -> None:
        """Make a scorer.

        Args:
            measure: which figure of a ROUGE score to return.

        Raises:
            UnavailableError: the package is not installed.
        """
        try:
            from rouge import Rouge
        except ImportError:
            raise UnavailableError(
                "rouge_backend 'rouge' needs the rouge package; "
                'install it with: pip install "local-graders[rouge]"'
            ) from None
        self._make = Rouge
        self._statistic = measure[0]

    def score(
        self, metrics: Sequence[str], candidates: Sequence[str], references: Sequence[str]
    ) -> dict[str, list[float]]:
        """Return the scores of `rouge_1`..`rouge_5` and `rouge_l` over the same rows."""
        return {metric: self._column(metric, candidates, references) for metric in metrics}

    def _column(
        self, metric: str, candidates: Sequence[str], references: Sequence[str]
    ) -> list[float]:
        pairs = zip(candidates, references, strict=True)
        if metric == "rouge_l":
            return [
                _rouge_l(candidate, reference)[self._statistic] for candidate, reference in pairs
            ]
        name = metric.replace("_", "-")
        rouge = self._make(metrics=[name], stats=[self._statistic])
        scores = []
        for candidate, reference in pairs:
            try:
                found = rouge.get_scores(candidate, reference)[0][name][self._statistic]
            except ValueError:
                found = 0.0
            scores.append(float(found))
        return scores


def _rouge_l(candidate: str, reference: str) -> dict[str, float]:
    """Return the package's ROUGE-L: recall `r`, precision `p` and F `f`."""
    ours, theirs = _sentences(candidate), _sentences(reference)
    if not ours or not theirs:
        return {"r": 0.0, "p": 0.0, "f": 0.0}
    common = set()
    for sentence in theirs:
        for other in ours:
            common |= _common_words(sentence, other)
    recall = len(common) / len({word for sentence in theirs for word in sentence})
    precision = len(common) / len({word for sentence in ours for word in sentence})
    f_measure = 2.0 * ((precision * recall) / (precision + recall + 1e-8))
    return {"r": recall, "p": precision, "f": f_measure}


def _sentences(text: str) -> list[list[str]]:
    """Return the words of each sentence; a sentence of whitespace has one empty word."""
    return [" ".join(part.split()).split(" ") for part in text.split(".") if part]


def _common_words(reference: list[str], candidate: list[str]) -> set[str]:
    """Return the words of the longest common subsequence that the package would take."""
    places: dict[str, int] = {}
    for place, word in enumerate(candidate):
        places[word] = places.get(word, 0) | 1 << place
    # Bit j of row i is 0 where the table grows from column j to j + 1 (Hyyro 2004).
    full = (1 << len(candidate)) - 1
    rows = [full]
    for word in reference:
        row = rows[-1]
        hits = row & places.get(word, 0)
        rows.append(((row + hits) | (row - hits)) & full)
    words = set()
    i, j = len(reference), len(candidate)
    while i and j:
        if reference[i - 1] == candidate[j - 1]:
            words.add(reference[i - 1])
            i -= 1
            j -= 1
        elif rows[i] >> (j - 1) & 1:
            j -= 1  # as long without this word of the candidate
        else:
            i -= 1
    return words
