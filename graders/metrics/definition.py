"""The metrics as rapidfuzz, nltk and rouge-score compute them: the definition, one pair at a time.

`graders.metrics` gives the same floats many times faster; `graders verify` compares the two on the
user's own texts, and so do the tests. Nothing here shares code with the fast way but two tables of
data, NLTK's Punkt model and WordNet's synonyms, which `make test-definition` compares with NLTK's.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Final

from graders.metrics.metric import MetricOptions
from graders.metrics.sentence import punkt_model
from graders.metrics.synonym import load

__all__ = ["Definition"]

_KEPT: Final = 4096
_LATIN: Final = frozenset(map(chr, [*range(0x20, 0x7F), *range(0xA0, 0x100)]))


class Definition:
    """Each metric as its library computes it.

    Args:
        options: which ROUGE.

    Raises:
        UnavailableError: the library is not installed.
    """

    def __init__(self, options: MetricOptions | None = None) -> None:
        self.options = options or MetricOptions()
        self.tokens: Callable[[str], list[str]] = functools.lru_cache(_KEPT)(self._tokens)

    def fuzzy_match(self, candidate: str, reference: str) -> float:
        """As `rapidfuzz.fuzz.ratio`."""
        from rapidfuzz import fuzz

        return fuzz.ratio(candidate, reference) / 100.0

    def bleu(self, candidate: str, reference: str) -> Any:
        """As `nltk.translate.bleu_score.sentence_bleu` with smoothing method 4."""
        from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

        smoothing = SmoothingFunction().method4
        tokens = self.tokens(candidate)
        return sentence_bleu([self.tokens(reference)], tokens, smoothing_function=smoothing)

    def gleu(self, candidate: str, reference: str) -> Any:
        """As `nltk.translate.gleu_score.sentence_gleu`."""
        from nltk.translate.gleu_score import sentence_gleu

        return sentence_gleu([self.tokens(reference)], self.tokens(candidate))

    def meteor(self, candidate: str, reference: str) -> Any:
        """As `nltk.translate.meteor_score.single_meteor_score`."""
        from nltk.translate.meteor_score import single_meteor_score

        return single_meteor_score(
            self.tokens(reference), self.tokens(candidate), wordnet=_TableAsWordNet(),
            alpha=0.9, beta=3, gamma=0.5,
        )  # fmt: skip

    def word_tokenize(self, text: str) -> list[str]:
        """As `nltk.word_tokenize`, with the model from our table."""
        splitter, words = _nltk_tokenizers()
        return [word for sentence in splitter.tokenize(text) for word in words.tokenize(sentence)]

    def intl(self, text: str) -> list[str]:
        """As mteval's international rule, character by character."""
        text = _punctuation_apart(text, after=True)
        text = _punctuation_apart(text, after=False)
        return "".join(f" {one} " if _kind(one) == "S" else one for one in text).split()

    def _tokens(self, text: str) -> list[str]:
        return self.word_tokenize(text) if _LATIN.issuperset(text) else self.intl(text)

    def rouge_of(self, metric: str) -> Callable[[str, str], float]:
        """As `rouge-score`, or the package `rouge`, has one of the metrics of that name.

        What is returned raises RecursionError where `rouge` cannot compute texts of this length.
        """
        measure = self.options.rouge_measure
        if self.options.rouge_backend == "rouge":
            return functools.partial(_pltrdy, metric, measure[0])
        name = metric.replace("_l", "L").replace("_", "")
        scorer = _rouge_scorer(name, stemmer=self.options.rouge_stemmer)
        return lambda candidate, reference: float(
            getattr(scorer.score(reference, candidate)[name], measure)
        )


@functools.cache
def _nltk_tokenizers() -> tuple[Any, Any]:
    from nltk.tokenize.destructive import NLTKWordTokenizer
    from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer

    parameters, model = PunktParameters(), punkt_model()
    parameters.abbrev_types = set(model.abbreviations)
    parameters.collocations = set(model.collocations)
    parameters.sent_starters = set(model.starters)
    parameters.ortho_context.update(model.seen)
    splitter = PunktSentenceTokenizer()
    splitter._params = parameters  # noqa: SLF001  (its own door to them reads NLTK's data folder)
    return splitter, NLTKWordTokenizer()


class _TableAsWordNet:
    """Our table of synonyms in the form that NLTK's METEOR asks for."""

    def synsets(self, word: str) -> list[SimpleNamespace]:
        names = load().synonyms(word)
        lemmas = [SimpleNamespace(name=functools.partial(str, name)) for name in names]
        return [SimpleNamespace(lemmas=lambda: lemmas)]


@functools.lru_cache(_KEPT)
def _kind(character: str) -> str:
    """Return the first letter of a character's category where the rule asks for it: N, P or S."""
    import regex  # type: ignore[import-untyped, unused-ignore]

    found = regex.match(r"(\p{N})|(\p{P})|(\p{S})", character)
    return "" if found is None else "NPS"[(found.lastindex or 1) - 1]


def _punctuation_apart(text: str, *, after: bool) -> str:
    """Set punctuation apart that comes `after`, or else before, what is no digit.

    From the left, and no character takes part twice, as a regular expression replaces.
    """
    parts, taken = list(text), -1
    for place in range(len(text) - 1):
        first, second = text[place], text[place + 1]
        mark, other = (second, first) if after else (first, second)
        if place > taken and _kind(mark) == "P" and _kind(other) != "N":
            parts[place : place + 2] = (
                [f"{first} ", f"{second} "] if after else [f" {first} ", second]
            )
            taken = place + 1
    return "".join(parts)


@functools.cache
def _rouge_scorer(name: str, *, stemmer: bool) -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer([name], use_stemmer=stemmer)


def _pltrdy(metric: str, figure: str, candidate: str, reference: str) -> float:
    from rouge import Rouge

    name = metric.replace("_", "-")
    try:
        found = Rouge(metrics=[name], stats=[figure]).get_scores(candidate, reference)
    except ValueError:  # An empty text; docs/reference/metric.md says that it scores 0.
        return 0.0
    return float(found[0][name][figure])
