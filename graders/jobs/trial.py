"""Whether a reward depends on the answer, and on nothing else: some answers are graded again.

The same answer once more shows chance; another row's answer shows a reward that only knows its row.
Judges and endpoints are never asked again: that costs money.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from graders.api import Grader
from graders.jobs.signal import same

__all__ = ["ENOUGH", "Pair", "Trial", "by_chance", "exchanged"]

_REPEATS: Final = 4
_SAMPLES: Final = 32
ENOUGH: Final = 16
"""Rows of which an exchange takes some, at most."""

_OTHERS: Final = 3
_SECONDS: Final = 60.0

Pair = tuple[dict[str, Any], Any]
"""An item and a sample."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What grading again showed.

    Attributes:
        samples: how many answers were graded again.
        changed: how many of them got another reward.
        telling: whether what lies between answers is more than chance.
    """

    samples: int = 0
    changed: int = 0
    telling: bool = True


def by_chance(grader: Grader, groups: Sequence[Sequence[Pair]], seconds: float = 0.0) -> Trial:
    """Grade answers again, and tell whether their rewards differ by more than chance.

    The sandbox seeds random numbers by the row, so each time the item has another number in a field
    that nobody asks for. Where an answer does not get what it got, answers are compared by an
    analysis of variance over a few gradings; chance alone gives an F of about 1.

    Args:
        grader: grades.
        groups: for each prompt (item, sample) of its answers, two or more.
        seconds: what one grade takes; of slow graders fewer are asked for.
    """
    most = min(_SAMPLES, max(4, int(_SECONDS / seconds))) if seconds else _SAMPLES
    chosen: list[Sequence[Pair]] = []
    for group in groups:
        if not chosen or sum(map(len, chosen)) + len(group) <= most:
            chosen.append(group[:most])
    flat = [one for group in chosen for one in group]
    tries = [_graded(grader, flat), _graded(grader, _marked(flat, 1))]
    changed = sum(map(_changed, _by_group(chosen, tries)))
    if not changed:
        return Trial(len(flat))
    tries += [_graded(grader, _marked(flat, time)) for time in range(2, _REPEATS)]
    return Trial(len(flat), changed, _more_than_chance(_by_group(chosen, tries)))


def _marked(pairs: Sequence[Pair], time: int) -> list[Pair]:
    return [({**item, "_graded_again": time}, sample) for item, sample in pairs]


def _by_group(
    groups: Sequence[Sequence[Any]], tries: Sequence[Sequence[float | None]]
) -> list[list[list[float]]]:
    """Return for each prompt what each answer got, try by try; without those that failed once."""
    columns = iter(zip(*tries, strict=True))
    return [
        [
            [value for value in one if value is not None]
            for one in (next(columns) for _ in group)
            if None not in one
        ]
        for group in groups
    ]


def _changed(answers: Sequence[Sequence[float]]) -> int:
    """Return how many answers of a prompt changed otherwise than all of them."""
    if not answers:
        return 0
    moved = [second - first for first, second in answers]
    middle = math.fsum(moved) / len(moved)
    return sum(not same((one, middle)) for one in moved)


def _more_than_chance(groups: Sequence[Sequence[Sequence[float]]]) -> bool:
    """Whether answers of one prompt differ by more than they do from grading to grading.

    What a grading gives all answers of a prompt alike is left out, as a trainer leaves it out.
    """
    between = within = 0.0
    free = 0
    for group in groups:
        if len(group) < 2:
            continue
        means = [math.fsum(one) / len(one) for one in group]
        times = [math.fsum(one) / len(one) for one in zip(*group, strict=True)]
        middle = math.fsum(means) / len(means)
        between += _REPEATS * math.fsum((mean - middle) ** 2 for mean in means)
        within += math.fsum(
            (value - mean - time + middle) ** 2
            for one, mean in zip(group, means, strict=True)
            for value, time in zip(one, times, strict=True)
        )
        free += len(group) - 1
    if not free or not within:
        return True
    # The degrees of freedom are free and free * (_REPEATS - 1). The fewer, the further chance gets.
    return (between / free) / (within / (free * (_REPEATS - 1))) > 1.5 + 6 / free


def exchanged(grader: Grader, rows: Sequence[Pair], seconds: float = 0.0) -> Trial:
    """Grade rows with the answers of other rows, and tell whether any reward changes.

    Args:
        grader: grades.
        rows: rows with the one answer of each, from the lowest reward to the highest. Some of both ends
            are taken: what is wrong for one row is wrong for most, but what is right is not.
        seconds: what one grade takes; of slow graders fewer are asked for.
    """
    most = min(ENOUGH, max(2, int(_SECONDS / seconds / _OTHERS))) if seconds else ENOUGH
    half = min(most, len(rows)) // 2
    picked = [one for ends in zip(rows[:half], rows[::-1][:half], strict=True) for one in ends]
    pairs: list[Pair] = []
    sizes: list[int] = []
    for place, (item, mine_) in enumerate(picked):
        rotated = [sample for _, sample in (*picked[place + 1 :], *picked[:place])]
        others = [one for one in rotated if one != mine_][:_OTHERS]
        pairs += [(item, one) for one in (mine_, *others)]
        sizes.append(1 + len(others))
    rewards = iter(_graded(grader, pairs))
    tried = changed = 0
    for size in sizes:
        mine, *theirs = [next(rewards) for _ in range(size)]
        known = [one for one in theirs if mine is not None and one is not None]
        tried += len(known)
        changed += sum(mine is not None and not same((mine, one)) for one in known)
    return Trial(tried, changed, telling=changed > 0 or not tried)


def _graded(grader: Grader, pairs: Sequence[Pair]) -> list[float | None]:
    rows = [{"item": item, "sample": sample} for item, sample in pairs]
    return [
        None if one.failures or one.replaced else one.reward
        for one in grader.grade_many(rows, chunk=_SAMPLES)
    ]
