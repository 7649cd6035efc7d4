"""Runs the tests of a suite: each row graded once, whatever asks for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Self

from graders import jsontext
from graders.api import Explanation, Grader
from graders.suite.coverage import Coverage, CoveringPython
from graders.suite.expectation import Expected
from graders.suite.model import Case, Invariance, Ordering, Suite, SuiteRow, Test
from graders.suite.outcome import Outcome, Shown

__all__ = ["Bench"]


class Bench:
    """A suite's grader, ready to run its tests.

    Args:
        suite: the suite.
        covering: whether to follow what the tests exercise.

    Attributes:
        suite: the suite.
    """

    def __init__(self, suite: Suite, *, covering: bool = False) -> None:
        self.suite = suite
        self._grades: dict[bytes, Explanation] = {}
        self._checked = False
        # Not the one that grades, whose sources another performer may follow.
        self._plain = Grader(suite.grader, reading=suite.reading, python=suite.python)
        plan = self._plain.plan
        self._coverage = Coverage(plan) if covering else None
        tags = plan.image_tags
        self._covering = CoveringPython(suite.python, tags) if covering and tags else None
        self._grader = Grader(
            suite.grader, reading=suite.reading, python=self._covering or suite.python,
            judge=suite.judge,
        )  # fmt: skip

    @property
    def grader(self) -> Grader:
        """The grader, its python sources checked.

        Raises:
            ConfigError: a python source has faults.
        """
        if not self._checked:
            self._grader.check()
            self._checked = True
        return self._grader

    @property
    def notes(self) -> list[str]:
        """What a python source of the grader may hide while its scores go wrong."""
        return self._plain.notes()

    @property
    def coverage(self) -> Coverage | None:
        """What the tests run so far exercised; None where that is not followed."""
        if self._coverage is not None and self._covering is not None:
            self._coverage.note_source(self._covering.traces)
        return self._coverage

    def run(self, test: Test) -> Outcome:
        """Return the outcome of one test.

        Raises:
            ConfigError: a python source of the grader has faults.
            UnavailableError: this machine lacks what the grader needs.
        """
        started = time.perf_counter()
        problems, shown, wrong = self._judge(test)
        return Outcome(
            test=test, problems=tuple(problems), shown=tuple(shown) if problems else (),
            plan=self.grader.plan, seconds=time.perf_counter() - started, wrong=wrong,
        )  # fmt: skip

    def grade(self, row: SuiteRow) -> Explanation:
        """Return a row's grade and how it came about; equal rows are graded once."""
        key = jsontext.encode([row.item, row.sample])
        if key not in self._grades:
            explained = self._grades[key] = self.grader.explain(row.item, row.sample)
            if self._coverage is not None:
                self._coverage.note(explained)
        return self._grades[key]

    def close(self) -> None:
        """Stop what was started."""
        self._grader.close()
        if self._covering is not None:
            self._covering.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _judge(self, test: Test) -> tuple[list[str], list[Shown], dict[Any, Any]]:
        if isinstance(test, Case):
            explained = self.grade(test.row)
            found = list(_case_problems(test, explained))
            expected = {key: str(one) for key, one in test.sub_rewards.items()}
            wrong = {place: value for _, place, value in found if place is not None}
            shown = [Shown(test.row, explained, expected)]
            return [problem for problem, _, _ in found], shown, wrong
        if isinstance(test, Ordering):
            return *self._ordering(test), {}
        return *self._invariance(test), {}

    def _ordering(self, test: Ordering) -> tuple[list[str], list[Shown]]:
        shown = [Shown(row, self.grade(row), {}) for row in test.rows]
        problems = list(_unscored(shown))
        least = f" by at least {test.margin:g}" if test.margin else ""
        guilty: dict[str, Shown] = {}
        for better, worse in pairwise(shown):
            high, low = better.explained.grade.reward, worse.explained.grade.reward
            # A margin of 0.1 is one, though 0.3 - 0.2 is a little less in floats.
            if high is None or low is None or (high > low and high - low >= test.margin - 1e-12):
                continue
            problems.append(
                f"{better.row.label} ({high!r}) does not beat {worse.row.label} ({low!r}){least}"
            )
            guilty |= {better.row.label: better, worse.row.label: worse}
        guilty |= {one.row.label: one for one in shown if one.explained.grade.reward is None}
        return problems, list(guilty.values())

    def _invariance(self, test: Invariance) -> tuple[list[str], list[Shown]]:
        problems: list[str] = []
        shown: list[Shown] = []
        same = Expected(0.0, test.within)
        for row, variants in test.pairs:
            base = Shown(row, self.grade(row), {})
            reward = base.explained.grade.reward
            if reward is None:
                problems += _unscored([base])
                shown.append(base)
                continue
            moved = []
            for variant in variants:
                other = Shown(variant, self.grade(variant), {})
                got = other.explained.grade.reward
                if got is None or not same.holds(got - reward):
                    moved.append(other)
                    less = f" (within {test.within:g})" if test.within else ""
                    problems.append(
                        f"{variant.label}: the reward goes from {reward!r} to "
                        f"{'none: the row fails' if got is None else repr(got)}{less}"
                    )
            shown += [base, *moved] if moved else []
        return problems, shown


def _unscored(shown: list[Shown]) -> Iterator[str]:
    for one in shown:
        if one.explained.grade.reward is None:
            yield f"{one.row.label} has no reward: {one.explained.grade.failures[0]}"


def _case_problems(test: Case, explained: Explanation) -> Iterator[tuple[str, Any, Any]]:
    """Yield (problem, place of the expectation, what came instead)."""
    grade = explained.grade
    code = grade.failures[0].code if grade.failures else None
    if test.pending:
        got = f"the reward is {grade.reward!r}" if code is None else f"the row fails: {code}"
        yield f"nothing is expected yet; {got} (--update writes it down)", test.place, grade
        return
    if test.reward is not None and not test.reward.holds(grade.reward):
        place = (*test.place, "reward")
        if grade.reward is None:
            said = f"reward: expected {test.reward}, but the row fails: {grade.failures[0]}"
            yield said, place, code
        else:
            yield f"reward: expected {test.reward}, got {grade.reward!r}", place, grade.reward
    if test.failure is not None and not test.failure.among(grade.failures):
        got = f"the reward is {grade.reward!r}"
        if grade.failures:
            got = "got " + "; ".join(map(str, grade.failures))
        yield f"failure: expected {test.failure}, {got}", (*test.place, "failure"), grade
    for key, expected in test.sub_rewards.items():
        value = grade.sub_rewards.get(key)
        if not expected.holds(value):
            shown = "none: it failed" if value is None else repr(value)
            yield (
                f"{key}: expected {expected}, got {shown}", (*test.place, "sub_rewards", key), value
            )  # fmt: skip
    # A row that fails unforeseen is never a pass, though all its parts be as expected.
    if code is not None and test.reward is None and not test.expects_failure:
        yield f"the row fails: {grade.failures[0]}", None, None
