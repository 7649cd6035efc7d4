"""Rows that the page tries a grader on: what each got, and what they show of the grader."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any

from graders.api import Grader
from graders.batch.tally import Tally
from graders.errors import quoted
from graders.grade import Failure, Grade
from graders.inspection.lint import Measured, observed
from graders.server.weight import excess, grade_fit
from graders.wire.error import ApiError

__all__ = ["Trial", "figures_of", "rows_of", "sides_of", "try_rows"]

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


@dataclass(frozen=True, slots=True)
class Column:
    """What rows got of one grader: rewards, and those of its parts; None where there is none."""

    rewards: list[float | None]
    sub_rewards: dict[str, list[float | None]]


def sides_of(request: Mapping[str, Any]) -> list[Column]:
    """Return the one or two columns of a request, all of the same rows.

    Raises:
        ApiError: they are no such columns.
    """
    sides = request.get("sides")
    if not isinstance(sides, list) or not 1 <= len(sides) <= 2:
        says = "sides is a list of one or two {rewards, sub_rewards}"
        raise ApiError(400, says, param="sides")
    found = []
    for at, one in enumerate(sides):
        where = f"sides[{at}]"
        rewards, parts = (
            (one.get("rewards"), one.get("sub_rewards")) if isinstance(one, dict) else (None, None)
        )
        if not isinstance(parts, dict):
            raise ApiError(400, "sub_rewards is an object of columns", param=where)
        for column in (rewards, *parts.values()):
            _check_column(column, where, len(rewards) if isinstance(rewards, list) else 0)
        found.append(Column(rewards or [], parts))
    if len({len(one.rewards) for one in found}) > 1:
        raise ApiError(400, "both sides have the same rows", param="sides")
    return found


def _check_column(column: Any, where: str, rows: int) -> None:
    """Refuse what is no column of finite numbers and nulls, as many as there are rows."""
    if not isinstance(column, list) or len(column) != rows:
        raise ApiError(400, "a column is a list with a number or null for each row", param=where)
    for one in column:
        if one is not None and (
            type(one) not in (int, float) or not abs(one) <= sys.float_info.max
        ):
            raise ApiError(400, f"a reward is a number or null, got {quoted(one)}", param=where)


def figures_of(sides: Sequence[Column]) -> dict[str, Any]:
    """Return the figures of rows as `graders score` and `graders diff` give them, and the bars of each side."""
    shown = []
    for one in sides:
        tally = Tally()
        failed: dict[int, tuple[Failure, ...]] = {
            row: () for row, reward in enumerate(one.rewards) if reward is None
        }
        tally.add(range(len(one.rewards)), one.rewards, one.sub_rewards, failed, {})
        shown.append({**tally.to_dict(), "bars": tally.rewards.bars()})
    body: dict[str, Any] = {"sides": shown}
    if len(sides) > 1:
        # This loads numpy, which processes that compare nothing need not have.
        from graders.inspection.diff import Side, compare, match  # noqa: PLC0415

        a, b = (Side.of_rewards(name, one.rewards) for name, one in zip("AB", sides, strict=True))
        found = compare(match(a, b)).to_dict()
        kept = ("compared", "changed", "mean_delta", "mean_delta_95", "mean_delta_p")
        body["difference"] = {name: found.get(name) for name in kept}
    return body
