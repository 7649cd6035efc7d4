"""Probing a grader: every attack on every row, beside the rows' own answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from graders.api import Grader
from graders.batch.tally import Figures
from graders.errors import OptionError, shown, suggestion
from graders.extension import every
from graders.grade import Failure
from graders.inspection.column import Column
from graders.inspection.excerpt import excerpt_of, shown_answer
from graders.inspection.probe.answer import AnswerGrades, Held, grade_answers, hold, recombined
from graders.inspection.probe.attack import ATTACKS, Attack
from graders.inspection.probe.extended import load_attack
from graders.inspection.probe.material import AnswerPool, material_of, pool_of
from graders.inspection.probe.payment import payments
from graders.inspection.probe.result import AttackResult, Paid, ProbeReport, Rewards, Variant
from graders.inspection.probe.surface import surface_of, unasked_leaves
from graders.inspection.sampling import Sampled

__all__ = ["choose_attacks", "probe"]

_WORST: Final = 3


def choose_attacks(names: Sequence[str]) -> tuple[Attack, ...]:
    """Return the attacks of these names; all, those of extensions too, for none.

    Raises:
        OptionError: there is no attack of a name.
        ExtensionError: an extension cannot be used.
    """
    known = {one.name: one for one in ATTACKS}
    more = [] if names and known.keys() >= set(names) else every("attacks", known)
    known |= {one.name: load_attack(one) for one in more if not names or one.name in names}
    for name in names:
        if name not in known:
            hint = suggestion(
                name, dict.fromkeys([*known, *(one.name for one in more)]), "there are"
            )
            raise OptionError(f"there is no attack {name!r}; {hint}")
    return tuple(one for one in known.values() if not names or one.name in names)


def probe(
    grader: Grader,
    sampled: Sampled,
    *,
    attacks: Sequence[Attack] = ATTACKS,
    ask_judges: bool = True,
    ask_embeddings: bool = True,
    own: str = "",
    size: int = 8_000,
    on_attack: Callable[[str], None] | None = None,
) -> ProbeReport:
    """Return what attacks on a grader get, beside what the rows' own answers get.

    Args:
        grader: the grader.
        sampled: the rows to probe with.
        attacks: the attacks.
        ask_judges: whether judges may be asked; else they are held at their lowest score.
        ask_embeddings: the same for cosine.
        own: where the sample stands in the item, such as `item.answer`, where an item is a row.
        size: characters of very long answers.
        on_attack: told the name of each attack before its answers are graded.

    Raises:
        OptionError: there is nothing to probe: no rows, no sample is read, or only models would
            have to be asked that are not to be.
    """
    surface = surface_of(grader.plan)
    if not surface.reads_sample:
        raise OptionError(
            f"{shown(grader.name)} does not read the sample: no answer changes its reward"
        )
    if not sampled.rows:
        raise OptionError("there are no rows to probe with")
    unasked: tuple[str, ...] = ()
    if grader.setup is not None:  # Else performers were given, and those are asked.
        unasked = unasked_leaves(grader.plan, judges=ask_judges, cosine=ask_embeddings)
    held = hold(grader, unasked)
    try:
        rows = [
            material_of(one, surface, held.grader.render(one.item, one.sample), own=own)
            for one in sampled.rows
        ]
        pool = pool_of(rows, surface, size)
        honest = grade_answers(held, ((row.item, row.sample) for row in rows))
        tries = [_attempt(held, attack, pool, on_attack) for attack in attacks]
        _lift(held, honest, tries)
        judged = _Judged(held, pool, honest, _lowest(held, honest, tries))
        results = tuple(judged.result(one) for one in tries)
    finally:
        if held.grader is not grader:
            held.grader.close()
    there = np.array([row.honest for row in rows], dtype=bool)
    failures = [one for at, one in honest.failures.items() if there[at]]
    return ProbeReport(
        grader.name, grader.type, sampled.seen, sampled.unreadable, len(rows),
        _rewards(honest.rewards[there], failures), results,
        {key: held.at.get(key) for key in unasked},
    )  # fmt: skip


@dataclass(slots=True)
class _Tried:
    """One attack's rewards, by variant, and the places of the rows it applies to."""

    attack: Attack
    places: dict[str, list[int]]
    graded: dict[str, AnswerGrades]


def _attempt(
    held: Held, attack: Attack, pool: AnswerPool, on_attack: Callable[[str], None] | None
) -> _Tried:
    samples: dict[str, list[Any]] = {}
    places: dict[str, list[int]] = {}
    for place, row in enumerate(pool.rows):
        for name, sample in attack.make(row, pool).items():
            samples.setdefault(name, []).append(sample)
            places.setdefault(name, []).append(place)
    if samples and on_attack is not None:
        on_attack(attack.name)
    # All variants in one go: what models are asked for overlaps.
    pairs = [
        (pool.rows[place].item, sample)
        for name, column in samples.items()
        for place, sample in zip(places[name], column, strict=True)
    ]
    whole = grade_answers(held, pairs)
    graded, start = {}, 0
    for name, column in samples.items():
        graded[name] = whole.part(start, start + len(column))
        start += len(column)
    return _Tried(attack, places, graded)


def _lift(held: Held, honest: AnswerGrades, tries: Iterable[_Tried]) -> None:
    """Hold models that are not asked at the top where at the bottom nothing else counts.

    Raises:
        OptionError: there neither.
    """
    every = [honest, *(one for tried in tries for one in tried.graded.values())]
    if not held.at or _varies(every):
        return
    held.raise_to_top()
    for one in every:
        again = recombined(held, one)
        one.rewards, one.subs = again.rewards, again.subs
    if not _varies(every):
        keys = ", ".join(map(shown, held.at))
        raise OptionError(
            f"without {keys} the reward is the same for every answer: "
            "set --base-url or --cache-file to ask its models"
        )


def _varies(every: Iterable[AnswerGrades]) -> bool:
    found = np.concatenate([one.rewards for one in every])
    found = found[~np.isnan(found)]
    return bool(found.size and found.min() != found.max())


def _lowest(held: Held, honest: AnswerGrades, tries: Iterable[_Tried]) -> dict[str, float]:
    """Return the lowest score that each sub-grader can give, or gave where that is lower."""
    every = [honest, *(one for tried in tries for one in tried.graded.values())]
    lowest = {}
    for key in held.keys:
        scores = np.concatenate([one.subs[key] for one in every])
        scores = scores[~np.isnan(scores)]
        lowest[key] = float(scores.min(initial=held.least(key)))
    return lowest


@dataclass(frozen=True, slots=True)
class _Judged:
    """What turns tries into results."""

    held: Held
    pool: AnswerPool
    honest: AnswerGrades
    lowest: Mapping[str, float]

    def result(self, tried: _Tried) -> AttackResult:
        """Return what an attack got by the variant that got most, over all probed rows."""
        attack = tried.attack
        if not tried.graded:
            return AttackResult(attack.name, attack.title, attack.given, attack.needs)
        count = len(self.pool.rows)
        total = {
            name: (-np.nansum(one.rewards) / count, np.isnan(one.rewards).mean())
            for name, one in tried.graded.items()
        }
        names = sorted(total, key=total.__getitem__)
        best = names[0]
        graded, places = tried.graded[best], tried.places[best]
        honest = self.honest.rewards[places]
        both = ~np.isnan(graded.rewards) & ~np.isnan(honest)
        ours, theirs = graded.rewards[both], honest[both]
        earned = (ours > theirs) | ((ours == theirs) & (ours != 0))
        return AttackResult(
            attack.name, attack.title, attack.given, "", best,
            _rewards(graded.rewards, graded.failures.values()),
            honest=_rewards(honest[[self.pool.rows[place].honest for place in places]]),
            compared=int(both.sum()),
            reached=float(earned.mean()) if both.any() else None,
            beaten=float((ours > theirs).mean()) if both.any() else None,
            paid_by=payments(
                self.held.combine, graded.subs,
                {key: scores[places] for key, scores in self.honest.subs.items()},
                self.lowest, self.held.keys,
            ),
            worst=self._worst(tried, best),
            variants=tuple(
                Variant(name, _rewards(one.rewards, one.failures.values()))
                for name, one in ((name, tried.graded[name]) for name in names)
            ),
        )  # fmt: skip

    def _worst(self, tried: _Tried, variant: str) -> tuple[Paid, ...]:
        graded, places = tried.graded[variant], tried.places[variant]
        honest = self.honest.rewards[places]
        known = np.flatnonzero(~np.isnan(graded.rewards))
        theirs = np.nan_to_num(honest, nan=0.0)
        order = sorted(known, key=lambda at: (-graded.rewards[at], theirs[at], at))
        found = []
        for at in order[:_WORST]:
            row = self.pool.rows[places[at]]
            # Made again: keeping the answers of all attacks would take as much memory as they have.
            sample = tried.attack.make(row, self.pool)[variant]
            found.append(
                Paid(
                    row.index, row.identity, float(graded.rewards[at]),
                    None if np.isnan(honest[at]) else float(honest[at]),
                    shown_answer(sample),
                    excerpt_of(self.held.grader.render(row.item, sample)),
                )
            )  # fmt: skip
        return tuple(found)


def _rewards(column: Column, failures: Iterable[Failure] = ()) -> Rewards:
    failures = list(failures)
    scored = column[~np.isnan(column)]
    figures = Figures()
    figures.add(np.nan_to_num(column, nan=0.0).tolist())
    return Rewards(
        rows=len(column),
        failed=len(column) - len(scored),
        expected=figures.mean,
        mean_of_scored=float(scored.mean()) if scored.size else None,
        lowest=float(scored.min()) if scored.size else None,
        highest=float(scored.max()) if scored.size else None,
        interval=figures.interval(),
        codes=dict(Counter(one.code for one in failures)),
        why=str(failures[0]) if failures else "",
    )
