"""What a number, or a failure, has to be: exactly, about, within bounds, or not there at all."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from graders.errors import nearest, quoted, suggestion
from graders.grade import Failure
from graders.hosted import CODES

__all__ = ["BOUNDS", "Expected", "ExpectedFailure", "number_of", "read_expected", "read_failure"]

BOUNDS: Final[Mapping[str, str]] = {
    "at_least": ">=",
    "at_most": "<=",
    "above": ">",
    "below": "<",
}
"""The bounds as keys, and the sign each stands for."""

_HOLDS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_NUMBER: Final = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_WRITTEN: Final = re.compile(rf"\s*(>=|<=|==|>|<)?\s*({_NUMBER})\s*")
_FORMS: Final = (
    'a number, {about: 0.5, within: 0.01}, a bound such as ">= 0.5" or {at_least: 0.5}, or null'
)


@dataclass(frozen=True, slots=True)
class Expected:
    """What a reward has to be.

    Attributes:
        value: the number it is compared with; None where bounds stand, or no reward is expected.
        within: how far it may be from `value`.
        bounds: (sign, number) pairs that all hold.
    """

    value: float | None = None
    within: float = 0.0
    bounds: tuple[tuple[str, float], ...] = ()

    @property
    def nothing(self) -> bool:
        """Whether no reward is expected: the row fails."""
        return self.value is None and not self.bounds

    def holds(self, got: float | None) -> bool:
        """Whether a reward is as expected."""
        if got is None or self.nothing:
            return got is None and self.nothing
        if self.value is not None:
            return got == self.value or abs(got - self.value) <= self.within
        return all(_HOLDS[sign](got, bound) for sign, bound in self.bounds)

    def __str__(self) -> str:
        if self.nothing:
            return "no reward"
        if self.value is not None:
            return repr(self.value) + (f" ± {self.within:g}" if self.within else "")
        return " and ".join(f"{sign} {bound!r}" for sign, bound in self.bounds)


@dataclass(frozen=True, slots=True)
class ExpectedFailure:
    """Which failure a row has to have; every field that is not empty counts.

    Attributes:
        code: its code.
        where: the sub-grader it is in.
        message: a part of its message.
    """

    code: str
    where: str = ""
    message: str = ""

    def among(self, failures: Sequence[Failure]) -> bool:
        """Whether one of the failures is the expected one."""
        return any(
            one.code == self.code
            and self.where in ("", one.where)
            and self.message.casefold() in one.message.casefold()
            for one in failures
        )

    def __str__(self) -> str:
        place = f" in {self.where}" if self.where else ""
        return self.code + place + (f" saying {quoted(self.message)}" if self.message else "")


def number_of(value: Any) -> float | None:
    """Return a finite number, also of a text that reads as one; None for anything else.

    YAML takes `1e-6`, without a point, for a text.
    """
    if isinstance(value, str):
        match = _WRITTEN.fullmatch(value)
        value = float(match[2]) if match is not None and match[1] is None else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def read_expected(value: Any, within: float = 0.0) -> Expected:
    """Return what a suite, or a caller of `assert_reward`, expects.

    Args:
        value: one of the documented forms, or what `pytest.approx` gives.
        within: how far a reward may be from a plain number.

    Raises:
        ValueError: it is of no such form; says what would be right.
    """
    if value is None:
        return Expected()
    if isinstance(value, Mapping):
        return _from_mapping(value)
    if hasattr(value, "expected") and hasattr(value, "tolerance"):  # pytest.approx
        return Expected(float(value.expected), float(value.tolerance))
    if isinstance(value, str) and (match := _WRITTEN.fullmatch(value)) and match[1]:
        number = float(match[2])
        if math.isfinite(number):
            sign = match[1]
            return Expected(number) if sign == "==" else Expected(bounds=((sign, number),))
    found = number_of(value)
    if found is None:
        raise ValueError(f"{_FORMS} is needed, got {quoted(value)}")
    return Expected(found, within)


def _from_mapping(value: Mapping[Any, Any]) -> Expected:
    known = ("about", "within", *BOUNDS)
    for key in value:
        if key not in known:
            hint = suggestion(str(key), known, "the keys here are:")
            raise ValueError(f"unknown key {quoted(key)}; {hint}")
    numbers = {}
    for key, given in value.items():
        number = number_of(given)
        if number is None:
            raise ValueError(f"{key} is a number, got {quoted(given)}")
        numbers[key] = number
    if numbers.get("within", 0.0) < 0:
        raise ValueError(f"within is at least 0, got {numbers['within']:g}")
    if ("about" in numbers) != ("within" in numbers):
        raise ValueError("about and within stand together, such as {about: 0.5, within: 0.01}")
    bounds = tuple((BOUNDS[key], number) for key, number in numbers.items() if key in BOUNDS)
    if bool(bounds) == ("about" in numbers):
        raise ValueError(f"{_FORMS} is needed, got {'both' if bounds else 'an empty object'}")
    if bounds:
        return Expected(bounds=bounds)
    return Expected(numbers["about"], numbers["within"])


def read_failure(value: Any) -> ExpectedFailure:
    """Return the failure that a suite expects.

    Args:
        value: a code, or an object with `code` and perhaps `where` and `message`.

    Raises:
        ValueError: it is neither; says what would be right.
    """
    fields = {"code": value} if isinstance(value, str) else value
    if not isinstance(fields, Mapping):
        raise ValueError(f"a failure is a code, or an object with code, got {quoted(value)}")
    known = ("code", "where", "message")
    for key, given in fields.items():
        if key not in known:
            hint = suggestion(str(key), known, "the keys here are:")
            raise ValueError(f"unknown key {quoted(key)}; {hint}")
        if not isinstance(given, str):
            raise ValueError(f"{key} is text, got {quoted(given)}")
    code = fields.get("code")
    if code not in CODES:
        near = nearest(code, CODES) if isinstance(code, str) else None
        hint = f"; did you mean {near}?" if near else f"; the codes are: {', '.join(CODES)}"
        said = "code is required" if code is None else f"unknown failure code {quoted(code)}"
        raise ValueError(said + hint)
    return ExpectedFailure(code, fields.get("where", ""), fields.get("message", ""))
