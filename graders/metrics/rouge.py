"""ROUGE-N and ROUGE-L as the rouge-score library defines them.

Tokens are the runs of [a-z0-9] in the lower-cased text. Two tricks:

- splitting is done by C code: every byte that is no letter or digit is translated to a space
  (a non-ASCII character to `?` first, hence to a space too) and `bytes.split` does the rest;
  lower-cased texts have no capitals, so many are split at once with an `A` between any two;
- the longest common subsequence is rapidfuzz's bit-parallel one, 64 cells a step, over texts
  coded one code point a token (`alphabet.py`). N-grams are counted in `ngram.py`.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from graders.metrics.alphabet import BLOCK, Alphabet, Codes, Token
from graders.metrics.band import LONG, likely_common
from graders.metrics.coder import Coder
from graders.metrics.metric import (
    Defined,
    Family,
    Measure,
    Metric,
    MetricOptions,
    Pair,
    Parts,
    alone,
    library,
    linear,
)
from graders.metrics.native import Counts, core_of, counted

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = [
    "ROUGE_1", "ROUGE_2", "ROUGE_3", "ROUGE_4", "ROUGE_5", "ROUGE_L", "Rouge", "rouge_1", "rouge_2", "rouge_3", "rouge_4", "rouge_5", "rouge_l", "words",
]  # fmt: skip

_Column: TypeAlias = "Sequence[int] | array[int] | npt.NDArray[np.int64]"
# Rows up to which numpy takes longer than what it does: to be called, and to be loaded.
_FEW: Final = 1 << 6
_FEW_UNLOADED: Final = 1 << 10

_MARK = b"A"
_BETWEEN = " A "
_KEPT = b"abcdefghijklmnopqrstuvwxyz0123456789" + _MARK
_TABLE = bytes(byte if byte in _KEPT else 32 for byte in range(256))


def words(text: str) -> list[bytes]:
    """Return the tokens of a text: lower-cased runs of ASCII letters and digits."""
    return _spaced(text.lower()).split()


def _spaced(lowered: str) -> bytes:
    return lowered.encode("ascii", "replace").translate(_TABLE)


def _coding(alphabet: Alphabet) -> Callable[[Sequence[str]], list[str]]:
    """Return the function that codes texts: all in one go, since calls are most of a short text's time."""

    def codes(texts: Sequence[str]) -> list[str]:
        if any(len(text) > BLOCK for text in texts):
            return [alphabet.codes_of(_spaced(text.lower())) for text in texts]
        spaced = _spaced(_BETWEEN.join(map(str.lower, texts)))
        found = alphabet.codes(spaced.split()).split(alphabet[_MARK])
        return found if texts else []

    return codes


class _StemAlphabet(Alphabet):
    """An alphabet that gives a token the code point of its stem."""

    def __init__(self, stemmed: Callable[[bytes], bytes]) -> None:
        super().__init__()
        self._stemmed = stemmed
        self._stems = Alphabet()

    def __missing__(self, token: Token) -> str:
        assert isinstance(token, bytes)  # noqa: S101 - for the type checker
        stem = self._stemmed(token)
        # A word with an empty stem is dropped, as the library's final check does.
        code = self[token] = self._stems[stem] if stem else ""
        return code

    def clear(self) -> None:
        """Forget every token and every stem."""
        super().clear()
        self._stems.clear()


def _stemmed(token: bytes) -> bytes:
    """Return the stem of a token of more than three characters, else the token."""
    from graders.metrics.stem import stem

    return stem(token.decode()).encode() if len(token) > 3 else token


class Rouge:
    """ROUGE-1..5 and ROUGE-L over the same tokens."""

    def __init__(self, measure: Measure, *, stemmer: bool) -> None:
        """Make a scorer.

        Args:
            measure: which figure of a ROUGE score to return.
            stemmer: whether to stem words of more than three characters.
        """
        self._measure: Measure = measure
        alphabet = _StemAlphabet(_stemmed) if stemmer else Alphabet()
        self._coder = Coder(
            alphabet,
            codes=_coding(alphabet),
            tokens=(lambda text: filter(None, map(_stemmed, words(text)))) if stemmer else words,
            clear=alphabet.clear,
        )
        self._core = None if stemmer else core_of("alphanumeric")
        self._pairs: dict[tuple[str, ...], Pair] = {}

    def score(
        self, metrics: Sequence[str], candidates: Sequence[str], references: Sequence[str]
    ) -> dict[str, list[float]]:
        """Return the scores of `rouge_1`..`rouge_5` and `rouge_l` over the same rows."""
        most, longest = _orders(metrics)
        if len(candidates) == 1 and self._core is not None:
            found = self.pair(metrics)(candidates[0], references[0])
            return {metric: [one] for metric, one in zip(metrics, found, strict=True)}
        scores: dict[str, list[float]] = {metric: [] for metric in metrics}
        python = partial(self._counted, orders=most, longest=longest)
        for ours, theirs, *common in counted(
            self._core, python, candidates, references, orders=most, longest=longest
        ):
            for metric in metrics:
                scores[metric] += _values(*_order(metric, common), ours, theirs, self._measure)
        return scores

    def pair(self, metrics: Sequence[str]) -> Pair:
        """Return what scores one pair by some metrics as `score` does, sooner."""
        known = self._pairs.get(tuple(metrics))
        if known is None:
            known = self._pairs[tuple(metrics)] = self._pair(metrics)
        return known

    def _pair(self, metrics: Sequence[str]) -> Pair:
        if self._core is None:
            return alone(self, metrics)
        most, longest = _orders(metrics)
        count, measure = self._core.pair(most, longest=longest), self._measure
        which = [_order(metric, range(2, 2 + most + longest)) for metric in metrics]

        def scores(candidate: str, reference: str) -> list[float]:
            found = count(candidate, reference)
            if found is None:
                (columns,) = self._counted([candidate], [reference], orders=most, longest=longest)
                found = [int(column[0]) for column in columns]
            ours, theirs = found[0] + 1, found[1] + 1
            return [
                _value(found[place], ours - order, theirs - order, measure)
                for order, place in which
            ]

        return scores

    def _counted(
        self, candidates: Sequence[str], references: Sequence[str], *, orders: int, longest: bool
    ) -> Iterator[Counts]:
        """Yield what the native core counts, counted in Python."""
        from graders.metrics.ngram import lengths, overlaps

        for batch in self._coder.batches(candidates, references):
            columns = batch.candidates, batch.references
            common = overlaps(*columns, orders) if orders else []
            subsequences = [_lcs(*columns)] if longest else []
            yield [*map(lengths, columns), *common, *subsequences]


def _orders(metrics: Sequence[str]) -> tuple[int, bool]:
    """Return up to which order n-grams are counted for some metrics, and whether subsequences are."""
    orders = [int(metric[-1]) for metric in metrics if metric != "rouge_l"]
    return max(orders, default=0), "rouge_l" in metrics


def _lcs(candidates: Sequence[Codes], references: Sequence[Codes]) -> npt.NDArray[np.int64]:
    """Return the length of the longest common subsequence of each pair."""
    import numpy as np
    from rapidfuzz.distance.LCSseq import similarity

    long = max(map(len, candidates), default=0) >= LONG
    found = map(_long_lcs if long else similarity, candidates, references)
    return np.fromiter(found, np.int64, len(candidates))


def _long_lcs(candidate: Codes, reference: Codes) -> int:
    """Return what `similarity` returns, sooner where two long texts are alike."""
    from rapidfuzz.distance.LCSseq import similarity

    for common in likely_common(candidate, reference):
        # With a cutoff, 0 says that the guess was too high.
        if found := similarity(candidate, reference, score_cutoff=common):
            return found
    return similarity(candidate, reference)


def _order(metric: str, common: Sequence[Any]) -> tuple[int, Any]:
    """Return of how many words the n-grams of a metric are, and its column of those that count."""
    return (
        (1, common[-1]) if metric == "rouge_l" else (int(metric[-1]), common[int(metric[-1]) - 1])
    )


def _values(
    order: int, common: _Column, candidates: _Column, references: _Column, measure: Measure
) -> list[float]:
    """Return the score of each pair from its common n-grams and its words.

    A text of n words has n - order + 1 n-grams. Sizes below 1 count as 1 (the library's way not to
    divide by zero; `common` is 0 then). The order of operations is the library's, so the floats
    are its floats to the last bit.
    """
    few = _FEW if "numpy" in sys.modules else _FEW_UNLOADED
    if len(common) <= few and isinstance(common, array):
        return _few(order, common, candidates, references, measure)
    import numpy as np

    shared = np.asarray(common)
    precision = shared / np.maximum(np.asarray(candidates) - order + 1, 1)
    recall = shared / np.maximum(np.asarray(references) - order + 1, 1)
    if measure == "precision":
        scores = precision
    elif measure == "recall":
        scores = recall
    else:
        total = precision + recall
        scores = 2 * precision * recall / np.where(total > 0, total, 1.0)
    found: list[float] = scores.tolist()
    return found


def _few(
    order: int, common: _Column, candidates: _Column, references: _Column, measure: Measure
) -> list[float]:
    """Return the same as `_values`, where numpy takes longer to be called, or to be loaded."""
    less = order - 1
    return [
        _value(shared, ours - less, theirs - less, measure)
        for shared, ours, theirs in zip(common, candidates, references, strict=True)
    ]


def _value(shared: int, ours: int, theirs: int, measure: Measure) -> float:
    """Return the score of one pair from the n-grams it has in common, and those of either text."""
    if not shared:
        return 0.0
    precision, recall = shared / ours, shared / theirs
    if measure == "fmeasure":
        return 2 * precision * recall / (precision + recall)
    return precision if measure == "precision" else recall


def _family(options: MetricOptions) -> Family:
    if options.rouge_backend == "rouge":
        from graders.metrics.pltrdy import PltrdyRouge

        return PltrdyRouge(options.rouge_measure)
    return Rouge(options.rouge_measure, stemmer=options.rouge_stemmer)


def _parts(options: MetricOptions) -> Parts:
    which = [("backend", options.rouge_backend), ("measure", options.rouge_measure)]
    if options.rouge_backend == "rouge":
        return [*which, library("rouge")]
    stemmer = "porter-nltk" if options.rouge_stemmer else "no"
    return [*which, ("stem", stemmer), ("tok", "a-z0-9"), ("as", "rouge-score-0.1.2")]


def _takes_common(options: MetricOptions, candidate: str, reference: str) -> float:
    """Return about how many seconds the longest common subsequence of words takes."""
    product = len(candidate) * len(reference)
    if options.rouge_backend == "rouge":
        # A table of all its words with all its words, and one for each two sentences.
        return product / 7e8 + (candidate.count(".") + 1) * (reference.count(".") + 1) * 6e-7
    return product / 4e10 + linear(options, candidate, reference)


def _metric(name: str) -> Metric:
    def defined(options: MetricOptions) -> Defined:
        from graders.metrics.definition import Definition

        package = "rouge" if options.rouge_backend == "rouge" else "rouge-score"
        return package, Definition(options).rouge_of(name)

    takes = _takes_common if name == "rouge_l" else linear
    return Metric(name=name, family=_family, parts=_parts, definition=defined, takes=takes)


class _Function(Protocol):
    def __call__(
        self,
        candidates: Sequence[str],
        references: Sequence[str],
        *,
        stemmer: bool = False,
        measure: Measure = "fmeasure",
    ) -> list[float]:
        """Return a score a row."""


_WORDS: Final = """Words in common, as recall over the reference's words, precision over the candidate's, or their
    harmonic mean. Words are the runs of a-z and 0-9 after lower-casing: text in other scripts has
    none, and a text without words gives 0.0, also against itself."""
_RUNS: Final = """As `rouge_1` with runs of {0} words. A text of fewer than {0} words gives 0.0, also against itself."""
_LONGEST: Final = """The longest common subsequence of words, as recall over the reference's words, precision over
    the candidate's, or their harmonic mean. Words as in `rouge_1`; a text without words gives 0.0.
    Time grows with the product of the two lengths, 64 words a step; less for texts alike."""
_DOCSTRING: Final = """Return ROUGE-{0} of a candidate against one reference, in [0, 1].

    {1}

    Args:
        candidates: the texts to score.
        references: as many texts, the ground truth of each.
        stemmer: whether to compare words of more than three letters by their Porter stems.
        measure: `fmeasure`, `recall` or `precision`.

    Source: Lin 2004; equals rouge-score 0.1.2 `RougeScorer(["rouge{0}"], use_stemmer=stemmer)`.
    """


def _function(metric: Metric, order: str, counted: str) -> _Function:
    def scores(
        candidates: Sequence[str],
        references: Sequence[str],
        *,
        stemmer: bool = False,
        measure: Measure = "fmeasure",
    ) -> list[float]:
        options = MetricOptions(rouge_measure=measure, rouge_stemmer=stemmer)
        return metric.scores(candidates, references, options)

    scores.__name__ = scores.__qualname__ = metric.name
    scores.__doc__ = _DOCSTRING.format(order, counted.format(order))
    return scores


_COUNTED: Final = {"1": _WORDS, **dict.fromkeys("2345", _RUNS), "L": _LONGEST}

_METRICS: Final = [_metric(f"rouge_{order.lower()}") for order in _COUNTED]
ROUGE_1, ROUGE_2, ROUGE_3, ROUGE_4, ROUGE_5, ROUGE_L = _METRICS
rouge_1, rouge_2, rouge_3, rouge_4, rouge_5, rouge_l = (
    _function(metric, *which) for metric, which in zip(_METRICS, _COUNTED.items(), strict=True)
)
