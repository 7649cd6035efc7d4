"""A weighted mean of rewards as a formula, and back: how vendors combine what a multi says in arithmetic.

    (2 * (1 * exact - 1 * (1 - exact)) + 1 * code) / (2 + 1)

Does: writes such a formula from terms, and reads terms from one, or from any sum of multiples. Pure.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["Term", "finite", "formula_of", "linear_of", "number", "terms_of"]


@dataclass(frozen=True, slots=True)
class Term:
    """One reward of a weighted mean.

    Attributes:
        key: the sub-grader's key.
        weight: how much it counts.
        right, wrong: what stands for its 1 and its 0; None where its score is the reward.
    """

    key: str
    weight: float = 1.0
    right: float | None = None
    wrong: float | None = None

    @property
    def plain(self) -> bool:
        """Whether the score itself is the reward."""
        return self.right is None or (self.right, self.wrong) == (1, 0)


def number(value: float) -> str:
    """Return a number as a formula has it: exact, and without `.0`."""
    text = repr(float(value))
    return text.removesuffix(".0")


def finite(value: Any) -> float | None:
    """Return a number of a document, None for what is no finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def formula_of(terms: Sequence[Term]) -> str:
    """Return the weighted mean of terms; of a single one its reward alone."""
    if len(terms) == 1:
        return _reward(terms[0])
    top = " + ".join(f"{number(one.weight)} * {_reward(one)}" for one in terms)
    return f"({top}) / ({' + '.join(number(one.weight) for one in terms)})"


def _reward(term: Term) -> str:
    if term.plain:
        return term.key
    # Not wrong + (right - wrong) * key: this gives right and wrong to the last bit.
    right, wrong = number(term.right or 0.0), number(term.wrong or 0.0)
    return f"({right} * {term.key} + {wrong} * (1 - {term.key}))"


_NUMBER: Final = r"(-?[\d.]+(?:e[+-]?\d+)?)"
_TWO: Final = re.compile(
    rf"\({_NUMBER} \* ([A-Za-z]\w*) \+ {_NUMBER} \* \(1 - ([A-Za-z]\w*)\)\)", re.ASCII
)
_WEIGHT: Final = re.compile(rf"{_NUMBER} \* ", re.ASCII)
_KEY: Final = re.compile(r"[A-Za-z]\w*", re.ASCII)


def terms_of(formula: str) -> list[Term] | None:
    """Return the terms that `formula_of` wrote as this very text; None for any other text."""
    at, found = (1, []) if formula.startswith("(") and ") / (" in formula else (0, list[Term]())
    while at < len(formula):
        weight = _WEIGHT.match(formula, at)
        begin = weight.end() if weight else at
        two, key = _TWO.match(formula, begin), _KEY.match(formula, begin)
        if two is None and key is None:
            break
        counts = float(weight[1]) if weight else 1.0
        if two is not None:
            found.append(Term(two[2], counts, float(two[1]), float(two[3])))
        elif key is not None:
            found.append(Term(key[0], counts))
        at = (two or key).end() + len(" + ")  # type: ignore[union-attr]
    same = bool(found) and formula_of(found) == formula
    return found if same and len({one.key for one in found}) == len(found) else None


Linear = tuple[float, dict[str, float]]


def linear_of(formula: str) -> Linear | None:
    """Return a formula as a constant and a multiple of each key; None where it is no such sum."""
    try:
        found = _linear(ast.parse(formula.strip().replace("^", "**"), mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError, ZeroDivisionError):
        return None
    numbers = [] if found is None else [found[0], *found[1].values()]
    return found if all(map(math.isfinite, numbers)) else None


def _linear(node: ast.expr) -> Linear | None:
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return float(value), {}
        case ast.Name(id=name):
            return 0.0, {name: 1.0}
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return _times(_linear(inner), -1.0)
        case ast.BinOp(left=left, op=op, right=right):
            return _combined(_linear(left), op, _linear(right))
    return None


def _combined(a: Linear | None, op: ast.operator, b: Linear | None) -> Linear | None:
    if a is None or b is None:
        return None
    match op:
        case ast.Add() | ast.Sub():
            b = _times(b, -1.0 if isinstance(op, ast.Sub) else 1.0) or b
            return a[0] + b[0], {k: a[1].get(k, 0.0) + b[1].get(k, 0.0) for k in {**a[1], **b[1]}}
        case ast.Mult() if not a[1]:
            return _times(b, a[0])
        case ast.Mult() if not b[1]:
            return _times(a, b[0])
        case ast.Div() if not b[1] and b[0]:
            return a[0] / b[0], {key: one / b[0] for key, one in a[1].items()}
    return None


def _times(a: Linear | None, by: float) -> Linear | None:
    return None if a is None else (a[0] * by, {key: one * by for key, one in a[1].items()})
