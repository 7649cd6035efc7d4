"""Interval arithmetic holds every value, and points stay in their domains."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from graders.formula import compile_formula
from graders.inspection.lint.domain import interval, points
from graders.inspection.lint.source import PythonSource
from graders.kinds import Scores
from graders.kinds.kind import ANY_SCORE

UNIT = Scores(0.0, 1.0)
SCALE = Scores(-2.0, 5.0)
YES = Scores(0.0, 1.0, (0.0, 1.0))
DOMAINS = {"a": UNIT, "b": SCALE, "c": YES}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a + b", (-2, 6)),
        ("a - b", (-5, 3)),
        ("a * b", (-2, 5)),
        ("-b", (-5, 2)),
        ("b ^ 2", (0, 25)),
        ("b ^ 3", (-8, 125)),
        ("a ^ 0.5", (0, 1)),
        ("b ^ 0", (1, 1)),
        ("abs(b)", (0, 5)),
        ("min(a, b, 0.5)", (-2, 0.5)),
        ("max(a, b)", (0, 5)),
        ("floor(b / 2)", (-1, 2)),
        ("ceil(a)", (0, 1)),
        ("sqrt(4 * a)", (0, 2)),
        ("log(1 + a)", (0, math.log(2))),
        ("exp(a)", (1, math.e)),
        ("1 / (a + 1)", (0.5, 1)),
        ("1 / b", (-math.inf, math.inf)),
        ("exp(1000 * a)", (1, math.inf)),
        ("log(a)", (-math.inf, 0)),
        ("b ^ 0.5", (-math.inf, math.inf)),
        ("b ^ -1", (-math.inf, math.inf)),
    ],
)
def test_the_interval_of_a_formula(text: str, expected: tuple[float, float]) -> None:
    low, high = interval(compile_formula(text, list(DOMAINS)), DOMAINS)
    assert (low, high) == pytest.approx(expected)


LEAVES = st.sampled_from(["a", "b", "c", "0.5", "2", "3"])
FORMULAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/^"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(st.sampled_from(["abs", "floor", "ceil", "exp", "sqrt", "log"]), inner).map(
            lambda t: f"{t[0]}({t[1]})"
        ),
        st.tuples(st.sampled_from(["min", "max"]), inner, inner).map(
            lambda t: f"{t[0]}({t[1]}, {t[2]})"
        ),
        inner.map(lambda text: f"-({text})"),
    ),
    max_leaves=8,
)


@given(FORMULAS)
@example("(b ^ 400) ^ 9")
def test_an_interval_holds_every_value_of_its_formula(text: str) -> None:
    formula = compile_formula(text, list(DOMAINS))
    low, high = interval(formula, DOMAINS)
    tried = points(formula, DOMAINS)
    columns = {name: [one[name] for one in tried] for name in formula.names}
    values, _ = formula.evaluate_columns(columns, len(tried))
    for value in values:
        if value is not None:
            slack = 1e-9 * max(1.0, abs(value))
            assert low - slack <= value <= high + slack


def test_points_stay_in_their_domains_and_are_the_same_on_every_run() -> None:
    formula = compile_formula("a + b + c", list(DOMAINS))
    tried = points(formula, DOMAINS)
    assert tried == points(formula, DOMAINS)
    assert {one["c"] for one in tried} == {0.0, 1.0}
    assert all(-2.0 <= one["b"] <= 5.0 for one in tried)


def test_many_sub_graders_are_tried_at_few_points() -> None:
    names = [f"g{n}" for n in range(300)]
    tried = points(compile_formula(" + ".join(names), names), dict.fromkeys(names, UNIT))
    assert 300 < len(tried) < 3000


def test_an_unknown_domain_is_tried_far_out() -> None:
    tried = {one["a"] for one in points(compile_formula("a", ["a"]), {"a": ANY_SCORE})}
    assert {-1e6, 0.0, 1e6} <= tried


@pytest.mark.parametrize(
    ("returns", "values", "ends"),
    [
        ("return 1.0", {1.0}, {1.0}),
        ("return -2", {-2.0}, {-2.0}),
        ("return 1.0 if sample else 0.0", {0.0, 1.0}, {0.0, 1.0}),
        ("return float(sample == item)", {0.0, 1.0}, {0.0, 1.0}),
        ("return not sample", {0.0, 1.0}, {0.0, 1.0}),
        ("return max(0.0, min(1.0, len(sample)))", set(), {0.0, 1.0}),
        ("return min(5, max(len(sample), -1))", set(), {-1.0, 5.0}),
    ],
)
def test_a_source_that_spells_out_its_scores(
    returns: str, values: set[float], ends: set[float]
) -> None:
    source = PythonSource.parse(f"def grade(sample, item):\n    {returns}\n")
    assert source is not None
    assert source.scores is not None
    assert source.scores.values == frozenset(values)
    assert source.scores.ends == frozenset(ends)


@pytest.mark.parametrize(
    "returns",
    ["return len(sample)", "return", "pass", "return 1e999", "return max(len(sample), 0)",
     "return min(1, len(sample))", "return int(3.5)"],
)  # fmt: skip
def test_a_source_whose_scores_are_not_known(returns: str) -> None:
    source = PythonSource.parse(f"def grade(sample, item):\n    {returns}\n")
    assert source is not None
    assert source.scores is None


@pytest.mark.parametrize(
    "text",
    ["def grade(", "\0", "x = 1", "def grade(a): return 1", "grade = lambda s, i: 1.0",
     "-" * 100_000 + "1", "x" + ".a" * 100_000, "@cache\ndef grade(s, i): return 1.0"],
)  # fmt: skip
def test_what_is_no_plain_grade_is_not_looked_at(text: str) -> None:
    assert PythonSource.parse(text) is None
