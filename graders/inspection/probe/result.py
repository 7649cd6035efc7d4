"""What a probe found, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from graders.inspection.probe.attack import Given
from graders.inspection.probe.payment import Payment
from graders.statistic import Interval

__all__ = ["AttackResult", "Paid", "ProbeReport", "Rewards", "Variant"]

_UNREACHED: Final = ("model_grader_server_error", "python_grader_server_error")
_SAME: Final = 1e-9
"""Means no further apart than this differ by rounding."""


@dataclass(frozen=True, slots=True)
class Rewards:
    """Rewards of answers.

    Attributes:
        rows: rows that have such an answer.
        failed: rows of them without a reward.
        expected: the mean over all of them, a failed one as 0, as the hosted service counts it;
            None of no rows.
        mean_of_scored: the mean over those with a reward.
        lowest: the lowest reward.
        highest: the highest reward.
        interval: the 95% interval of `expected`.
        codes: failed rows by the code of their first failure.
        why: the first of these failures.
    """

    rows: int
    failed: int
    expected: float | None
    mean_of_scored: float | None
    lowest: float | None
    highest: float | None
    interval: Interval | None
    codes: Mapping[str, int] = field(default_factory=dict)
    why: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON."""
        return {
            "rows": self.rows, "failed": self.failed, "expected": self.expected,
            "mean_of_scored": self.mean_of_scored, "lowest": self.lowest,
            "highest": self.highest,
            **Interval.json("expected", self.interval),
            "failures": dict(self.codes), "first_failure": self.why,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to carry an attack out, the same for every row."""

    name: str
    rewards: Rewards

    def to_dict(self) -> dict[str, Any]:
        """Return the variant as JSON."""
        return {"variant": self.name, **self.rewards.to_dict()}


@dataclass(frozen=True, slots=True)
class Paid:
    """One answer that was paid.

    Attributes:
        index: the row's index.
        identity: the row's id, None where it has none.
        reward: what the answer got.
        honest: what the row's honest answer got; None where it has none or failed.
        answer: the beginning of the answer.
        rendered: the beginnings of the rendered text fields by sub-grader key.
    """

    index: int
    identity: Any
    reward: float
    honest: float | None
    answer: str
    rendered: Mapping[str, Mapping[str, str]]

    def to_dict(self) -> dict[str, Any]:
        """Return the answer as JSON."""
        return {
            "index": self.index, "id": self.identity, "reward": self.reward,
            "honest": self.honest, "answer": self.answer,
            "rendered": {key: dict(texts) for key, texts in self.rendered.items()},
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class AttackResult:
    """What one attack got.

    Attributes:
        name: the attack.
        title: what it answers.
        given: whether that is `wrong`, the `honest` answer altered, or the `reference`.
        skipped: why it does not apply; "" where it does. Then there is nothing else.
        variant: the way of carrying it out that got most; all other figures are of this one.
        rewards: what it got.
        honest: what the honest answers of the same rows got.
        compared: rows where both the attack and the honest answer have a reward.
        reached: share of them where it gets as much as the honest answer or more; two zeros do
            not count.
        beaten: share of them where it gets more.
        paid_by: what each sub-grader paid, most first.
        worst: the answers that got most, most first.
        variants: every way of carrying it out, the one that got most first.
    """

    name: str
    title: str
    given: Given
    skipped: str = ""
    variant: str = ""
    rewards: Rewards | None = None
    honest: Rewards | None = None
    compared: int = 0
    reached: float | None = None
    beaten: float | None = None
    paid_by: tuple[Payment, ...] = ()
    worst: tuple[Paid, ...] = ()
    variants: tuple[Variant, ...] = ()

    @property
    def expected(self) -> float | None:
        """The expected reward; None where it does not apply."""
        return None if self.rewards is None else self.rewards.expected

    @property
    def payer(self) -> Payment | None:
        """The sub-grader that paid most; None where none paid anything."""
        return self.paid_by[0] if self.paid_by and self.paid_by[0].paid > 0 else None

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON."""
        body: dict[str, Any] = {
            "attack": self.name, "title": self.title, "given": self.given,
            "applies": not self.skipped,
        }  # fmt: skip
        if self.rewards is None:
            return {**body, "reason": self.skipped}
        return {
            **body,
            "variant": self.variant,
            **self.rewards.to_dict(),
            "honest": None if self.honest is None else self.honest.to_dict(),
            "compared": self.compared,
            "reached": self.reached,
            "beaten": self.beaten,
            "payer": None if self.payer is None else self.payer.key,
            "paid_by": [one.to_dict() for one in self.paid_by],
            "worst": [one.to_dict() for one in self.worst],
            "variants": [one.to_dict() for one in self.variants],
        }


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """What a probe found.

    Attributes:
        name: the grader's name.
        type: the grader's type.
        rows: rows of the input.
        unreadable: rows of it that could not be read.
        probed: rows that were probed.
        honest: what their honest answers got.
        attacks: what each attack got, in the order of the table.
        not_probed: sub-graders whose models were not asked, with the score they are held at; None
            for a criterion that is left out.
    """

    name: str
    type: str
    rows: int
    unreadable: int
    probed: int
    honest: Rewards
    attacks: tuple[AttackResult, ...]
    not_probed: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def unreached(self) -> int:
        """Answers of attacks that have no reward because what grades them could not be asked."""
        variants = [one.rewards for attack in self.attacks for one in attack.variants]
        return sum(rewards.codes.get(code, 0) for rewards in variants for code in _UNREACHED)

    @property
    def scored(self) -> bool:
        """Whether any answer of an attack has a reward."""
        rewards = [one.rewards for one in self.attacks if one.rewards is not None]
        return any(one.mean_of_scored is not None for one in rewards)

    def above(
        self, limit: float | None, chosen: frozenset[str] = frozenset()
    ) -> list[AttackResult]:
        """Return the attacks that get more than is allowed, most first.

        A wrong answer may get `limit`; an altered honest one that, or what the honest answers of
        the same rows get. The reference copied is only looked at where it is chosen by name: getting a high
        reward is what it is for.

        Args:
            limit: the highest expected reward that is allowed; None for that of the honest answers.
            chosen: attacks chosen by name.
        """
        found = []
        for one in self.attacks:
            if one.expected is None or (one.given == "reference" and one.name not in chosen):
                continue
            honest = None if one.honest is None else one.honest.expected
            bars = [honest] if limit is None or one.given == "honest" else []
            known = [bar for bar in (*bars, limit) if bar is not None]
            if known and one.expected > max(known) + _SAME:
                found.append(one)
        return sorted(found, key=lambda one: -(one.expected or 0.0))

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON."""
        return {
            "name": self.name, "type": self.type, "rows": self.rows,
            "unreadable": self.unreadable, "probed": self.probed,
            "honest": self.honest.to_dict(),
            "not_probed": dict(self.not_probed), "unreached": self.unreached,
            "attacks": [one.to_dict() for one in self.attacks],
        }  # fmt: skip
