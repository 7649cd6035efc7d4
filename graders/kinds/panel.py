"""A panel: several judges' verdicts on the same rows become one score a row, by a declared rule.

A judge without a verdict is left out as long as a quorum has one; else the row fails. Everything is
summed as fractions, so that the order of the judges changes no figure.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import combinations
from typing import Any

from graders.calls import PanelRule
from graders.errors import quoted
from graders.grade import Failure
from graders.kinds.judge import Judged, Judgement, Panelled, mean
from graders.kinds.kind import Settled

__all__ = ["combined"]

Votes = Mapping[Any, Fraction]


def combined(
    judges: Mapping[str, Settled], rule: PanelRule, quorum: int, *, labels: bool
) -> Judged:
    """Return what a panel comes to.

    Args:
        judges: what each judge gave for the same rows, by its name.
        rule: how verdicts become one. `mean` and `median` are of scores (of a label: 1 where it
            passes, else 0; the median of an even number is the mean of the middle two), `majority`
            is the verdict that most judges give; a judge asked several times has one vote in all.
        quorum: how many judges need a verdict.
        labels: whether verdicts are labels, of which two are the same or not; else numbers.
    """
    columns = list(judges.values())
    panel = Judged()
    if rule == "auto":
        rule = "majority" if labels else "mean"
    for row in range(len(columns[0].scores)):
        said = {name: _said(one, row, name) for name, one in judges.items()}
        votes = {name: found for name, one in said.items() if (found := _votes(one, labels=labels))}
        scores = {name: one.scores[row] for name, one in judges.items()}
        outcome = _outcome(judges, row, quorum) or _verdict(scores, votes, said, rule)
        if isinstance(outcome, Failure):
            panel.failures[row] = outcome
        panel.scores.append(None if isinstance(outcome, Failure) else outcome)
        panel.said.append([judgement for one in said.values() for judgement in one])
        panel.seconds.append(
            max((one.seconds[row] for one in columns if isinstance(one, Judged)), default=0.0)
        )
        panel.panels.append(Panelled(scores, _disagreement(scores, votes, labels=labels)))
    return panel


def _said(one: Settled, row: int, name: str) -> list[Judgement]:
    if isinstance(one, Judged):
        return [replace(judgement, judge=name) for judgement in one.said[row]]
    return [Judgement(one.scores[row], failure=one.failures.get(row), judge=name)]


def _votes(said: Sequence[Judgement], *, labels: bool) -> Votes:
    """Return a judge's one vote, shared by its verdicts; {} where it has none."""
    found = [one for one in said if one.score is not None]
    votes: dict[Any, Fraction] = {}
    for one in found:
        verdict = one.result if labels and isinstance(one.result, str) else one.score
        votes[verdict] = votes.get(verdict, Fraction(0)) + Fraction(1, len(found))
    return votes


def _outcome(judges: Mapping[str, Settled], row: int, quorum: int) -> Failure | None:
    """Return why a row fails whatever the rule: too few judges gave a verdict."""
    lost = {name: one.failures[row] for name, one in judges.items() if one.scores[row] is None}
    answered = len(judges) - len(lost)
    if answered >= quorum:
        return None
    first = next(iter(lost.values()))
    reasons = "; ".join(f"{name}: {one.message}" for name, one in lost.items())
    return replace(
        first,
        message=f"{answered} of the panel's {len(judges)} judges gave a verdict, and {quorum} must; "
        f"{reasons}",
    )


def _verdict(
    scores: Mapping[str, float | None],
    votes: Mapping[str, Votes],
    said: Mapping[str, Sequence[Judgement]],
    rule: PanelRule,
) -> float | Failure:
    given = [score for score in scores.values() if score is not None]
    if rule == "median":
        return float(statistics.median(given))
    if rule != "majority":
        return mean(given)
    total: dict[Any, Fraction] = {}
    for one in votes.values():
        for verdict, share in one.items():
            total[verdict] = total.get(verdict, Fraction(0)) + share
    most = max(total.values())
    winners = [verdict for verdict, share in total.items() if share == most]
    worth = {
        judgement.score
        for one in said.values()
        for judgement in one
        if judgement.score is not None
        and (
            judgement.result in winners
            if isinstance(winners[0], str)
            else judgement.score in winners
        )
    }
    if len(worth) == 1:  # Of labels that tie, all may pass.
        return float(next(iter(worth)))
    listed = ", ".join(f"{quoted(one)} has {_count(total[one])}" for one in winners[:4])
    return Failure("other_error", f"the panel is tied: {listed}")


def _count(votes: Fraction) -> str:
    return f"{float(votes):.4g} vote{'' if votes == 1 else 's'}"


def _disagreement(
    scores: Mapping[str, float | None], votes: Mapping[str, Votes], *, labels: bool
) -> float | None:
    """Return how far two judges are apart on average."""
    if labels:
        apart = [
            1 - sum((share * b.get(verdict, Fraction(0)) for verdict, share in a.items()), Fraction(0))
            for a, b in combinations(votes.values(), 2)
        ]  # fmt: skip
    else:
        given = [Fraction(score) for score in scores.values() if score is not None]
        apart = [abs(a - b) for a, b in combinations(given, 2)]
    return float(sum(apart, Fraction(0)) / len(apart)) if apart else None
