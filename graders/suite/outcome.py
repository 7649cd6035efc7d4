"""What a test of a suite gave: what is wrong, and the grades that say so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graders.api import Explanation
from graders.plan import Plan
from graders.suite.model import Case, SuiteRow, Test

__all__ = ["Outcome", "Shown"]


@dataclass(frozen=True, slots=True)
class Shown:
    """A graded row that explains an outcome.

    Attributes:
        row: the row, as its suite or test has it.
        explained: its grade and how it came about.
        expected: what was expected of each sub-reward, as text.
    """

    row: SuiteRow
    explained: Explanation
    expected: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of one test.

    Attributes:
        test: the test.
        problems: what is wrong, a sentence each; none where it passed.
        shown: the rows to look at; empty where it passed.
        plan: of the grader.
        seconds: how long it took.
        wrong: the places in the suite whose expectations do not hold, with what came instead.
    """

    test: Test
    problems: tuple[str, ...]
    shown: tuple[Shown, ...]
    plan: Plan
    seconds: float
    wrong: Mapping[tuple[str | int, ...], Any]

    @property
    def passed(self) -> bool:
        """Whether everything was as expected."""
        return not self.problems

    @property
    def rewritable(self) -> bool:
        """Whether writing new expectations into the suite may make it pass."""
        return isinstance(self.test, Case) and bool(self.wrong)
