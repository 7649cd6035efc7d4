"""The scores a grader can give, and what a formula makes of them: interval arithmetic.

An interval holds every value a formula can have, perhaps more: it proves that something cannot
happen. That something can happen is shown by a point where it does: `points` are tried for that.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Mapping, Sequence
from typing import Final

from graders.formula import NAME, NUMBER, Formula
from graders.inspection.lint.source import PythonSource
from graders.kinds import Scores
from graders.plan import Leaf

__all__ = ["domain_of", "interval", "points", "trials"]

_CORNERS: Final = 256
_RANDOM: Final = 64
_FAR: Final = (-1e6, -1.0, 0.0, 0.5, 1.0, 2.0, 10.0, 1e6)


def domain_of(leaf: Leaf, source: PythonSource | None) -> Scores:
    """Return the scores a leaf can give; a python source is asked for what it returns."""
    if leaf.code is None or source is None or (found := source.scores) is None:
        return leaf.kind.scores(leaf.config)
    return Scores(min(found.ends), max(found.ends), tuple(sorted(found.values)))


def trials(domain: Scores) -> tuple[float, ...]:
    """Return scores worth trying."""
    if domain.values:
        return domain.values
    if not domain.bounded:
        return _FAR
    span = domain.high - domain.low
    return tuple(domain.low + span * part for part in (0.0, 1.0, 0.25, 0.5, 0.75))


def points(formula: Formula, domains: Mapping[str, Scores]) -> list[dict[str, float]]:
    """Return scores to try a formula with: corners, equal parts, and some at random (seeded)."""
    names = formula.names
    if not names:
        return [{}]
    ends = [_ends(domains[name]) for name in names]
    if math.prod(map(len, ends)) <= _CORNERS:
        rows = list(itertools.product(*ends))
    else:
        rows = [tuple(end[0] for end in ends), tuple(end[-1] for end in ends)]
        for at in range(len(names)):
            for base, other in ((0, -1), (-1, 0)):
                rows.append(
                    tuple(end[other] if at == here else end[base] for here, end in enumerate(ends))
                )
    tried = [trials(domains[name]) for name in names]
    rows += [tuple(trial[part % len(trial)] for trial in tried) for part in range(8)]
    chance = random.Random(0)  # noqa: S311  (the same points on every run)
    rows += [tuple(_any_of(domains[name], chance) for name in names) for _ in range(_RANDOM)]
    return [dict(zip(names, row, strict=True)) for row in dict.fromkeys(rows)]


def _ends(domain: Scores) -> tuple[float, ...]:
    if not domain.bounded:
        return (0.0, 1.0, -1e6, 1e6)
    return (domain.low,) if domain.constant else (domain.low, domain.high)


def _any_of(domain: Scores, chance: random.Random) -> float:
    if domain.values or not domain.bounded:
        return chance.choice(trials(domain))
    return chance.uniform(domain.low, domain.high)


Interval = tuple[float, float]
_ALL: Final[Interval] = (-math.inf, math.inf)


def interval(formula: Formula, domains: Mapping[str, Scores]) -> Interval:
    """Return an interval that holds every value the formula can have."""
    stack: list[Interval] = []
    for step in formula.program:
        if step.symbol == NUMBER:
            stack.append((step.value, step.value))
        elif step.symbol == NAME:
            domain = domains[formula.names[step.count]]
            stack.append((domain.low, domain.high))
        else:
            arguments = stack[len(stack) - step.count :]
            del stack[len(stack) - step.count :]
            low, high = _apply(step.symbol, arguments)
            stack.append(_ALL if math.isnan(low) or math.isnan(high) else (low, high))
    return stack[0]


def _apply(symbol: str, arguments: Sequence[Interval]) -> Interval:
    first = arguments[0]
    second = arguments[-1]
    match symbol:
        case "+":
            return first[0] + second[0], first[1] + second[1]
        case "-":
            return first[0] - second[1], first[1] - second[0]
        case "*":
            return _product(first, second)
        case "/":
            return _quotient(first, second)
        case "^":
            return _power(first, second)
        case "negate":
            return -first[1], -first[0]
        case "min" | "max":
            choose = min if symbol == "min" else max
            return choose(one[0] for one in arguments), choose(one[1] for one in arguments)
        case _:
            return _function(symbol, first)


def _product(first: Interval, second: Interval) -> Interval:
    corners = [0.0 if 0.0 in (a, b) else a * b for a in first for b in second]
    return min(corners), max(corners)


def _quotient(first: Interval, second: Interval) -> Interval:
    if second[0] <= 0.0 <= second[1]:
        return _ALL
    return _product(first, (1.0 / second[1], 1.0 / second[0]))


def _power(base: Interval, exponent: Interval) -> Interval:
    if exponent == (0.0, 0.0):
        return 1.0, 1.0
    fixed = exponent[0] if exponent[0] == exponent[1] else None
    if base[0] >= 0.0 and exponent[0] > 0.0:
        corners = [_pow(a, b) for a in base for b in exponent]
        return min(corners), max(corners)
    if fixed is not None and fixed > 0.0 and fixed == int(fixed):
        ends = [_pow(end, fixed) for end in base]
        crosses = base[0] < 0.0 < base[1]
        low = 0.0 if crosses and int(fixed) % 2 == 0 else min(ends)
        return low, max(ends)
    return _ALL


def _pow(base: float, exponent: float) -> float:
    try:
        return math.pow(base, exponent)
    except (OverflowError, ValueError):
        return math.inf if base >= 0 else math.nan


def _function(symbol: str, argument: Interval) -> Interval:
    low, high = argument
    match symbol:
        case "abs":
            ends = abs(low), abs(high)
            return (0.0 if low <= 0.0 <= high else min(ends)), max(ends)
        case "exp":
            return _exp(low), _exp(high)
        case "sqrt":
            return math.sqrt(max(low, 0.0)), math.sqrt(max(high, 0.0))
        case "log":
            return (
                math.log(low) if low > 0.0 else -math.inf,
                math.log(high) if high > 0.0 else -math.inf,
            )
        case _:
            whole = math.floor if symbol == "floor" else math.ceil
            return tuple(end if math.isinf(end) else float(whole(end)) for end in argument)  # type: ignore[return-value]


def _exp(value: float) -> float:
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf
