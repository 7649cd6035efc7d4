"""How much work the texts of one request would be, known before any of it is done.

Templates can repeat a text a million times, and some metrics take the product of two lengths. On
one's own machine that is one's own business; a server has others to serve.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from threading import Event
from typing import Any, Final

from graders.api import Grader
from graders.grade import Failure, Grade
from graders.plan import Plan
from graders.sample import prepared
from graders.template import (
    JinjaTemplate,
    MissingVariableError,
    Path,
    SampleParseError,
    resolve,
    to_text,
)

__all__ = ["MOST_PAIRS", "MOST_TEXT", "excess", "grade_fit"]

MOST_TEXT: Final = 16 << 20
"""Characters that all templates of a request may give."""
MOST_PAIRS: Final = 40_000_000_000
"""Pairs of characters that all metrics of a request may compare."""


def excess(plan: Plan, item: Any, sample: Any) -> str | None:
    """Return what is too much about a row, in one sentence; None where nothing is."""
    seen = prepared(sample, plan.wanted)
    lengths: dict[Path, int] = {}
    sizes = []
    for template in plan.templates:
        if isinstance(template, JinjaTemplate):
            return "jinja2 templates are not served"
        sizes.append(_size(template.parts, lengths, item, seen))
    if (total := sum(sizes)) > MOST_TEXT:
        return (
            f"the templates give {total:,} characters of text for this row; "
            f"a request may give {MOST_TEXT:,}"
        )
    pairs = sum(
        sizes[leaf.fields["input"]] * sizes[leaf.fields["reference"]]
        for leaf in plan.leaves
        if leaf.performer in {"metrics", "embed"} and leaf.compares
    )
    if pairs > MOST_PAIRS:
        return (
            f"the text metrics would compare {pairs:,} pairs of characters; a request may compare "
            f"{MOST_PAIRS:,}: use graders run for texts of this length"
        )
    return None


def grade_fit(
    grader: Grader, rows: Sequence[Mapping[str, Any]], unfit: Mapping[int, Failure], stop: Event
) -> list[Grade]:
    """Return the grade of each row, in order.

    Args:
        grader: the grader.
        rows: objects with `item` and `sample`.
        unfit: why rows are not graded, by their index; they have failed so.
        stop: set from another thread once nobody waits.
    """
    fit = [row for at, row in enumerate(rows) if at not in unfit]
    graded = grader.grade_many(fit, chunk=max(len(fit), 1), stop=stop)
    parts = {leaf.key: None for leaf in grader.plan.leaves if leaf.key}
    return [
        Grade(
            reward=None,
            sub_rewards=parts,
            failures=(unfit[at],),
            name=grader.name,
            type=grader.type,
        )
        if at in unfit
        else next(graded)
        for at in range(len(rows))
    ]


def _size(parts: Iterable[str | Path], lengths: dict[Path, int], item: Any, sample: Any) -> int:
    total = 0
    for part in parts:
        if isinstance(part, str):
            total += len(part)
            continue
        if part not in lengths:
            try:
                lengths[part] = len(to_text(resolve(part, item, sample)))
            except (MissingVariableError, SampleParseError, TypeError, ValueError):
                lengths[part] = 0  # The row fails by name when it is graded.
        total += lengths[part]
    return total
