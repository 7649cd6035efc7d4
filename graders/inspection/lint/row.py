"""G6xx: what rows show: missing variables, and rewards with nothing to learn from."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final

from graders.errors import quoted
from graders.formula import Formula
from graders.inspection.lint.example import check, multi, python, similar
from graders.inspection.lint.finding import Example, Hit, Place, Severity
from graders.inspection.lint.measure import Measured
from graders.inspection.lint.rule import Rule
from graders.inspection.lint.subject import Subject, path_offset, paths_in
from graders.inspection.variable import Presence
from graders.plan import Leaf

__all__ = ["RULES"]

FEW: Final = 3
"""Rows below which nothing is said about how scores vary."""

SOME: Final = 10
"""Rows below which nothing is said about shares."""

_MOST: Final = 0.9
_DOMINANT: Final = 0.95
_EQUAL: Final = 1e-9
_SAID_BY_G601: Final = ("invalid_variable_error", "sample_parse_error")


def _missing(subject: Subject) -> Iterator[Hit]:
    if (measured := subject.measured) is None:
        return
    for one in measured.variables.variables:
        if one.missing:
            index, why = one.first[0]
            place, offset = _where(subject, one)
            yield Hit(
                place=place,
                offset=offset,
                message=f"{one.name} is missing in {one.missing:,} of {measured.variables.rows:,} rows "
                f"of {measured.file}, first in row {index}: {why}",
                fix=_other_name(one),
            )


def _where(subject: Subject, one: Presence) -> tuple[Place, int | None]:
    """Return where a variable is first named."""
    for leaf in subject.leaves:
        for text in subject.fields(leaf):
            if one.path in paths_in(text.text, subject.dialect) or text.text == one.name:
                return subject.place(leaf, *text.place), path_offset(text.text, one.name)
    return subject.loaded.place, None


def _other_name(one: Presence) -> str:
    """Return where the variable exists instead, as the first failing row has it."""
    _, found, rest = one.first[0][1].rpartition("did you mean ")
    return f"Write {rest.rstrip('?')} if that is meant." if found else ""


def _unreadable(subject: Subject) -> Iterator[Hit]:
    measured = subject.measured
    if measured is not None and measured.variables.unreadable_count:
        index, why = measured.variables.unreadable[0]
        yield Hit(
            place=subject.loaded.place,
            message=f"{measured.variables.unreadable_count:,} rows of {measured.file} cannot be read, "
            f"first row {index}: {why}",
            fix="Write the answer as a text, or in one of the shapes of answers."
            if why.startswith(("a ", "an ", "sample.", "the last message"))
            else "",
        )


def _present(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _varies(values: Sequence[float]) -> bool:
    return bool(values) and max(values) - min(values) > _EQUAL


def _flat_reward(subject: Subject) -> Iterator[Hit]:
    rewards = _rewards(subject)
    if len(rewards) >= FEW and not _varies(rewards):
        yield Hit(
            place=subject.loaded.place,
            message=f"all {len(rewards):,} graded rows get the reward {rewards[0]:g}: there is nothing to learn from",
            severity=_for_training(subject) or ("warning" if len(rewards) < SOME else None),
        )


def _for_training(subject: Subject) -> Severity | None:
    """Return `info` for an eval, which may well be passed by every row."""
    return "info" if subject.form == "evals" else None


def _rewards(subject: Subject) -> list[float]:
    return _present(subject.measured.rewards) if subject.measured is not None else []


def _columns(subject: Subject) -> Iterator[tuple[Leaf, list[float | None]]]:
    """Yield each sub-grader with its scores; not a grader that stands alone."""
    measured = subject.measured
    for leaf in subject.leaves:
        if measured is not None and leaf.key and leaf.key in measured.scores:
            yield leaf, measured.scores[leaf.key]


def _flat_score(subject: Subject) -> Iterator[Hit]:
    if not _varies(_rewards(subject)) and subject.measured and subject.measured.rewards:
        return  # G603 says so of the whole.
    for leaf, column in _columns(subject):
        scores = _present(column)
        if len(scores) >= FEW and not _varies(scores):
            yield Hit(
                place=subject.place(leaf),
                message=f"{leaf.key} gives {scores[0]:g} in all {len(scores):,} rows it scored: "
                "it adds a constant",
            )


def _always_fails(subject: Subject) -> Iterator[Hit]:
    for where, code, count, graded, first in _failures(subject):
        if count == graded:
            yield _failure_hit(
                subject, where, f"fails in all {graded:,} graded rows with {code}: {first}"
            )


def _sometimes_fails(subject: Subject) -> Iterator[Hit]:
    for where, code, count, graded, first in _failures(subject):
        if count < graded and code not in _SAID_BY_G601:
            yield _failure_hit(
                subject,
                where,
                f"fails in {count:,} of {graded:,} graded rows with {code}, first {first}",
            )


def _failures(subject: Subject) -> Iterator[tuple[str, str, int, int, str]]:
    measured = subject.measured
    if measured is not None:
        for (where, code), one in measured.failed.items():
            yield where, code, one.count, measured.graded, f"row {one.index}: {one.message}"


def _failure_hit(subject: Subject, where: str, says: str) -> Hit:
    leaf = next((leaf for leaf in subject.leaves if leaf.key == where), None)
    place = subject.loaded.place if leaf is None else subject.place(leaf)
    return Hit(place=place, message=f"{where or 'the grader'} {says}")


def _same_scores(subject: Subject) -> Iterator[Hit]:
    seen: list[tuple[Leaf, list[float]]] = []
    for leaf, column in _columns(subject):
        scores = _present(column)
        if len(scores) < len(column) or len(scores) < SOME or not _varies(scores):
            continue
        for other, others in seen:
            if max(abs(a - b) for a, b in zip(scores, others, strict=True)) <= _EQUAL:
                yield Hit(
                    place=subject.place(leaf),
                    message=f"{leaf.key} gives the same score as {other.key} in all {len(scores):,} graded rows",
                )
                break
        else:
            seen.append((leaf, scores))


def _piled(
    subject: Subject, end: Callable[[Sequence[float]], float], where: str, says: str
) -> Iterator[Hit]:
    rewards = _rewards(subject)
    if len(rewards) < SOME or not _varies(rewards):
        return
    value = end(rewards)
    share = sum(abs(one - value) <= _EQUAL for one in rewards) / len(rewards)
    if share >= _MOST:
        yield Hit(
            place=subject.loaded.place,
            message=f"{share:.0%} of {len(rewards):,} rewards lie {where}, {value:g}: {says}",
            severity=_for_training(subject),
        )


_ceiling: Final = partial(_piled, end=max, where="at the top", says="there is little left to learn")
_floor: Final = partial(
    _piled, end=min, where="at the bottom", says="most answers are told nothing"
)


def _dominated(subject: Subject) -> Iterator[Hit]:
    formula, measured = subject.plan.formula, subject.measured
    if formula is None or measured is None or len(formula.names) < 2:
        return
    shares = variance_shares(formula, measured)
    if shares and (best := max(shares, key=lambda key: shares[key])) and shares[best] >= _DOMINANT:
        others = ", ".join(key for key in formula.names if key != best)
        leaf = next(leaf for leaf in subject.leaves if leaf.key == best)
        yield Hit(
            place=subject.place(leaf),
            message=f"{min(shares[best], 1.0):.0%} of the reward's variance comes from {best}: {others} hardly matters",
        )


def variance_shares(formula: Formula, measured: Measured) -> dict[str, float]:
    """Return what share of the reward's variance each sub-grader makes alone, the others at their means.

    Empty where there are too few whole rows, where the reward does not vary, or where fewer than
    two sub-graders do (then G604 says which ones do not).
    """
    columns = {name: measured.scores.get(name, []) for name in formula.names}
    rows = [row for row in zip(*columns.values(), strict=False) if None not in row]
    if len(rows) < SOME:
        return {}
    scores = {
        name: [float(row[at] or 0.0) for row in rows] for at, name in enumerate(formula.names)
    }
    if sum(map(_varies, scores.values())) < 2:
        return {}
    whole = _variance(formula, scores)
    if not whole:
        return {}
    means = {name: [math.fsum(column) / len(rows)] * len(rows) for name, column in scores.items()}
    alone = {name: _variance(formula, {**means, name: column}) for name, column in scores.items()}
    return {name: value / whole for name, value in alone.items() if value is not None}


def _variance(formula: Formula, scores: Mapping[str, Sequence[float]]) -> float | None:
    values, _ = formula.evaluate_columns(scores, len(next(iter(scores.values()))))
    present = _present(values)
    if len(present) < len(values):
        return None
    mean = math.fsum(present) / len(present)
    return math.fsum((value - mean) ** 2 for value in present) / len(present)


def _reference_fails(subject: Subject) -> Iterator[Hit]:
    measured = subject.measured
    for leaf in subject.leaves:
        scores = measured.self_scores.get(leaf.key, {}) if measured is not None else {}
        threshold = getattr(leaf.config, "pass_threshold", None)
        failing = {
            text: one for text, one in scores.items() if threshold is not None and one < threshold
        }
        if failing:
            text, score = next(iter(failing.items()))
            yield Hit(
                place=subject.place(leaf, "pass_threshold"),
                message=f"{len(failing):,} of {len(scores):,} references do not reach the pass_threshold of "
                f"{threshold:g} themselves, such as {quoted(text, 40)} with {score:.4g}",
            )
        elif any(one == 0.0 for one in scores.values()):
            text = next(text for text, one in scores.items() if one == 0.0)
            yield Hit(
                place=subject.place(leaf, "evaluation_metric"),
                message=f"the metric is 0 for some references against themselves, such as {quoted(text, 40)}",
            )


def _seen_outside(subject: Subject) -> Iterator[Hit]:
    """Look only at multis: a judge's range and a python scale are their author's choice."""
    threshold = getattr(subject.loaded.config, "pass_threshold", None)
    if subject.plan.formula is None or (threshold is not None and not 0 <= threshold <= 1):
        return
    rewards = _rewards(subject)
    outside = [one for one in rewards if not -_EQUAL <= one <= 1 + _EQUAL]
    if outside:
        yield Hit(
            place=(*subject.loaded.place, "calculate_output"),
            message=f"{len(outside):,} of {len(rewards):,} rewards lie outside 0 to 1, "
            f"from {min(rewards):g} to {max(rewards):g}",
        )


def _not_all_asked(subject: Subject) -> Iterator[Hit]:
    measured = subject.measured
    if measured is None:
        return
    if measured.skipped:
        names = ", ".join(name or "the grader" for name in measured.skipped)
        yield Hit(
            place=subject.loaded.place,
            message=f"not asked, for it asks a server: {names}; rewards were not looked at",
            fix="Give --base-url URL to ask models, --offline for the cache's replies, "
            "--allow-endpoint HOST to send rows to an endpoint.",
        )
    if measured.more:
        yield Hit(
            place=subject.loaded.place,
            message=f"only the first {measured.graded:,} rows were graded",
            fix="--limit grades more.",
        )


_SAME: Final = [{"item": {"answer": "a"}, "sample": "b"}] * 4
_ROWS: Final = [{"item": {"answer": "a b"}, "sample": one} for one in ("a b", "a c", "x")] * 4
_SCALED: Final = python("def grade(sample, item):\n    return 3 * len(sample['output_text'])\n")

RULES: Final = (
    Rule(
        code="G601", name="missing-variable", severity="error", check=_missing,
        what="A template's variable is not there in some rows.",
        why="Each such row fails with invalid_variable_error.",
        fix="Correct the path or the rows.",
        example=Example(grader=check(), rows=[{"item": {"Answer": "a"}, "sample": "a"}]),
    ),
    Rule(
        code="G602", name="unreadable-row", severity="error", check=_unreadable,
        what="A line of the rows is not a row.",
        why="It cannot be graded.",
        fix="Write one JSON object a line.",
        example=Example(grader=check(), rows=[5]),
    ),
    Rule(
        code="G603", name="no-variance", severity="error", check=_flat_reward,
        what="All rows get the same reward: a warning from three rows on, an error from ten, for evals an info.",
        why="Every advantage is zero: training learns nothing.",
        fix="Look at the rendered texts with graders run; try rows that should be told apart.",
        example=Example(grader=check(), rows=_SAME),
    ),
    Rule(
        code="G604", name="sub-grader-never-varies", severity="warning", check=_flat_score,
        what="A sub-grader gives all rows the same score, while the reward varies.",
        why="It adds a constant and takes its weight from the others.",
        fix="Correct what it compares, or remove it.",
        example=Example(
            grader=multi("(exact + near) / 2", exact=check(reference="{{ item.answer }}."), near=similar()),
            rows=_ROWS,
        ),
    ),
    Rule(
        code="G605", name="always-fails", severity="error", check=_always_fails,
        what="A grader fails in every row.",
        why="No row has a reward.",
        fix="Run one row with graders run to see why.",
        example=Example(
            grader=check(input="{{ sample.output_json.x }}"), rows=[{"item": {"answer": "a"}, "sample": "no JSON"}]
        ),
    ),
    Rule(
        code="G606", name="sometimes-fails", severity="warning", check=_sometimes_fails,
        what="A grader fails in some rows, for another reason than a missing variable.",
        why="The service counts such rows as 0, and stops a job with too many.",
        fix="Make the grader give such answers a score of their own.",
        example=Example(
            grader=python("def grade(sample, item):\n    return float(sample['output_text'])\n"),
            rows=[{"item": {}, "sample": "1"}, {"item": {}, "sample": "one"}],
        ),
    ),
    Rule(
        code="G607", name="same-scores", severity="warning", check=_same_scores,
        what="Two sub-graders give the same score in every row (ten rows or more).",
        why="One measure is counted twice.",
        fix="Remove one, or add rows that tell them apart.",
        example=Example(
            grader=multi("(a + b) / 2", a=check(), b=check(operation="like")), rows=_ROWS
        ),
    ),
    Rule(
        code="G608", name="ceiling", severity="warning", check=_ceiling,
        what="Nine in ten rewards are the largest one (ten rows or more).",
        why="The reward is saturated: there is hardly anything left to learn.",
        fix="Ask for more, or use harder rows.",
        example=Example(
            grader=check(), rows=[{"item": {"answer": "a"}, "sample": "ab"[n == 0]} for n in range(20)]
        ),
    ),
    Rule(
        code="G609", name="floor", severity="warning", check=_floor,
        what="Nine in ten rewards are the smallest one (ten rows or more).",
        why="Most answers get no hint of what would be better.",
        fix="Give partial credit, such as a text_similarity beside the exact check.",
        example=Example(
            grader=check(), rows=[{"item": {"answer": "a"}, "sample": "ba"[n == 0]} for n in range(20)]
        ),
    ),
    Rule(
        code="G610", name="dominated", severity="warning", check=_dominated,
        what="One sub-grader alone makes at least 95 % of the reward's variance.",
        why="The others do not steer anything, whatever their weights look like.",
        fix="Weigh by how much the scores vary, not by how important they are.",
        example=Example(
            grader=multi("0.99 * exact + 0.01 * near", exact=check(), near=similar()), rows=_ROWS
        ),
    ),
    Rule(
        code="G611", name="reward-seen-outside-0-1", severity="warning", check=_seen_outside,
        what="A multi gives rewards outside [0, 1] to some rows.",
        why="The service does not clip.",
        fix="Clip with min(1, max(0, …)) or divide by the largest score.",
        example=Example(grader=multi("a + b", a=check(), b=_SCALED), rows=_ROWS),
    ),
    Rule(
        code="G612", name="not-graded", severity="info", check=_not_all_asked,
        what="Part of the grader or of the rows was left out.",
        why="Models are asked only when told where; python and metrics run on the first rows only.",
        fix="Give --base-url, --offline or --limit.",
        example=Example(grader=similar(evaluation_metric="cosine"), rows=_SAME),
    ),
    Rule(
        code="G613", name="reference-fails-itself", severity="warning", check=_reference_fails,
        what="A reference of the rows, given as the answer, does not reach its own `pass_threshold`, or scores 0.",
        why="Metrics of word groups, such as bleu and rouge_3, need longer texts: no answer to such a row can pass.",
        fix="Use a metric for short texts, such as fuzzy_match, or lower the threshold.",
        example=Example(grader=similar(evaluation_metric="bleu", pass_threshold=0.9), rows=_ROWS),
    ),
)  # fmt: skip
