"""Formulas: refused with a place, or equal to Python's own arithmetic, walked slowly.

Input: the formula, 0xFF, and eight bytes a value for the keys.
"""

from __future__ import annotations

import ast
import keyword
import math
import re
import struct
from collections.abc import Mapping
from typing import Any

from graders.errors import FormulaError
from graders.formula import Formula, FormulaValueError, compile_formula
from graders.formula.parser import MAX_LENGTH

NAMES = ("a", "b", "class", "step 1", "x-y", "é", "a+b", "2", "min", "total_score")
TOKENS = tuple(
    one.encode()
    for one in (*NAMES, "max(", "min(", "abs(", "floor(", "ceil(", "exp(", "sqrt(", "log(", "^",
                "**", "//", "-", "+", "*", "/", "(", ")", ",", ".5", "1e308", "1e-320", "0x10", "1_0",
                " ", "\n", "−", "²", "Exp(", "ÿ")
)  # fmt: skip
_PLAIN = ("a", "b", "total_score")
# What both languages write alike: words, plain numbers, operators.
_ALIKE = re.compile(
    r"(?:[A-Za-z_]++|(?:0|[1-9][0-9]*+)(?:\.[0-9]*+)?(?:[eE][+-]?[0-9]++)?+(?![\w.])|[-+*/^(), ])*+",
    re.ASCII,
)
_TWO = {
    ast.Add: lambda x, y: x + y, ast.Sub: lambda x, y: x - y, ast.Mult: lambda x, y: x * y,
    ast.Div: lambda x, y: x / y, ast.Pow: math.pow,
}  # fmt: skip
_CALLS: Mapping[str, Any] = {
    "abs": abs, "min": min, "max": max, "exp": math.exp, "sqrt": math.sqrt, "log": math.log,
    "floor": lambda x: float(math.floor(x)), "ceil": lambda x: float(math.ceil(x)),
}  # fmt: skip


def target(data: bytes) -> None:
    first, _, rest = data.partition(b"\xff")
    text = first.decode("utf-8", "surrogateescape")
    numbers = [one for (one,) in struct.iter_unpack("<d", rest[: len(rest) // 8 * 8])]
    finite = [one for one in numbers if math.isfinite(one)] + [0.0, 1.0, -0.0, 0.5, -3.0, 1e308]
    rows = [
        {name: finite[(at + row) % len(finite)] for at, name in enumerate(NAMES)}
        for row in range(3)
    ]
    formula = _compiled(text)
    if isinstance(formula, FormulaError):
        assert 0 <= formula.start <= len(text)
        assert str(formula).count("\n") == 2
        _check_refused(text, formula)
        return
    assert set(formula.names) <= set(NAMES)
    columns = {name: [row[name] for row in rows] for name in NAMES}
    values, reasons = formula.evaluate_columns(columns, len(rows))
    tree = _tree(text)
    for index, row in enumerate(rows):
        value, reason = _alone(formula, row)
        assert repr(values[index]) == repr(value)
        assert reasons.get(index) == reason
        if tree is not None:
            assert repr(_walked(tree, row)) == repr(value), (text, row)


def _compiled(text: str) -> Formula | FormulaError:
    try:
        return compile_formula(text, NAMES)
    except FormulaError as error:
        return error


def _alone(formula: Formula, row: Mapping[str, float]) -> tuple[float | None, str | None]:
    try:
        return formula.evaluate(row), None
    except FormulaValueError as error:
        return None, str(error)


def _tree(text: str) -> ast.expr | None:
    """Return Python's reading of a formula; None where the two languages write differently."""
    if not _ALIKE.fullmatch(text) or "**" in text or "//" in text:
        return None
    words = set(re.findall("[A-Za-z_]+", re.sub(r"[0-9.]+[eE]", "", text)))
    if any(keyword.iskeyword(word) or word not in (*_PLAIN, *_CALLS) for word in words):
        return None
    try:
        return ast.parse(text.replace("^", "**").strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _walked(node: ast.expr, row: Mapping[str, float]) -> float | None:
    """Return the value of a tree; None where a step of it has no finite one."""
    try:
        return _value(node, row)
    except (ArithmeticError, ValueError):
        return None


def _value(node: ast.expr, row: Mapping[str, float]) -> float:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    if isinstance(node, ast.Name):
        return row[node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand, row)
    if isinstance(node, ast.BinOp):
        result = _TWO[type(node.op)](_value(node.left, row), _value(node.right, row))
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        result = _CALLS[node.func.id](*[_value(one, row) for one in node.args])
    else:
        raise AssertionError(f"our reading has no such node: {ast.dump(node)[:200]}")
    if not math.isfinite(result):
        raise OverflowError
    return float(result)


def _check_refused(text: str, error: FormulaError) -> None:
    """What Python reads as arithmetic over the same keys is refused for a reason Python has not."""
    tree = _tree(text)
    if tree is None or len(text) > MAX_LENGTH or "nests deeper" in str(error):
        return
    for node in ast.walk(tree):
        allowed = (
            isinstance(node, ast.Constant | ast.Load | ast.operator | ast.USub | ast.BinOp)
            or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub))
            or (isinstance(node, ast.Name) and node.id in _PLAIN)
        )
        if not allowed:
            return
        if isinstance(node, ast.Constant) and (
            not isinstance(node.value, int | float) or not math.isfinite(_float(node.value))
        ):
            return
    # `2` and `a+b` are keys too: those texts are ambiguous.
    if not re.search(r"\b2\b|a *\+ *b", text):
        raise AssertionError(f"{text!r} is arithmetic, and refused: {error}")


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf
