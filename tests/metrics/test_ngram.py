"""Counts of common n-grams are those of collections.Counter."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders.metrics import ngram
from graders.metrics.alphabet import Alphabet, wide
from graders.metrics.ngram import overlaps

TEXT = st.text("abcd", max_size=12) | st.text(st.characters(exclude_categories=()), max_size=8)


def counted(candidate: str, reference: str, order: int) -> int:
    grams = [
        Counter(text[start : start + order] for start in range(len(text) - order + 1))
        for text in (candidate, reference)
    ]
    return (grams[0] & grams[1]).total()


@pytest.mark.parametrize("few", [-1, 40])
@given(st.lists(st.tuples(TEXT, TEXT), max_size=6), st.integers(1, 6))
def test_overlaps_equal_counters(few: int, pairs: list[tuple[str, str]], orders: int) -> None:
    # Few tokens are counted one by one, many by sorting; here both ways meet small and large.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ngram, "_FEW", few)
        check(pairs, orders)


def check(pairs: list[tuple[str, str]], orders: int) -> None:
    found = overlaps([ours for ours, _ in pairs], [theirs for _, theirs in pairs], orders)
    assert [counts.tolist() for counts in found] == [
        [counted(*pair, order) for pair in pairs] for order in range(1, orders + 1)
    ]


@pytest.mark.parametrize("few", [-1, 40])
@given(TEXT, TEXT)
def test_wide_codes_count_like_narrow_ones(few: int, candidate: str, reference: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ngram, "_FEW", few)
        check_wide(candidate, reference)


def check_wide(candidate: str, reference: str) -> None:
    ours, theirs, tokens = wide(candidate, reference)
    assert "".join(str(tokens[number]) for number in ours) == candidate
    alphabet = Alphabet()
    narrow = overlaps([alphabet.codes(candidate)], [alphabet.codes(reference)], 3)
    assert list(map(list, overlaps([ours], [theirs], 3))) == list(map(list, narrow))
