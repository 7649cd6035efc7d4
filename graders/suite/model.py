"""A suite as data: what is tested, with which grader, and what is expected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from graders.config import Loaded
from graders.config.document import Place
from graders.models import JudgeOptions
from graders.reading import Reading
from graders.remote import Remote
from graders.sandbox import PythonOptions
from graders.suite.expectation import Expected, ExpectedFailure

__all__ = ["Case", "Invariance", "Ordering", "Suite", "SuiteRow", "Test"]


@dataclass(frozen=True, slots=True)
class SuiteRow:
    """What is graded: an item and a sample, and what to call it."""

    label: str
    item: Any
    sample: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One row and its grade.

    Attributes:
        name: unique in its suite, as those of all tests.
        place: where in the suite it stands.
        line: the same as a line of the file.
        row: what is graded.
        reward: what the reward has to be; None where the case does not say.
        sub_rewards: what sub-rewards have to be, by key.
        failure: the failure the row has to have.
    """

    kind: ClassVar = "case"
    name: str
    place: Place
    line: int
    row: SuiteRow
    reward: Expected | None = None
    sub_rewards: Mapping[str, Expected] = field(default_factory=dict)
    failure: ExpectedFailure | None = None

    @property
    def expects_failure(self) -> bool:
        """Whether the row may fail."""
        return self.failure is not None or (self.reward is not None and self.reward.nothing)

    @property
    def pending(self) -> bool:
        """Whether nothing is expected yet."""
        return self.reward is None and self.failure is None and not self.sub_rewards


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordering:
    """Rows of which each beats the next, by at least `margin`."""

    kind: ClassVar = "ordering"
    name: str
    place: Place
    line: int
    rows: tuple[SuiteRow, ...]
    margin: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Invariance:
    """Rows, and changed ones whose reward is the same, `within` so much.

    Attributes:
        pairs: a row and its changed forms, for each row.
    """

    kind: ClassVar = "invariance"
    name: str
    place: Place
    line: int
    pairs: tuple[tuple[SuiteRow, tuple[SuiteRow, ...]], ...]
    within: float = 0.0


Test = Case | Ordering | Invariance


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A suite file.

    Attributes:
        path: the file.
        text: what stands in it.
        grader: the grader's config.
        reading: how open points are read.
        python: how python graders are run.
        judge: how model graders are asked.
        tests: cases, orderings and invariances, in this order.
    """

    path: Path | Remote
    text: str
    grader: Loaded
    reading: Reading
    python: PythonOptions
    judge: JudgeOptions
    tests: tuple[Test, ...]
