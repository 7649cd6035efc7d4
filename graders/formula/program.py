"""A compiled formula: a flat program that runs over whole columns of rows.

A formula becomes a flat program in postfix order, so neither size nor nesting of the text can
exhaust the stack, and nothing ever reaches `eval`. All numbers are floats. The program runs over
whole columns of rows with the C functions behind Python's own operators; a column in which any
row has no finite value is run again row by row, to give each failing row its own reason.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["FUNCTIONS", "NAME", "NUMBER", "Formula", "FormulaValueError", "Step"]


class FormulaValueError(ArithmeticError):
    """A formula has no finite value for one row; the message shows it with the numbers in it."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a postfix program: `count` values off the stack, one back on."""

    symbol: str
    count: int
    value: float = 0.0


NUMBER: Final = "number"
NAME: Final = "name"


# math.pow, unlike `**`, refuses a fractional power of a negative number instead of going complex.
_OPERATIONS: Final[Mapping[str, Callable[..., float]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "^": math.pow,
    "negate": operator.neg,
    "min": min,
    "max": max,
    "abs": abs,
    "floor": lambda x: float(math.floor(x)),
    "ceil": lambda x: float(math.ceil(x)),
    "exp": math.exp,
    "sqrt": math.sqrt,
    "log": math.log,
}

FUNCTIONS: Final[Mapping[str, int | None]] = {
    **dict.fromkeys(("min", "max")),
    **dict.fromkeys(("abs", "floor", "ceil", "exp", "sqrt", "log"), 1),
}
"""Function names and their number of arguments; None stands for two or more."""

_NEVER_OVERFLOWS: Final = frozenset({"negate", "min", "max", "abs", "floor", "ceil", "sqrt", "log"})


@dataclass(frozen=True, slots=True)
class Formula:
    """A compiled `calculate_output`.

    Attributes:
        text: the formula as written.
        names: the sub-graders it uses, in order of appearance.
    """

    text: str
    names: tuple[str, ...]
    _program: tuple[Step, ...]
    _places: tuple[tuple[int, int, str], ...]

    @property
    def program(self) -> tuple[Step, ...]:
        """The formula's steps in postfix order; a `NAME` step's `count` is its index in `names`."""
        return self._program

    def evaluate(self, values: Mapping[str, float]) -> float:
        """Return the value for one row.

        Args:
            values: a finite float for each of `names`.

        Raises:
            FormulaValueError: division by zero, overflow, or no real value.
        """
        stack: list[float] = []
        for step in self._program:
            if step.symbol == NUMBER:
                stack.append(step.value)
                continue
            if step.symbol == NAME:
                stack.append(values[self.names[step.count]])
                continue
            arguments = stack[len(stack) - step.count :]
            del stack[len(stack) - step.count :]
            stack.append(self._apply(step.symbol, arguments, values))
        return stack[0]

    def evaluate_columns(
        self, columns: Mapping[str, Sequence[float]], rows: int
    ) -> tuple[list[float | None], dict[int, str]]:
        """Return the values for `rows` rows, and the reason for each row that has none.

        Args:
            columns: for each of `names`, a column of `rows` finite floats.
            rows: how many rows; needed where the formula uses no name.
        """
        try:
            return self._run([columns[name] for name in self.names], rows), {}
        except (ArithmeticError, ValueError):
            pass
        values: list[float | None] = []
        reasons: dict[int, str] = {}
        for row in range(rows):
            try:
                values.append(self.evaluate({name: columns[name][row] for name in self.names}))
            except FormulaValueError as error:
                values.append(None)
                reasons[row] = str(error)
        return values, reasons

    def with_numbers(self, values: Mapping[str, float]) -> str:
        """Return the text with each sub-grader's name replaced by its value."""
        parts: list[str] = []
        end = 0
        for start, stop, name in self._places:
            parts += [self.text[end:start], _number(values[name])]
            end = stop
        return "".join(parts) + self.text[end:]

    def _run(self, columns: Sequence[Sequence[float]], rows: int) -> list[float | None]:
        stack: list[Sequence[float]] = []
        for step in self._program:
            if step.symbol == NUMBER:
                stack.append([step.value] * rows)
                continue
            if step.symbol == NAME:
                stack.append(columns[step.count])
                continue
            arguments = stack[len(stack) - step.count :]
            del stack[len(stack) - step.count :]
            result = list(map(_OPERATIONS[step.symbol], *arguments))
            # Infinity must not slip through a later 1/x, min or max as an ordinary number.
            # One infinity or nan is in the sum too; a sum too large itself only costs time.
            if step.symbol not in _NEVER_OVERFLOWS and not math.isfinite(sum(result)):
                raise OverflowError
            stack.append(result)
        return list(stack[0])

    def _apply(self, symbol: str, arguments: list[float], values: Mapping[str, float]) -> float:
        try:
            result = _OPERATIONS[symbol](*arguments)
        except (ArithmeticError, ValueError) as error:
            reason = _reason(symbol, arguments, error)
        else:
            if math.isfinite(result):
                return result
            reason = "the result is too large"
        shown = f"{_shortened(self.text)} = {_shortened(self.with_numbers(values))}"
        raise FormulaValueError(f"{shown}: {reason}") from None


def _number(value: float) -> str:
    # Without parentheses -2.0 ^ 2 and 1--2.0 would not say what was computed.
    return f"({value!r})" if repr(value).startswith("-") else repr(value)


def _shortened(text: str, limit: int = 200) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _reason(symbol: str, arguments: list[float], error: Exception) -> str:
    if symbol == "/" or (symbol == "^" and arguments[0] == 0):
        return "division by zero"
    if isinstance(error, OverflowError):
        return "the result is too large"
    if symbol == "^":
        return f"{_number(arguments[0])} ^ {_number(arguments[1])} is not a real number"
    return f"{symbol}({arguments[0]!r}) is not a real number"
