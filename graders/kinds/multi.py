"""What holds several graders: a multi with its formula, and the criteria of an eval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field

from graders.kinds.field import PASS_THRESHOLD, GraderConfig, Number, Str, with_name
from graders.kinds.table import KINDS, SubGrader, one_of

__all__ = ["TYPES", "AnyGrader", "EvalCriteria", "Multi"]


def _as_map(graders: Any) -> Any:
    """Take a single grader, as an older API reference has it, for a map of one."""
    if isinstance(graders, dict) and isinstance(graders.get("type"), str):
        named = with_name(graders)
        return {named["name"]: named} if isinstance(named["name"], str) else graders
    return graders


class Multi(GraderConfig):
    """Combine sub-graders by a formula over their keys."""

    type: Literal["multi"] = "multi"
    graders: Annotated[dict[Str, SubGrader], Field(min_length=1), BeforeValidator(_as_map)]
    """The sub-graders; the keys are the names in `calculate_output`. No multi inside a multi."""
    calculate_output: Str
    """+ - * / ^ ( ), numbers, the keys, min, max, abs, floor, ceil, exp, sqrt and log."""
    pass_threshold: Number | None = PASS_THRESHOLD
    invalid_grade: Number | None = None
    """Azure: the reward of a row whose grade is invalid."""


@dataclass(frozen=True, slots=True)
class EvalCriteria:
    """Several graders of an Evals `testing_criteria` list, applied to each row together.

    A row's reward is the verdict an Evals output item gets: 1.0 when every criterion passes,
    else 0.0. The scores are its sub-rewards.
    """

    graders: Mapping[str, GraderConfig]
    name: str
    type: Literal["testing_criteria"] = "testing_criteria"
    places: tuple[int, ...] = field(default=(), compare=False)
    """Where in the list each of them stands, where others of the list are left out."""


TYPES: Final[Mapping[str, type[GraderConfig]]] = {
    **{name: kind.config for name, kind in KINDS.items()},
    "multi": Multi,
}
"""The fields of every type of grader."""

if TYPE_CHECKING:
    AnyGrader = GraderConfig
else:
    AnyGrader = one_of(TYPES)
"""Any grader."""
