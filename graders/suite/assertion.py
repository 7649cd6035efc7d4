"""`assert_reward`: a reward in a Python test, with a failure that explains itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from graders.api import Explanation, Grader, load
from graders.plan import Plan
from graders.suite.expectation import Expected, read_expected, read_failure
from graders.suite.explain import explain_row
from graders.suite.model import SuiteRow
from graders.suite.outcome import Shown

__all__ = ["assert_reward"]


def assert_reward(
    grader: Grader | Explanation | Mapping[str, Any] | str | os.PathLike[str],
    expected: Any = ...,
    *,
    item: Any = None,
    sample: Any = None,
    within: float = 0.0,
    sub_rewards: Mapping[str, Any] | None = None,
    failure: Any = None,
) -> Explanation:
    """Grade a row and assert its reward; the AssertionError shows how the reward came about.

    Args:
        grader: a grader, or what `graders.load` takes; or an Explanation, whose row is graded.
        expected: a number, `{"about": 0.5, "within": 0.01}`, a bound such as `">= 0.5"` or
            `{"at_least": 0.5}`, what `pytest.approx` gives, or None for a row that fails.
        item: the row's item.
        sample: the row's sample.
        within: how far the reward may be from a plain number.
        sub_rewards: what is expected of sub-rewards, in the same forms.
        failure: the failure that the row has to have: its code, or an object with `code` and
            perhaps `where` and `message`.

    Returns:
        The grade and how it came about.

    Raises:
        AssertionError: something is not as expected.
        ValueError: an expectation is of no known form.
    """
    __tracebackhide__ = True
    if expected is ... and failure is None and sub_rewards is None:
        raise ValueError("assert_reward expects a reward, sub_rewards or a failure")
    wanted = None if expected is ... else read_expected(expected, within)
    parts = {key: read_expected(one, within) for key, one in (sub_rewards or {}).items()}
    wanted_failure = None if failure is None else read_failure(failure)
    explained, plan = _graded(grader, item, sample)
    problems = _problems(explained, wanted, parts)
    grade = explained.grade
    if wanted_failure is not None and not wanted_failure.among(grade.failures):
        got = "; ".join(map(str, grade.failures)) or f"the reward {grade.reward!r}"
        problems.append(f"failure: expected {wanted_failure}, got {got}")
    if not problems and grade.failures and wanted is None and wanted_failure is None:
        problems.append(f"the row fails: {grade.failures[0]}")
    if problems:
        shown = Shown(
            SuiteRow("the row", item, sample),
            explained,
            {key: str(one) for key, one in parts.items()},
        )
        raise AssertionError("\n".join([*problems, "", *explain_row(plan, shown)]))
    return explained


def _graded(grader: Any, item: Any, sample: Any) -> tuple[Explanation, Plan | None]:
    if isinstance(grader, Explanation):
        return grader, None
    if isinstance(grader, Grader):
        return grader.explain(item, sample), grader.plan
    with load(grader) as loaded:
        return loaded.explain(item, sample), loaded.plan


def _problems(
    explained: Explanation, wanted: Expected | None, parts: Mapping[str, Expected]
) -> list[str]:
    grade, problems = explained.grade, []
    if wanted is not None and not wanted.holds(grade.reward):
        got = f"got {grade.reward!r}"
        if grade.reward is None:
            got = f"but the row fails: {grade.failures[0]}"
        problems.append(f"reward: expected {wanted}, {got}")
    for key, one in parts.items():
        if key not in grade.sub_rewards:
            known = ", ".join(grade.sub_rewards) or "none"
            problems.append(f"there is no sub-reward {key!r}; there is: {known}")
        elif not one.holds(grade.sub_rewards[key]):
            problems.append(f"{key}: expected {one}, got {grade.sub_rewards[key]!r}")
    return problems
