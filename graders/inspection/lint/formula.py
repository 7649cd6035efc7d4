"""G1xx: the formula of a multi, and graders whose score is the same for every row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from operator import itemgetter
from typing import Final

from graders.config import dump
from graders.formula import Formula
from graders.inspection.lint.domain import interval, trials
from graders.inspection.lint.example import check, multi, python, similar
from graders.inspection.lint.finding import Example, Hit, Place
from graders.inspection.lint.rule import Rule, never
from graders.inspection.lint.subject import Subject
from graders.kinds import Multi

__all__ = ["RULES"]

_ULP: Final = 1e-9
"""BLEU of equal texts may exceed 1 by the last bit."""

_BY_ZERO: Final = "division by zero"
_NAMES_TRIED: Final = 200


def _formula(subject: Subject) -> tuple[Formula, Place] | None:
    if subject.plan.formula is None:
        return None
    return subject.plan.formula, (*subject.loaded.place, "calculate_output")


def _unused(subject: Subject) -> Iterator[Hit]:
    if found := _formula(subject):
        for leaf in subject.leaves:
            if leaf.key not in found[0].names:
                yield Hit(
                    place=subject.place(leaf),
                    message=f"the sub-grader {leaf.key} is not in calculate_output: its score is thrown away",
                )


def _same(values: list[float | None]) -> bool:
    first = values[0]
    if first is None:
        return all(value is None for value in values)
    return all(value is not None and abs(value - first) < _ULP for value in values)


def _constant(subject: Subject) -> Iterator[Hit]:
    if found := _formula(subject):
        values = [value for _, value, _ in subject.tried]
        if values[0] is not None and _same(values):
            yield Hit(
                place=found[1],
                message=f"calculate_output is {values[0]:g} whatever the sub-graders give: "
                "the reward is constant",
            )


def _outside(subject: Subject) -> Iterator[Hit]:
    found = _formula(subject)
    if not found or not _bounded(subject, found[0]):
        return
    threshold = getattr(subject.loaded.config, "pass_threshold", None)
    if threshold is not None and not 0.0 <= threshold <= 1.0:
        return  # The author says which scale is meant.
    tried = subject.tried
    if any(reason == _BY_ZERO for _, _, reason in tried):
        return  # Near the zero any value is reached; G108 names the cause.
    reached = [(value, one) for one, value, _ in tried if value is not None]
    first = itemgetter(0)
    for value, one in (min(reached, key=first), max(reached, key=first)) if reached else ():
        if not -_ULP <= value <= 1.0 + _ULP:
            yield Hit(
                place=found[1],
                message=f"the reward is {value:g} where {_with(one)}: outside 0 to 1",
            )
            return


def _bounded(subject: Subject, formula: Formula) -> bool:
    return all(subject.domains[name].bounded for name in formula.names)


def _with(scores: Mapping[str, float]) -> str:
    shown = [f"{name} is {value:g}" for name, value in list(scores.items())[:4]]
    return " and ".join(shown) + (" …" if len(scores) > 4 else "") or "nothing varies"


def _never_passes(subject: Subject) -> Iterator[Hit]:
    for low, high, threshold, place in _multi_threshold(subject):
        if threshold > high + _ULP:
            yield Hit(
                place=place,
                message=f"pass_threshold is {threshold:g} and the reward is at most {high:g} "
                f"(from {low:g}): no row passes",
            )


def _always_passes(subject: Subject) -> Iterator[Hit]:
    for low, _, threshold, place in _multi_threshold(subject):
        if threshold <= low:
            yield Hit(
                place=place,
                message=f"pass_threshold is {threshold:g} and the reward is at least {low:g}: every row passes",
            )


def _multi_threshold(subject: Subject) -> Iterator[tuple[float, float, float, Place]]:
    threshold = getattr(subject.loaded.config, "pass_threshold", None)
    if (found := _formula(subject)) and threshold is not None:
        low, high = interval(found[0], subject.domains)
        yield low, high, threshold, (*subject.loaded.place, "pass_threshold")


def _unreal(subject: Subject) -> Iterator[Hit]:
    if found := _formula(subject):
        for one, value, reason in subject.tried:
            if value is None and reason.endswith("is not a real number"):
                yield from _told(subject, found[0], found[1], one, f"has no value, as {reason},")
                return


def _too_large(subject: Subject) -> Iterator[Hit]:
    found = _formula(subject)
    if found and _bounded(subject, found[0]):
        yield from _no_value(subject, "the result is too large", "is too large to be a number")


def _no_value(subject: Subject, because: str, says: str) -> Iterator[Hit]:
    if found := _formula(subject):
        for one, value, reason in subject.tried:
            if value is None and reason == because:
                yield from _told(subject, found[0], found[1], one, says)
                return


def _told(
    subject: Subject, formula: Formula, place: Place, one: Mapping[str, float], says: str
) -> Iterator[Hit]:
    certain = all(subject.domains[name].bounded for name in one)
    yield Hit(
        place=place,
        message=f"{formula.text.strip()[:80]} {says} where {_with(one)}: such a row fails",
        severity=None if certain else "info",
    )


def _no_effect(subject: Subject) -> Iterator[Hit]:
    found = _formula(subject)
    if not found:
        return
    formula, place = found
    tried = subject.tried
    if _same([value for _, value, _ in tried]):
        return  # The whole formula is constant, which G104 says.
    # The first ones are all ends, where most names show; the last ones are by chance.
    bases = [one for one, _, _ in (*tried[:40], *tried[-20:])]
    for name in formula.names[:_NAMES_TRIED]:
        if not subject.domains[name].constant and not _moves(formula, name, subject, bases):
            yield Hit(
                place=place,
                offset=formula.text.find(name),
                message=f"{name} is in calculate_output and never changes its value",
            )


def _moves(formula: Formula, name: str, subject: Subject, bases: list[dict[str, float]]) -> bool:
    tried = trials(subject.domains[name])
    # Nearly every name shows at once: only one that does not is tried at every base.
    for some in (bases[:2], bases[2:]):
        rows = [{**base, name: trial} for base in some for trial in tried]
        columns = {other: [row[other] for row in rows] for other in formula.names}
        values, _ = formula.evaluate_columns(columns, len(rows))
        count = len(tried)
        if any(not _same(values[at : at + count]) for at in range(0, len(values), count)):
            return True
    return False


def _constant_score(subject: Subject) -> Iterator[Hit]:
    for leaf in subject.leaves:
        if leaf.compares:
            if not subject.paths(leaf):
                yield Hit(
                    place=subject.place(leaf),
                    message=f"{subject.called(leaf)}: neither input nor reference has a template: "
                    "the score is the same for every row",
                )
        elif subject.domains[leaf.key].constant:
            yield Hit(
                place=subject.place(leaf, "source"),
                message=f"{subject.called(leaf)}: grade always returns {subject.domains[leaf.key].low:g}",
            )


def _duplicates(subject: Subject) -> Iterator[Hit]:
    if not isinstance(subject.loaded.config, Multi):
        return
    seen: dict[str, str] = {}
    for leaf in subject.leaves:
        body = {key: value for key, value in dump(leaf.config).items() if key != "name"}
        first = seen.setdefault(repr(sorted(body.items())), leaf.key)
        if first != leaf.key:
            yield Hit(
                place=subject.place(leaf),
                message=f"{leaf.key} is the same grader as {first}: it is counted twice",
            )


def _below_one(subject: Subject) -> Iterator[Hit]:
    found = _formula(subject)
    if not found or not _bounded(subject, found[0]):
        return
    threshold = getattr(subject.loaded.config, "pass_threshold", None)
    low, high = interval(found[0], subject.domains)
    if threshold is None and low < high and 0.0 < high < 1.0 - _ULP:
        yield Hit(place=found[1], message=f"the reward is at most {high:g}: no row reaches 1")


_TWO = {"exact": check(), "near": similar()}

RULES: Final = (
    Rule(
        code="G101", name="formula-syntax", severity="error", check=never,
        what="`calculate_output` is not a formula of the documented grammar.",
        why="The service refuses the grader, or every row fails with `formula_parse_error`.",
        fix="Write + - * / ^ ( ), numbers, the keys of graders, and the eight functions only.",
        example=Example(grader=multi("exact ** 2", exact=check())),
    ),
    Rule(
        code="G102", name="unknown-name", severity="error", check=never,
        what="`calculate_output` uses a name that is no key of `graders`.",
        why="A formula sees the keys of the map, not the sub-graders' `name` fields.",
        fix="Use the key of the sub-grader.",
        example=Example(grader=multi("exakt", exact=check())),
    ),
    Rule(
        code="G103", name="unused-sub-grader", severity="warning", check=_unused,
        what="A sub-grader is not used in `calculate_output`.",
        why="It is computed, and paid for, and changes nothing.",
        fix="Add its key to calculate_output, or remove the sub-grader.",
        example=Example(grader=multi("exact", **_TWO)),
    ),
    Rule(
        code="G104", name="constant-reward", severity="error", check=_constant,
        what="`calculate_output` has the same value whatever the sub-graders give.",
        why="A constant reward has no learning signal.",
        fix="Let the formula depend on its sub-graders.",
        example=Example(grader=multi("exact - exact + 1", exact=check())),
    ),
    Rule(
        code="G105", name="reward-outside-0-1", severity="warning", check=_outside,
        what="The formula leaves [0, 1] for scores its sub-graders can give.",
        why="The service does not clip; rewards of several graders and pass_thresholds are meant from 0 to 1.",
        fix="Let the weights add up to 1, divide by the largest value, or clip with min(1, max(0, …)).",
        example=Example(grader=multi("exact + near", **_TWO)),
    ),
    Rule(
        code="G106", name="unreachable-threshold", severity="error", check=_never_passes,
        what="A multi's `pass_threshold` lies above the largest reward its formula can give.",
        why="No row ever passes.",
        fix="Lower pass_threshold, or raise what the formula can reach.",
        example=Example(grader={**multi("0.5 * exact + 0.3 * near", **_TWO), "pass_threshold": 0.9}),
    ),
    Rule(
        code="G107", name="threshold-always-met", severity="warning", check=_always_passes,
        what="A multi's `pass_threshold` is not above the smallest reward its formula can give.",
        why="Every row passes.",
        fix="Raise pass_threshold above the smallest reward.",
        example=Example(grader={**multi("(exact + near) / 2", **_TWO), "pass_threshold": 0}),
    ),
    Rule(
        code="G108", name="division-by-zero", severity="warning", check=partial(_no_value, because=_BY_ZERO, says="divides by zero"),
        what="The formula divides by zero for scores its sub-graders can give.",
        why="Such a row has no reward. For a python sub-grader, whose scores are not known, it is only a hint.",
        fix="Keep the divisor above zero, such as max(0.001, …).",
        example=Example(grader=multi("exact / near", **_TWO)),
    ),
    Rule(
        code="G109", name="no-real-value", severity="warning", check=_unreal,
        what="sqrt, log or a power has no real value for scores its sub-graders can give.",
        why="Such a row has no reward.",
        fix="Keep the argument in range, such as log(max(0.001, …)).",
        example=Example(grader=multi("log(near)", near=similar())),
    ),
    Rule(
        code="G110", name="sub-grader-without-effect", severity="warning", check=_no_effect,
        what="A sub-grader is in the formula and cannot change its value.",
        why="A weight of zero, or a min or max that never lets it through, hides a mistake.",
        fix="Correct its weight, or remove it.",
        example=Example(grader=multi("exact + 0 * near", **_TWO)),
    ),
    Rule(
        code="G111", name="constant-score", severity="warning", check=_constant_score,
        what="A grader gives the same score for every row.",
        why="It tells nothing about the sample; alone, it is a reward without learning signal.",
        fix="Read the sample with a template, or in grade.",
        example=Example(grader=python("def grade(sample, item):\n    return 1.0\n")),
    ),
    Rule(
        code="G112", name="duplicate-sub-grader", severity="warning", check=_duplicates,
        what="Two sub-graders of a multi are equal but for their names.",
        why="One measure is counted, or paid for, twice.",
        fix="Remove one and give the other its weight.",
        example=Example(grader=multi("(a + b) / 2", a=check(), b=check(name="again"))),
    ),
    Rule(
        code="G113", name="reward-below-1", severity="info", check=_below_one,
        what="The formula never reaches 1.",
        why="Weights that do not add up to 1 often mean that a sub-grader was forgotten.",
        fix="Let the weights add up to 1.",
        example=Example(grader=multi("0.5 * exact + 0.4 * near", **_TWO)),
    ),
    Rule(
        code="G114", name="value-too-large", severity="warning", check=_too_large,
        what="The formula's value is too large to be a number for scores its sub-graders can give.",
        why="Such a row has no reward.",
        fix="Keep the argument of exp and ^ small.",
        example=Example(grader=multi("exp(1000 * near)", near=similar())),
    ),
)  # fmt: skip
