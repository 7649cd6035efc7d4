"""Formulas: what the grammar says, what it refuses and how, and that nothing takes long."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from graders.errors import FormulaError
from graders.formula import FUNCTIONS, FormulaValueError, compile_formula
from tests.waiting import at_most

VALUES = {"a": 2.0, "b": 3.0, "c": 0.5, "zero": 0.0, "minus": -2.0}


def value(text: str, values: Mapping[str, float] | None = None) -> float:
    values = VALUES if values is None else values
    return compile_formula(text, list(values)).evaluate(values)


def refusal(text: str, names: Sequence[str] = ("a", "b"), **options: Any) -> FormulaError:
    with pytest.raises(FormulaError) as caught:
        compile_formula(text, list(names), **options)
    return caught.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a + b", 5.0),
        ("a - b", -1.0),
        ("a * b", 6.0),
        ("a / b", 2 / 3),
        ("a ^ b", 8.0),
        ("-a", -2.0),
        ("--a", 2.0),
        ("a--b", 5.0),
        ("a * -b", -6.0),
        ("1", 1.0),
        (".5 + 1. + 1e2 + 1.5E-1", 101.65),
        ("0.5 * a + 0.5 *b", 2.5),
        (" ( a+b )/2\n", 2.5),
        ("(100 - abs(b - a)) / 100", 0.99),
        ("min(a, b, c)", 0.5),
        ("max(a, min(b, 10))", 3.0),
        ("floor(2.7) + floor(-0.5)", 1.0),
        ("ceil(2.1) + ceil(-0.5)", 3.0),
        ("sqrt(16) + exp(0) + log(1)", 5.0),
        ("log(exp(2))", 2.0),
        ("abs(minus)", 2.0),
    ],
)
def test_operators_and_functions_give_their_numbers(text, expected):
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a + b * c", 3.5),
        ("(a + b) * c", 2.5),
        ("a - b - c", -1.5),
        ("12 / 2 / 3", 2.0),
        ("2 ^ 3 ^ 2", 512.0),
        ("-a ^ 2", -4.0),
        ("2 ^ -1", 0.5),
        ("2 ^ -2 ^ 1", 0.25),
        ("minus ^ 2", 4.0),
        ("6 / 2 * 3", 9.0),
        ("2 * a ^ 2", 8.0),
    ],
)
def test_precedence_is_that_of_mathematics(text, expected):
    assert value(text) == expected


def test_every_value_is_a_float():
    assert all(type(value(text)) is float for text in ("1", "floor(a)", "abs(-1)", "max(1, 2)"))


def test_every_documented_function_is_there():
    assert set(FUNCTIONS) == {"min", "max", "abs", "floor", "ceil", "exp", "sqrt", "log"}


@pytest.mark.parametrize(
    "name",
    [
        "class",
        "lambda",
        "is",
        "not",
        "None",
        "min",
        "log",
        "type",
        "_",
        "__class__",
        "é",
        "名前",
        "x1",
    ],
)
def test_any_word_is_a_name(name):
    assert value(f"2 * {name} + 1", {name: 3.0}) == 7.0


def test_a_function_name_is_a_key_where_nothing_is_called():
    assert value("min + min(min, max)", {"min": 1.0, "max": 2.0}) == 2.0


@pytest.mark.parametrize(
    "name",
    ["exact-match", "step 1", "a.b", "1st", "what?", "a/b:c", "100%", 'say "x"', "{x}", "a+b"],
)
def test_keys_that_are_no_words_are_written_as_they_are(name):
    assert value(f"({name} + {name}) / 4", {name: 2.0}) == 1.0


def test_the_longest_odd_key_is_meant():
    keys = {"x-y": 1.0, "x-y-z": 2.0}
    assert value("x-y-z + 10 * x-y", keys) == 12.0


def test_an_odd_key_ends_where_its_word_ends():
    assert refusal("step 10", ["step 1"]).message.startswith("unknown name step")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a-b", ["a", "b", "a-b"]),
        ("2 * a-b", ["a", "b", "a-b"]),
        ("x y-z", ["x y", "z", "x y-z"]),
        ("max(a, b)", ["a", "b", "max(a, b)"]),
        ("-a", ["a", "-a"]),
    ],
)
def test_a_key_that_also_reads_as_arithmetic_is_refused(text, names):
    assert "also reads as arithmetic over other keys; rename one" in refusal(text, names).message


@pytest.mark.parametrize("text", ["(1 + 2) / 2", "a * 1", "1"])
def test_a_key_that_is_a_number_is_refused_where_it_could_be_meant(text):
    error = refusal(text, ["1", "a"])
    assert error.message == "'1' is a sub-grader's key and also a number; rename the key"


def test_a_key_that_is_a_number_does_no_harm_elsewhere():
    assert value("a * 0.5", {"1": 1.0, "a": 2.0}) == 1.0


@pytest.mark.parametrize(
    ("text", "message", "marked"),
    [
        ("", "the formula is empty", ""),
        ("  ", "the formula is empty", " "),
        (
            "a +",
            "the formula ends where a number, a sub-grader's key or a function is expected",
            "",
        ),
        ("a b", "an operator is expected, not 'b'", "b"),
        ("a if b", "an operator is expected, not 'if'", "if"),
        ("2(3)", "an operator is expected, not '('", "("),
        ("a(3)", "a is a sub-grader, not a function; an operator is missing", "("),
        ("+a", "there is no plus sign before a value, leave it out", "+"),
        ("a ** b", "'**': power is written ^", "**"),
        ("a // b", "'//': write floor(a / b)", "//"),
        ("a % b", "'%': there is no remainder operator", "%"),
        ("a < b", "'<': comparisons are not part of the grammar", "<"),
        ("a == b", "'=': comparisons and assignments are not part of the grammar", "="),
        ("a & b", "'&': logical operators are not part of the grammar", "&"),
        ("a − b", "'−': this is not the minus sign of the keyboard, write -", "−"),
        ("a × b", "'×': write *", "×"),
        ("a²", "'²': write ^2", "²"),
        ("2²", "'2' is not followed by an operator", "²"),
        ("a[0]", "'[': use parentheses ( )", "["),
        ("{a}", "'{': write the sub-grader's key without braces", "{"),
        ("a.real", "'.': there are no attributes, only the keys of `graders`", "."),
        ("'a'", "\"'\": write the sub-grader's key without quotes", "'"),
        ("(a + b", "this ( is never closed", "("),
        ("a + b)", "this ) has no matching (", ")"),
        ("min(a b)", "an operator or ) is expected, not 'b'", "b"),
        ("min(a,,b)", "a number, a sub-grader's key or a function is expected, not ','", ","),
        ("min(a)", "min takes two or more arguments, 1 given: write min(a, b)", "min(a)"),
        ("max()", "max takes two or more arguments, 0 given: write max(a, b)", "max()"),
        ("sqrt(a, b)", "sqrt takes one argument, 2 given: write sqrt(a)", "sqrt(a, b)"),
        ("abs a", "abs is a function: write abs(a)", "abs"),
        ("sqr(a)", "unknown function sqr; did you mean sqrt?", "sqr"),
        ("aaa1 + q", "unknown name aaa1; the keys of `graders` are: a, b", "aaa1"),
        ("1e400", "the number is too large", "1e400"),
        ("1_000", "'1' is not followed by an operator", "_"),
        ("0x10", "'0' is not followed by an operator", "x"),
        ("1..2", "'1.' is not followed by an operator", "."),
        ("a\u200b", "an operator is expected, not 'U+200B'", "\u200b"),
        ("٣", "a number, a sub-grader's key or a function is expected, not '٣'", "٣"),
        (
            "\ud800",
            "a number, a sub-grader's key or a function is expected, not 'U+D800'",
            "\ud800",
        ),
    ],
)
def test_a_refusal_says_what_is_wrong_and_marks_it(text, message, marked):
    error = refusal(text)
    assert error.message == message
    assert error.text[error.start : error.end] == marked


def test_a_refusal_shows_the_formula_with_carets():
    assert str(refusal("a + sqr(b)")) == (
        "unknown function sqr; did you mean sqrt?\na + sqr(b)\n    ^^^"
    )


def test_a_refusal_in_a_long_formula_shows_its_surroundings():
    shown = str(refusal("+".join(["a"] * 500) + "+oops+" + "+".join(["a"] * 500))).split("\n")
    assert shown[1].startswith("…")
    assert shown[1].endswith("…")
    assert shown[1][shown[2].index("^") :].startswith("oops")


@pytest.mark.parametrize(
    ("text", "near"),
    [("exakt", "exact"), ("Exact", "exact"), ("еxact", "exact"), ("ｅｘａｃｔ", None)],
)
def test_an_unknown_name_gets_the_nearest_key(text, near):
    message = refusal(text, ["exact", "fuzzy"]).message
    assert message == (
        f"unknown name {text}; did you mean {near}?"
        if near
        else f"unknown name {text}; the keys of `graders` are: exact, fuzzy"
    )


def test_a_graders_own_name_points_to_its_key():
    message = refusal("judge", ["quality"], aliases={"judge": "quality"}).message
    assert message.endswith("the grader named 'judge' stands under the key 'quality'")


def test_names_are_compared_as_they_are_written():
    """Python would take the ligature for the two letters."""
    assert "unknown name ﬁt" in refusal("ﬁt", ["fit"]).message


@pytest.mark.parametrize("text", ["a.__class__", "__import__('os')", "().__class__", "a;b", "`a`"])
def test_nothing_but_arithmetic_is_understood(text):
    refusal(text)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 100_000,
        "(" * 9_999 + "a" + ")" * 9_999,
        "-" * 19_999 + "a",
        "^".join(["9"] * 9_000),
        "+".join(["a"] * 20_000),
        "min(" * 4_000,
        "a" * 1_000_000,
        "((((a+" * 3_000,
    ],
)
def test_a_formula_of_any_size_or_depth_is_refused_at_once(text):
    with at_most():
        error = refusal(text)
    assert len(str(error)) < 500


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+".join(["a"] * 10_000), 20_000.0),
        ("min(" + ",".join(["b"] * 9_000) + ")", 3.0),
        ("(" * 100 + "a" + ")" * 100, 2.0),
        ("^".join(["1"] * 101), 1.0),
        ("-" * 100 + "a", 2.0),
        (" " * 19_999 + "a", 2.0),
    ],
)
def test_a_formula_within_the_bounds_is_fast(text, expected):
    with at_most():
        assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("+".join(["b"] * 9_000), ["b", *(f"a-{'x' * n}" for n in range(1_500))]),
        ("+".join(f"a-{n}" for n in range(2_500)), [f"a-{n}" for n in range(2_500)]),
        ("+".join(["a-x"] * 4_000), ["a-x", *(f"a-{'x' * n}" for n in range(2, 190))]),
    ],
)
def test_many_odd_keys_cost_little(text, names):
    with at_most():
        compile_formula(text, names)


def test_an_odd_key_too_long_to_look_for_is_refused():
    key = "a-" + "x" * 300
    assert "has to be a single word" in refusal(key, [key]).message
    assert value("x" * 300, {"x" * 300: 2.0}) == 2.0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a / zero", "a / zero = 2.0 / 0.0: division by zero"),
        ("zero / zero", "zero / zero = 0.0 / 0.0: division by zero"),
        ("zero ^ -1", "zero ^ -1 = 0.0 ^ -1: division by zero"),
        ("minus ^ c", "minus ^ c = (-2.0) ^ 0.5: (-2.0) ^ 0.5 is not a real number"),
        ("a-minus/zero", "a-minus/zero = 2.0-(-2.0)/0.0: division by zero"),
        ("sqrt(minus)", "sqrt(minus) = sqrt((-2.0)): sqrt(-2.0) is not a real number"),
        ("log(zero)", "log(zero) = log(0.0): log(0.0) is not a real number"),
        ("exp(a * 1000)", "exp(a * 1000) = exp(2.0 * 1000): the result is too large"),
        ("9^9^9^9", "9^9^9^9 = 9^9^9^9: the result is too large"),
        ("a * 1e308", "a * 1e308 = 2.0 * 1e308: the result is too large"),
    ],
)
def test_a_formula_without_a_finite_value_shows_its_numbers(text, reason):
    with pytest.raises(FormulaValueError) as caught:
        value(text)
    assert str(caught.value) == reason


@pytest.mark.parametrize(
    "text", ["1 / (a * 1e308)", "min(1, a * 1e308)", "0 * exp(1000)", "1e308 * 10 - 1e308 * 10"]
)
def test_an_overflow_on_the_way_is_a_failure_whatever_comes_after(text):
    with pytest.raises(FormulaValueError, match="too large"):
        value(text)


def test_a_long_failing_formula_is_shown_shortened():
    with pytest.raises(FormulaValueError) as caught:
        value("+".join(["a"] * 5_000) + "+1/zero")
    assert len(str(caught.value)) < 500
    assert str(caught.value).endswith(": division by zero")


def test_only_the_rows_without_a_value_fail_in_a_column():
    formula = compile_formula("a / b", ["a", "b"])
    values, reasons = formula.evaluate_columns({"a": [1.0, 2.0, 3.0], "b": [2.0, 0.0, 4.0]}, 3)
    assert values == [0.5, None, 0.75]
    assert reasons == {1: "a / b = 2.0 / 0.0: division by zero"}


def test_a_formula_without_names_has_a_value_for_every_row():
    assert compile_formula("1 / 4", ["a"]).evaluate_columns({}, 3) == ([0.25] * 3, {})
    assert compile_formula("1 / 4", ["a"]).evaluate_columns({}, 0) == ([], {})
    assert compile_formula("1 / 0", ["a"]).evaluate_columns({}, 2) == (
        [None, None],
        dict.fromkeys(range(2), "1 / 0 = 1 / 0: division by zero"),
    )


def test_a_columns_overflow_is_found_behind_min():
    formula = compile_formula("min(1, a * 1e308)", ["a"])
    values, reasons = formula.evaluate_columns({"a": [1.0, 100.0]}, 2)
    assert values == [1.0, None]
    assert list(reasons) == [1]


def test_the_names_used_are_listed_in_order_of_appearance():
    assert compile_formula("b + a * b", ["a", "b", "c"]).names == ("b", "a")


def test_an_unused_key_needs_no_value():
    assert math.isclose(compile_formula("a / 3", ["a", "b"]).evaluate({"a": 1.0}), 1 / 3)
