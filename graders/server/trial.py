"""Rows that the page tries a grader on: what each got, and what they show of the grader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Event
from typing import Any

from graders.api import Grader
from graders.errors import quoted
from graders.grade import Failure, Grade
from graders.inspection.lint import Measured, observed
from graders.server.weight import excess, grade_fit
from graders.wire.error import ApiError

__all__ = ["Trial", "rows_of", "try_rows"]

_MOST_MESSAGE = 600
"""Characters of a failure's message that a line of the page has room for."""


class Trial:
    """What rows got of one grader, in their order.

    Attributes:
        grades: a grade each.
        measured: what the rows show of the grader; None where one of them was too much to grade,
            for then not all of them were looked at.
    """

    def __init__(self, grades: Sequence[Grade], measured: Measured | None) -> None:
        self.grades = grades
        self.measured = measured

    def to_list(self) -> list[dict[str, Any]]:
        """Return for each row its reward, those of its parts and why there is none."""
        return [
            {
                "reward": one.reward,
                "sub_rewards": one.sub_rewards,
                "failures": [
                    {"code": why.code, "where": why.where, "message": why.message[:_MOST_MESSAGE]}
                    for why in (*one.failures, *one.replaced)
                ],
            }
            for one in self.grades
        ]


def rows_of(request: Mapping[str, Any], most: int) -> list[dict[str, Any]]:
    """Return the rows of a request, `{"item": ..., "sample": ...}` each.

    Raises:
        ApiError: they are no such list, or more than a request may have.
    """
    rows = request.get("rows")
    if not isinstance(rows, list) or not rows:
        raise ApiError(400, f"rows is a list of rows, got {quoted(rows)}", param="rows")
    if len(rows) > most:
        says = f"the request has {len(rows):,} rows, and may have {most:,}; send it in parts"
        raise ApiError(413, says, code="request_too_large", param="rows")
    for at, row in enumerate(rows):
        if not isinstance(row, dict) or not row.keys() <= {"item", "sample"}:
            says = f'a row is {{"item": ..., "sample": ...}}, got {quoted(row)}'
            raise ApiError(400, says, param=f"rows[{at}]")
    return rows


def try_rows(grader: Grader, rows: Sequence[dict[str, Any]], named: str, stop: Event) -> Trial:
    """Grade rows, and look at what they show.

    Args:
        grader: the grader.
        rows: the rows, as `rows_of` returns them.
        named: what the rows are called in findings.
        stop: set from another thread once nobody waits.
    """
    heavy: dict[int, Failure] = {}
    for at, row in enumerate(rows):
        if too_much := excess(grader.plan, row.get("item"), row.get("sample")):
            heavy[at] = Failure("other_error", too_much)
    graded = grade_fit(grader, rows, heavy, stop)
    return Trial(graded, None if heavy else observed(grader, rows, graded, named))
