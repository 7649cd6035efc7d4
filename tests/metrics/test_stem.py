"""Stems are those of NLTK's Porter stemmer."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graders.metrics.stem import stem
from tests.examples import examples

_SUFFIX_LIST = (
    "s es ies ied eed ed ing at bl iz y ational tional enci anci izer bli abli alli entli eli ousli "
    "ization ation ator alism iveness fulness ousness aliti iviti biliti fulli logi icate ative "
    "alize iciti ical ful ness al ance ence er ic able ible ant ement ment ent ion sion tion ou "
    "ism ate iti ous ive ize e ll ly yy ying lled"
)
SUFFIXES = _SUFFIX_LIST.split()


@pytest.fixture(scope="module")
def porter() -> Any:
    from nltk.stem.porter import PorterStemmer

    return PorterStemmer().stem


@pytest.mark.parametrize(
    "count",
    [
        100,
        pytest.param(400, marks=pytest.mark.more),
        pytest.param(60_000, marks=pytest.mark.slow),
    ],
)
def test_stems_of_real_and_suffixed_words_equal_nltk(porter: Any, corpus: Any, count: int) -> None:
    words = sorted({word for text in corpus.paragraphs for word in text.split()})
    random_ = random.Random(2)
    words += [random_.choice(words) + random_.choice(SUFFIXES) for _ in range(count)]
    words += [
        "".join(random_.choices("aeiouyybcdlstzwxn", k=random_.randint(0, 6)))
        + "".join(random_.choices(SUFFIXES, k=random_.randint(0, 3)))
        for _ in range(count)
    ]
    assert [word for word in words if stem(word) != porter(word)] == []


@settings(max_examples=examples(500))
@given(st.text(max_size=12) | st.text("aeiouyslzdtn", max_size=12))
def test_the_stem_of_any_string_equals_nltk(porter: Any, word: str) -> None:
    assert stem(word) == porter(word)
