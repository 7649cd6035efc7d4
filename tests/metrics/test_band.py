"""Long texts are compared in a band, and come out as if they were not."""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rapidfuzz.distance import LCSseq
from rapidfuzz.fuzz import ratio

from graders.metrics import band, fuzzy, fuzzy_match, rouge
from tests.examples import examples


def edited(text: str, share: float, random_: random.Random) -> str:
    return "".join(
        random_.choice("xyz") if random_.random() < share else character
        for character in text
        if random_.random() >= share
    )


@pytest.mark.parametrize("share", [0, 0.001, 0.02, 0.1, 0.3, 0.9])
@pytest.mark.parametrize("size", [4_096, 9_000])
def test_long_texts_come_out_as_rapidfuzz_says(share: float, size: int) -> None:
    random_ = random.Random(size)
    for _ in range(examples(6)):
        text = "".join(random_.choices("abc def \u3042", k=size))
        half = text[: size // 2] + edited(text[size // 2 :], share, random_)
        for other in (edited(text, share, random_), half, "q" + text[:-9] + "r", "short", ""):
            pair = ([text, other], [other, text])
            assert fuzzy_match(*pair) == [ratio(text, other) / 100, ratio(other, text) / 100]
            assert rouge._lcs(*pair).tolist() == [LCSseq.similarity(text, other)] * 2


def test_a_sample_that_promises_too_much_is_no_harm() -> None:
    start = "abc def " * 1_000
    candidate, reference = start + "x" * 40_000, start + "y" * 40_000
    guesses = list(band.likely_common(candidate, reference))
    assert len(guesses) == 2
    assert guesses == sorted(guesses, reverse=True)
    assert guesses[-1] > LCSseq.similarity(candidate, reference)
    assert fuzzy_match([candidate], [reference]) == [ratio(candidate, reference) / 100]


TEXT = st.text(st.characters(exclude_categories=()) | st.sampled_from("abc"), max_size=60)


@given(TEXT, TEXT)
@example("a" * 30, "ab")
def test_a_huge_text_comes_out_as_rapidfuzz_says(candidate: str, reference: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fuzzy, "LONG", 1)
        patch.setattr(fuzzy, "_HUGE", 20)
        assert fuzzy_match([candidate], [reference]) == [ratio(candidate, reference) / 100]
