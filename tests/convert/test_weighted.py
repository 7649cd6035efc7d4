"""Weighted means as formulas, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders.convert.weighted import Term, formula_of, linear_of, terms_of
from graders.formula import compile_formula

NUMBERS = st.floats(-1, 1, allow_nan=False).map(lambda one: one + 0.0)
TERMS = st.lists(
    st.builds(
        Term, st.sampled_from("abcdefg"), st.floats(0.001, 1000), NUMBERS | st.none(), NUMBERS
    ).map(lambda one: one if one.right is not None else Term(one.key, one.weight)),
    min_size=1,
    max_size=7,
    unique_by=lambda one: one.key,
)


@given(TERMS)
def test_what_is_written_is_read_and_is_a_formula(terms: list[Term]) -> None:
    text = formula_of(terms)
    compile_formula(text, [one.key for one in terms])
    found = terms_of(text)
    assert found is not None
    assert formula_of(found) == text
    assert [one.key for one in found] == [one.key for one in terms]


def test_both_rewards_are_given_to_the_last_bit() -> None:
    term = Term("exact", 1.0, 0.7, 0.1)
    assert formula_of([term]) == "(0.7 * exact + 0.1 * (1 - exact))"
    assert terms_of(formula_of([term])) == [term]


@pytest.mark.parametrize(
    "text", ["", "(", "a * b", "a + b", "(1 * a + 1 * a) / (1 + 1)", "(1 * a) / (1)", "min(a, b)"]
)
def test_other_formulas_are_no_weighted_mean(text: str) -> None:
    assert terms_of(text) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("(a + b) / 2", (0.0, {"a": 0.5, "b": 0.5})),
        ("0.2 * a - b + 1", (1.0, {"a": 0.2, "b": -1.0})),
        ("-(a) * 2", (0.0, {"a": -2.0})),
        ("a * b", None), ("min(a, b)", None), ("a ^ 2", None), ("a / 0", None), ("class", None),
        ("a if b else c", None), ("True * a", None), ("1e308 * 10 * a", None), ("(" * 5000, None),
    ],
)  # fmt: skip
def test_sums_of_multiples_are_told_from_the_rest(text: str, found: object) -> None:
    assert linear_of(text) == found
