"""BLEU, GLEU and METEOR: the metrics of machine translation, over the same tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Final

from graders.metrics.coder import Coder, ends_of, slices
from graders.metrics.metric import Defined, Metric, MetricOptions, Pair, Parts, alone, library
from graders.metrics.native import Counts, core_of, counted

if TYPE_CHECKING:
    from graders.metrics.alignment import Meteor
    from graders.metrics.tokenizer import Tokenizer

__all__ = ["BLEU", "GLEU", "METEOR", "Translation", "bleu", "gleu", "meteor"]

_ALIGNED_CHARACTERS: Final = 1 << 18


def bleu(candidates: Sequence[str], references: Sequence[str]) -> list[float]:
    """Return sentence BLEU-4 with smoothing method 4 against one reference, in [0, 1].

    The geometric mean of the clipped precisions of 1..4-grams, times a penalty for a candidate
    that is shorter than its reference. Case counts. Printable Latin-1 text is cut by NLTK's word
    tokenizer, any other text (a newline is enough) by the international rule.
    No word in common, or an empty text, gives 0.0. An order without common n-grams counts as a
    fraction of a match, so identical texts of one to three words do not give 1.0 unless it is one.

    Source: Papineni et al. 2002; Chen and Cherry 2014, method 4; equals nltk 3.10
    `sentence_bleu([reference], candidate, smoothing_function=SmoothingFunction().method4)`.
    """
    return BLEU.scores(candidates, references)


def gleu(candidates: Sequence[str], references: Sequence[str]) -> list[float]:
    """Return sentence GLEU of a candidate against one reference, in [0, 1].

    The smaller of n-gram precision and recall, n = 1..4. Tokens as in `bleu`.
    An empty text gives 0.0, also against another empty one.

    Source: Wu et al. 2016, section 4; equals nltk 3.10 `sentence_gleu([reference], candidate)`.
    """
    return GLEU.scores(candidates, references)


def meteor(candidates: Sequence[str], references: Sequence[str]) -> list[float]:
    """Return METEOR of a candidate against one reference, in [0, 1).

    Words match when they are equal without case, have equal stems, or are synonyms in WordNet 3.0;
    the score weighs recall nine times precision and is lowered by up to half for scattered matches.
    Identical texts of n words give 1 - 0.5 / n**3, so one word gives 0.5. Tokens as in `bleu`.
    No match, or an empty text, gives 0.0.

    Source: Lavie and Agarwal 2007; equals nltk 3.10
    `single_meteor_score(reference, candidate, alpha=0.9, beta=3, gamma=0.5)`.
    """
    return METEOR.scores(candidates, references)


class Translation:
    """BLEU, GLEU and METEOR."""

    def __init__(self) -> None:
        self._meteor: Meteor | None = None
        self._core = core_of("translation")
        self._count: Callable[[str, str], list[int] | None] | None = None

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        from graders.metrics.tokenizer import Tokenizer

        return Tokenizer()

    @cached_property
    def _coder(self) -> Coder:
        """What codes texts where Python counts."""
        tokenizer = self._tokenizer
        return Coder(
            tokenizer.alphabet, codes=tokenizer.codes, tokens=tokenizer.tokens, clear=self._clear
        )

    def score(
        self, metrics: Sequence[str], candidates: Sequence[str], references: Sequence[str]
    ) -> dict[str, list[float]]:
        """Return the scores of `bleu`, `gleu` and `meteor` over the same rows."""
        if len(candidates) == 1 and self._core is not None and "meteor" not in metrics:
            found = self.pair(metrics)(candidates[0], references[0])
            return {metric: [one] for metric, one in zip(metrics, found, strict=True)}
        scores: dict[str, list[float]] = {metric: [] for metric in metrics}
        if "bleu" in scores or "gleu" in scores:
            from graders.metrics.bleu_value import ORDERS, bleu_values, gleu_values

            for ours, theirs, *common in counted(
                self._core, self._counted, candidates, references, orders=ORDERS
            ):
                if "bleu" in scores:
                    scores["bleu"] += bleu_values(common, ours, theirs)
                if "gleu" in scores:
                    scores["gleu"] += gleu_values(common, ours, theirs)
        if "meteor" in scores:
            from graders.metrics.alignment import Meteor

            self._meteor = self._meteor or Meteor()
            for start, stop in slices(ends_of(candidates, references), _ALIGNED_CHARACTERS):
                scores["meteor"] += self._aligned(candidates[start:stop], references[start:stop])
        return scores

    def pair(self, metrics: Sequence[str]) -> Pair:
        """Return what scores one pair by some metrics as `score` does, sooner."""
        if self._core is None or "meteor" in metrics:
            return alone(self, metrics)
        from graders.metrics.bleu_value import ORDERS, bleu_value, gleu_value

        if self._count is None:
            self._count = self._core.pair(ORDERS)
        count = self._count
        values = [{"bleu": bleu_value, "gleu": gleu_value}[metric] for metric in metrics]

        def scores(candidate: str, reference: str) -> list[float]:
            found = count(candidate, reference)
            if found is None:
                (columns,) = self._counted([candidate], [reference])
                found = [int(column[0]) for column in columns]
            ours, theirs, *common = found
            return [value(common, ours, theirs) for value in values]

        return scores

    def _aligned(self, candidates: Sequence[str], references: Sequence[str]) -> list[float]:
        """Return METEOR of some rows."""
        from graders.metrics.ngram import concatenated

        assert self._meteor is not None  # noqa: S101 - for the type checker
        if self._core is not None:
            texts = list(chain.from_iterable(zip(candidates, references, strict=True)))
            if (found := self._core.tokens(texts)) is not None:
                return self._meteor.values(*found, len(candidates))
        scores = []
        for batch in self._coder.batches(candidates, references):
            token, owner = concatenated(batch.candidates, batch.references)
            scores += self._meteor.values(token, owner, batch.tokens, len(batch.candidates))
        return scores

    def _counted(self, candidates: Sequence[str], references: Sequence[str]) -> Iterator[Counts]:
        """Yield what the native core counts, counted in Python."""
        from graders.metrics.bleu_value import ORDERS
        from graders.metrics.ngram import lengths, overlaps

        for batch in self._coder.batches(candidates, references):
            columns = batch.candidates, batch.references
            yield [*map(lengths, columns), *overlaps(*columns, ORDERS)]

    def _clear(self) -> None:
        """Forget everything coded with the alphabet, which starts anew."""
        self._tokenizer.clear()
        if self._meteor is not None:
            self._meteor.clear()


def _family(_: MetricOptions) -> Translation:
    return Translation()


_SETTINGS: Final[dict[str, Parts]] = {
    "bleu": [("n", "1-4"), ("smooth", "method4")],
    "gleu": [("n", "1-4")],
    "meteor": [
        ("alpha", "0.9"), ("beta", "3"), ("gamma", "0.5"), ("stem", "porter-nltk"),
        ("syn", "wordnet-3.0"),
    ],
}  # fmt: skip


def _metric(name: str) -> Metric:
    def parts(_: MetricOptions) -> Parts:
        tokens = [("tok", "latin1-words/intl"), ("punkt", "nltk-english"), library("regex")]
        return [*_SETTINGS[name], *tokens, ("as", "nltk-3.10")]

    def defined(options: MetricOptions) -> Defined:
        from graders.metrics.definition import Definition

        return "nltk", getattr(Definition(options), name)

    return Metric(name=name, family=_family, parts=parts, definition=defined)


BLEU, GLEU, METEOR = map(_metric, _SETTINGS)
