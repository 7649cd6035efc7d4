"""Comparing two graders, or two files of results, row by row."""

from __future__ import annotations

from graders.inspection.diff.compare import Matched, compare, match
from graders.inspection.diff.grading import KeptRows, formulas_of, grade_both, pass_mark
from graders.inspection.diff.result import (
    DiffReport,
    Flip,
    GroupDelta,
    Moved,
    RowDelta,
    SideFigures,
)
from graders.inspection.diff.side import Identities, Side, is_results, read_side

__all__ = [
    "DiffReport", "Flip", "GroupDelta", "Identities", "KeptRows", "Matched", "Moved", "RowDelta", "Side", "SideFigures",
    "compare", "formulas_of", "grade_both", "is_results", "match", "pass_mark", "read_side",
]  # fmt: skip
