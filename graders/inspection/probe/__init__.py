"""Probing a reward: answers that ought not to be paid, and what they get."""

from __future__ import annotations

from graders.inspection.probe.attack import ATTACKS, Attack, Given
from graders.inspection.probe.material import AnswerPool, Material
from graders.inspection.probe.payment import Payment
from graders.inspection.probe.result import AttackResult, Paid, ProbeReport, Rewards, Variant
from graders.inspection.probe.run import choose_attacks, probe

__all__ = [
    "ATTACKS",
    "AnswerPool",
    "Attack",
    "AttackResult",
    "Given",
    "Material",
    "Paid",
    "Payment",
    "ProbeReport",
    "Rewards",
    "Variant",
    "choose_attacks",
    "probe",
]  # fmt: skip
