"""Every metric equals its library with `==`: on 250 pairs on every run, on many more when asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graders import metrics
from graders.metrics import METRICS, MetricOptions, Request, Scorer
from tests.examples import examples

ROUGE = ("rouge_1", "rouge_2", "rouge_3", "rouge_4", "rouge_5", "rouge_l")
MEASURES: tuple[Literal["fmeasure", "recall", "precision"], ...] = (
    "fmeasure",
    "recall",
    "precision",
)

Pair = tuple[str, str]


@pytest.fixture(scope="module", params=[16, pytest.param(1, marks=pytest.mark.slow)])
def pairs(corpus: Any, request: pytest.FixtureRequest) -> list[Pair]:
    """Two of long texts, and every sixteenth of the corpus: it begins with each edge case beside each."""
    long, short = corpus.long_pairs(2, 2_000), corpus.pairs(4_000)
    return [*long, *short[:: request.param]]


def ours(metric: str, pairs: Sequence[Pair], options: MetricOptions | None = None) -> list[float]:
    candidates, references = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    return Scorer(options).score([Request(metric, candidates, references)])[0]


def different(
    pairs: Sequence[Pair], found: Sequence[float], wanted: Sequence[Any]
) -> Iterator[tuple[Pair, float, Any]]:
    """Yield the pairs whose scores are not the same float."""
    for pair, score, value in zip(pairs, found, wanted, strict=True):
        if type(score) is not float or score != value:
            yield pair, score, value


@pytest.mark.parametrize("metric", [name for name in METRICS if name not in ROUGE])
def test_a_metric_equals_its_library(metric: str, pairs: list[Pair]) -> None:
    definition = METRICS[metric].definition
    assert definition is not None, f"{metric} is its own definition: leave it out here"
    _, score = definition(MetricOptions())
    wanted = [score(*pair) for pair in pairs]
    assert list(different(pairs, ours(metric, pairs), wanted))[:3] == []


@pytest.mark.parametrize("stemmer", [False, True])
def test_rouge_equals_its_library(
    stemmer: bool, pairs: list[Pair], corpus: Any, library: Any
) -> None:
    # The library's longest common subsequence of 2,000-word texts takes seconds.
    words = 2_000 if len(pairs) > 4_000 else 600
    some = [*corpus.long_pairs(1, words), *pairs[2:]]
    wanted = [library.rouge(*pair, metrics=ROUGE, stemmer=stemmer) for pair in some]
    for measure in MEASURES:
        options = MetricOptions(rouge_measure=measure, rouge_stemmer=stemmer)
        for metric in ROUGE:
            values = [getattr(scores[metric], measure) for scores in wanted]
            assert list(different(some, ours(metric, some, options), values))[:3] == []


@pytest.mark.slow
@pytest.mark.parametrize("words", [100, 2_000])
def test_metrics_equal_their_libraries_on_longer_texts(
    words: int, corpus: Any, library: Any
) -> None:
    pairs = corpus.long_pairs(200_000 // words, words)
    for metric in ("fuzzy_match", "bleu", "gleu", "meteor"):
        wanted = [getattr(library, metric)(*pair) for pair in pairs]
        assert list(different(pairs, ours(metric, pairs), wanted))[:3] == []
    names = ROUGE if words == 100 else ROUGE[:5]
    for stemmer in (False, True):
        wanted = [library.rouge(*pair, metrics=names, stemmer=stemmer) for pair in pairs]
        for metric in names:
            values = [scores[metric].fmeasure for scores in wanted]
            found = ours(metric, pairs, MetricOptions(rouge_stemmer=stemmer))
            assert list(different(pairs, found, values))[:3] == []


@pytest.mark.slow
def test_metrics_equal_their_libraries_on_many_more_pairs(corpus: Any, library: Any) -> None:
    pairs = corpus.pairs(150_000)
    for metric in ("fuzzy_match", "bleu", "gleu", "meteor"):
        wanted = [getattr(library, metric)(*pair) for pair in pairs]
        assert list(different(pairs, ours(metric, pairs), wanted))[:3] == []
    wanted = [library.rouge(*pair, metrics=ROUGE) for pair in pairs]
    for metric in ROUGE:
        values = [scores[metric].fmeasure for scores in wanted]
        assert list(different(pairs, ours(metric, pairs), values))[:3] == []


# Without characters that this Python's Unicode does not know: `regex` may know them already, and
# the library that stands beside it goes by Python's.
ANY_TEXT = st.text(st.characters(exclude_categories=["Cn"]), max_size=60)
LATIN = st.text(st.sampled_from("ab AB.,:;!?'\"`()[]<>-«»  \xa0½²é19$%&@#*sdmntrevl"), max_size=40)


@settings(max_examples=examples(150))
@given(st.lists(st.tuples(ANY_TEXT | LATIN, ANY_TEXT | LATIN), min_size=1, max_size=5))
def test_any_texts_score_as_their_libraries_do(library: Any, texts: list[Pair]) -> None:
    for metric in ("fuzzy_match", "gleu", "meteor", "bleu"):
        wanted = [getattr(library, metric)(*pair) for pair in texts]
        assert list(different(texts, ours(metric, texts), wanted)) == []
    for metric in ROUGE:
        wanted = [library.rouge(*pair, metrics=ROUGE)[metric].fmeasure for pair in texts]
        assert list(different(texts, ours(metric, texts), wanted)) == []


@settings(max_examples=examples(100))
@given(st.lists(st.tuples(ANY_TEXT | LATIN, ANY_TEXT | LATIN), max_size=6), st.randoms())
def test_a_scorer_gives_the_same_scores_in_any_company(texts: list[Pair], random: Random) -> None:
    candidates, references = [pair[0] for pair in texts], [pair[1] for pair in texts]
    alone = {
        metric: [getattr(metrics, metric)([pair[0]], [pair[1]])[0] for pair in texts]
        for metric in METRICS
    }
    names = list(METRICS) * 2
    random.shuffle(names)
    scorer = Scorer()
    for _ in range(2):
        found = scorer.score([Request(name, candidates, references) for name in names])
        assert found == [alone[name] for name in names]
