"""Why scores differ: whether another reading of what the hosted documents leave open gives the old ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, Final

from graders.api import Grader
from graders.errors import GradersError
from graders.evals.request import criteria_of
from graders.jobs import RunOptions
from graders.option import options_of
from graders.reading import Reading

__all__ = ["explained"]

Known = Sequence[tuple[tuple[Any, Any], float]]
_ROUGE: Final = ("rouge_backend", "rouge_measure", "rouge_stemmer")


def explained(
    criterion: Mapping[str, Any], differing: Known, equal: Known, options: RunOptions
) -> tuple[str, str]:
    """Return the option that gives exactly the old scores, "" for none, and a sentence of why.

    Args:
        criterion: one of the testing_criteria.
        differing: items and samples whose old score is another one, with that.
        equal: such whose old score is the same, which another reading must not change.
        options: how graders are run.
    """
    rows = [{"item": pair[0], "sample": pair[1]} for pair, _ in (*differing, *equal)]
    old = [score for _, score in (*differing, *equal)]
    best, most = "", 0
    for reading, flag in _others(criterion, options.reading):
        new = _scores(criterion, rows, replace(options, reading=reading))
        if new is None:
            continue
        if new == old:
            return flag, f"read otherwise: {flag} gives every old score to the last bit"
        hits = sum(one == other for one, other in zip(new, old[: len(differing)], strict=False))
        if hits > most:
            best, most = flag, hits
    if best:
        return "", f"{best} gives {most:,} of {len(differing):,} old scores, not all"
    if criterion.get("type") == "python":
        says = "its code gives another number here: chance, the time, or other versions of packages"
        return "", f"{says} (graders image builds the hosted ones)"
    return "", "no other reading of what the hosted documents leave open gives the old scores"


def _scores(
    criterion: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], options: RunOptions
) -> list[float | None] | None:
    """Return the scores of rows, None where they cannot be had."""
    try:
        loaded, config = criteria_of([criterion])
        with Grader(
            replace(loaded, config=config), reading=options.reading, python=options.python,
            judge=options.judge,
        ) as grader:  # fmt: skip
            key = next(iter(config.graders))
            return [grade.sub_rewards.get(key) for grade in grader.grade_many(rows)]
    except GradersError:  # Such as a package that this reading needs and that is not installed.
        return None


def _others(criterion: Mapping[str, Any], now: Reading) -> Iterator[tuple[Reading, str]]:
    """Yield the readings that can change a criterion's score, each with its options of a command."""
    rouge = str(criterion.get("evaluation_metric") or "").startswith("rouge")
    known = {one.name: one for one in options_of(Reading)}
    choices: dict[str, tuple[Any, ...]] = {
        name: (False, True) if one.sort is bool else tuple(one.allowed or ())
        for name, one in known.items()
    }
    if rouge:
        sets = [
            dict(zip(_ROUGE, found, strict=True))
            for found in product(*(choices[n] for n in _ROUGE))
        ]
        sets.sort(key=lambda one: sum(getattr(now, name) != value for name, value in one.items()))
    else:
        sets = []
    sets += [
        {name: value} for name, values in choices.items() if name not in _ROUGE for value in values
    ]
    for one in sets:
        changed = {name: value for name, value in one.items() if getattr(now, name) != value}
        if changed:
            yield replace(now, **changed), " ".join(_flag(*pair) for pair in changed.items())


def _flag(name: str, value: Any) -> str:
    flag = f"--{name.replace('_', '-')}"
    return f"{flag} {value}" if not isinstance(value, bool) else flag
