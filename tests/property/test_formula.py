"""Formulas against Python's own arithmetic, and columns against single rows."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graders.errors import FormulaError
from graders.formula import Formula, FormulaValueError, compile_formula
from tests.examples import examples

NAMES = ("a", "b", "class", "step 1", "x-y")
PYTHON_NAMES = dict(zip(NAMES, ("v0", "v1", "v2", "v3", "v4"), strict=True))
FUNCTIONS = {
    "abs": abs,
    "min": min,
    "max": max,
    "exp": math.exp,
    "sqrt": math.sqrt,
    "log": math.log,
    "floor": lambda x: float(math.floor(x)),
    "ceil": lambda x: float(math.ceil(x)),
    "pow": math.pow,
}

# Pairs of texts: the formula and the Python expression that means the same.
numbers = st.floats(0, 1e6, allow_nan=False).map(lambda x: (repr(x), repr(x)))
names = st.sampled_from(NAMES).map(lambda name: (name, PYTHON_NAMES[name]))


def _combined(inner):
    return st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/"]), inner).map(
            lambda t: (f"({t[0][0]} {t[1]} {t[2][0]})", f"({t[0][1]} {t[1]} {t[2][1]})")
        ),
        st.tuples(inner, inner).map(
            lambda t: (f"({t[0][0]})^({t[1][0]})", f"pow({t[0][1]}, {t[1][1]})")
        ),
        inner.map(lambda t: (f"-{t[0]}", f"-({t[1]})")),
        st.tuples(st.sampled_from(["abs", "exp", "sqrt", "log", "floor", "ceil"]), inner).map(
            lambda t: (f"{t[0]}({t[1][0]})", f"{t[0]}({t[1][1]})")
        ),
        st.tuples(st.sampled_from(["min", "max"]), st.lists(inner, min_size=2, max_size=4)).map(
            lambda t: (
                f"{t[0]}({', '.join(one[0] for one in t[1])})",
                f"{t[0]}({', '.join(one[1] for one in t[1])})",
            )
        ),
    )


expressions = st.recursive(numbers | names, _combined, max_leaves=12)
finite = st.floats(-100, 100, allow_nan=False)
rows = st.lists(st.fixed_dictionaries(dict.fromkeys(NAMES, finite)), min_size=1, max_size=5)


def _in_python(expression: str, row: Mapping[str, float]) -> float | None:
    scope = {PYTHON_NAMES[name]: number for name, number in row.items()}
    try:
        return float(eval(expression, {"__builtins__": {}, **FUNCTIONS, **scope}))
    except (ArithmeticError, ValueError):
        return None


@given(expressions, rows)
@settings(max_examples=examples(400))
def test_a_formula_equals_pythons_own_arithmetic(expression, rows):
    formula = compile_formula(expression[0], NAMES)
    for row in rows:
        expected = _in_python(expression[1], row)
        try:
            got = formula.evaluate(row)
        except FormulaValueError:
            # Python may go on with an infinity; a formula has failed by then.
            assert (
                expected is None or not math.isfinite(expected) or "too large" in _why(formula, row)
            )
        else:
            assert repr(got) == repr(expected)


def _why(formula: Formula, row: Mapping[str, float]) -> str:
    with pytest.raises(FormulaValueError) as caught:
        formula.evaluate(row)
    return str(caught.value)


flat = st.lists(
    st.tuples(st.sampled_from(["+", "-", "*", "/"]), st.sampled_from(["", "-"]), names),
    min_size=1,
    max_size=12,
)


@given(names, flat, rows)
@settings(max_examples=examples(200))
def test_precedence_without_parentheses_equals_pythons(first, rest, rows):
    text = first[0] + "".join(f" {op} {sign}{name[0]}" for op, sign, name in rest)
    python = first[1] + "".join(f" {op} {sign}{name[1]}" for op, sign, name in rest)
    formula = compile_formula(text, NAMES)
    for row in rows:
        expected = _in_python(python, row)
        if expected is None or not math.isfinite(expected):
            _why(formula, row)
        else:
            assert repr(formula.evaluate(row)) == repr(expected)


@given(expressions, rows)
@settings(max_examples=examples(200))
def test_columns_equal_row_by_row(expression, rows):
    formula = compile_formula(expression[0], NAMES)
    columns = {name: [row[name] for row in rows] for name in NAMES}
    values, reasons = formula.evaluate_columns(columns, len(rows))
    for index, row in enumerate(rows):
        value, reason = _alone(formula, row)
        assert repr(values[index]) == repr(value)
        assert reasons.get(index) == reason


def _alone(formula: Formula, row: Mapping[str, float]) -> tuple[float | None, str | None]:
    try:
        return formula.evaluate(row), None
    except FormulaValueError as error:
        return None, str(error)


@given(st.text(st.characters() | st.sampled_from("ab()+-*/^., 0123456789"), max_size=60))
@settings(max_examples=examples(500))
def test_any_text_is_a_formula_or_refused_with_its_place(text):
    compiled = _compiled(text)
    if isinstance(compiled, FormulaError):
        assert 0 <= compiled.start <= len(text)
        assert str(compiled).count("\n") == 2
    else:
        assert set(compiled.names) <= {"a", "b"}


def _compiled(text: str) -> Formula | FormulaError:
    try:
        return compile_formula(text, ["a", "b"])
    except FormulaError as error:
        return error
