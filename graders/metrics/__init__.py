"""Text similarity, equal to rapidfuzz, nltk and rouge-score to the last bit, for many rows at once.

    >>> from graders.metrics import rouge_l
    >>> rouge_l(["the cat sat"], ["the cat sat down"])
    [0.8571428571428571]

Each function takes a column of candidates and a column of references and returns a score a row.
`Scorer` computes several metrics of the same rows together and remembers texts between calls.
Every metric accepts any `str` (empty, lone surrogates, NUL, ten million characters), never raises
or warns because of a text, and returns finite floats. Texts are compared as they are: no metric
normalises Unicode or strips. A metric's library is loaded on its first use, not before.
"""

from __future__ import annotations

from collections.abc import Sequence

from graders.metrics.metric import METRICS, Measure, MetricOptions, Request
from graders.metrics.scorer import Scorer
from graders.metrics.signature import signature

__all__ = [
    "METRICS",
    "MetricOptions",
    "Request",
    "Scorer",
    "bleu",
    "fuzzy_match",
    "gleu",
    "meteor",
    "rouge_1",
    "rouge_2",
    "rouge_3",
    "rouge_4",
    "rouge_5",
    "rouge_l",
    "signature",
]


def fuzzy_match(candidates: Sequence[str], references: Sequence[str]) -> list[float]:
    """Return how alike two texts are as strings of characters, in [0, 1].

    Twice the longest common subsequence of characters over the length of both texts together.
    Case, punctuation and whitespace count. Two empty texts give 1.0, one empty text 0.0.
    Time grows with the product of the two lengths, 64 characters a step; less for texts alike.

    Source: `rapidfuzz.fuzz.ratio(candidate, reference) / 100`, no processor.
    """
    return _scores("fuzzy_match", candidates, references)


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
    return _scores("bleu", candidates, references)


def gleu(candidates: Sequence[str], references: Sequence[str]) -> list[float]:
    """Return sentence GLEU of a candidate against one reference, in [0, 1].

    The smaller of n-gram precision and recall, n = 1..4. Tokens as in `bleu`.
    An empty text gives 0.0, also against another empty one.

    Source: Wu et al. 2016, section 4; equals nltk 3.10 `sentence_gleu([reference], candidate)`.
    """
    return _scores("gleu", candidates, references)


def meteor(candidates: Sequence[str], references: Sequence[str]) -> list[float]:
    """Return METEOR of a candidate against one reference, in [0, 1).

    Words match when they are equal without case, have equal stems, or are synonyms in WordNet 3.0;
    the score weighs recall nine times precision and is lowered by up to half for scattered matches.
    Identical texts of n words give 1 - 0.5 / n**3, so one word gives 0.5. Tokens as in `bleu`.
    No match, or an empty text, gives 0.0.

    Source: Lavie and Agarwal 2007; equals nltk 3.10
    `single_meteor_score(reference, candidate, alpha=0.9, beta=3, gamma=0.5)`.
    """
    return _scores("meteor", candidates, references)


def rouge_1(
    candidates: Sequence[str],
    references: Sequence[str],
    *,
    stemmer: bool = False,
    measure: Measure = "fmeasure",
) -> list[float]:
    """Return ROUGE-1 of a candidate against one reference, in [0, 1].

    Words in common, as recall over the reference's words, precision over the candidate's, or their
    harmonic mean. Words are the runs of a-z and 0-9 after lower-casing: text in other scripts has
    none, and a text without words gives 0.0, also against itself.

    Args:
        candidates: the texts to score.
        references: as many texts, the ground truth of each.
        stemmer: whether to compare words of more than three letters by their Porter stems.
        measure: `fmeasure`, `recall` or `precision`.

    Source: Lin 2004; equals rouge-score 0.1.2 `RougeScorer(["rouge1"], use_stemmer=stemmer)`.
    """
    return _scores("rouge_1", candidates, references, stemmer=stemmer, measure=measure)


def rouge_2(
    candidates: Sequence[str],
    references: Sequence[str],
    *,
    stemmer: bool = False,
    measure: Measure = "fmeasure",
) -> list[float]:
    """Return ROUGE-2 of a candidate against one reference, in [0, 1].

    As `rouge_1` with runs of 2 words. A text of fewer than 2 words gives 0.0, also against itself.

    Args:
        candidates: the texts to score.
        references: as many texts, the ground truth of each.
        stemmer: whether to compare words of more than three letters by their Porter stems.
        measure: `fmeasure`, `recall` or `precision`.

    Source: Lin 2004; equals rouge-score 0.1.2 `RougeScorer(["rouge2"], use_stemmer=stemmer)`.
    """
    return _scores("rouge_2", candidates, references, stemmer=stemmer, measure=measure)


def rouge_3(
    candidates: Sequence[str],
    references: Sequence[str],
    *,
    stemmer: bool = False,
    measure: Measure = "fmeasure",
) -> list[float]:
    """Return ROUGE-3 of a candidate against one reference, in [0, 1].

    As `rouge_1` with runs of 3 words. A text of fewer than 3 words gives 0.0, also against itself.

    Args:
        candidates: the texts to score.
        references: as many texts, the ground truth of each.
        stemmer: whether to compare words of more than three letters by their Porter stems.
        measure: `fmeasure`, `recall` or `precision`.

    Source: Lin 2004; equals rouge-score 0.1.2 `RougeScorer(["rouge3"], use_stemmer=stemmer)`.
    """
    return _scores("rouge_3", candidates, references, stemmer=stemmer, measure=measure)


def rouge_4(
    candidates: Sequence[str],
    references: Sequence[str],
    *,
    stemmer: bool = False,
    measure: Measure = "fmeasure",
) -> list[float]:
    """Return ROUGE-4 of a candidate against one reference, in [0, 1].

    As `rouge_1` with runs of 4 words. A text of fewer than 4 words gives 0.0, also against itself.

    Args:
        candidates: the texts to score.
        references: as many texts, the ground truth of each.
        stemmer: whether to compare words of more than three letters by their Porter stems.
        measure: `fmeasure`, `recall` or `precision`.

    Source: Lin 2004; equals rouge-score 0.1.2 `RougeScorer(["rouge4"], use_stemmer=stemmer)`.
    """
    return _scores("rouge_4", candidates, references, stemmer=stemmer, measure=measure)


def rouge_5(
    candidates: Sequence[str],
    references: Sequence[str],
    *,
    stemmer: bool = False,
    measure: Measure = "fmeasure",
) -> list[float]:
    """Return ROUGE-5 of a candidate against one reference, in [0, 1].

    As `rouge_1` with runs of 5 words. A text of fewer than 5 words gives 0.0, also against itself.

    Args:
        candidates: the texts to score.
        references: as many texts, the ground truth of each.
        stemmer: whether to compare words of more than three letters by their Porter stems.
        measure: `fmeasure`, `recall` or `precision`.

    Source: Lin 2004; equals rouge-score 0.1.2 `RougeScorer(["rouge5"], use_stemmer=stemmer)`.
    """
    return _scores("rouge_5", candidates, references, stemmer=stemmer, measure=measure)


def rouge_l(
    candidates: Sequence[str],
    references: Sequence[str],
    *,
    stemmer: bool = False,
    measure: Measure = "fmeasure",
) -> list[float]:
    """Return ROUGE-L of a candidate against one reference, in [0, 1].

    The longest common subsequence of words, as recall over the reference's words, precision over
    the candidate's, or their harmonic mean. Words as in `rouge_1`; a text without words gives 0.0.
    Time grows with the product of the two lengths, 64 words a step; less for texts alike.

    Args:
        candidates: the texts to score.
        references: as many texts, the ground truth of each.
        stemmer: whether to compare words of more than three letters by their Porter stems.
        measure: `fmeasure`, `recall` or `precision`.

    Source: Lin 2004; equals rouge-score 0.1.2 `RougeScorer(["rougeL"], use_stemmer=stemmer)`.
    """
    return _scores("rouge_l", candidates, references, stemmer=stemmer, measure=measure)


def _scores(
    metric: str,
    candidates: Sequence[str],
    references: Sequence[str],
    *,
    stemmer: bool = False,
    measure: Measure = "fmeasure",
) -> list[float]:
    options = MetricOptions(rouge_measure=measure, rouge_stemmer=stemmer)
    return Scorer(options).score([Request(metric, candidates, references)])[0]
