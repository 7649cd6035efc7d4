"""G62x: what the cells of a table that knows only text look like, and whether a grader minds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from graders.errors import shown
from graders.inspection.lint.example import python
from graders.inspection.lint.finding import Example, Hit
from graders.inspection.lint.rule import Rule
from graders.inspection.lint.subject import Subject

__all__ = ["RULES"]

_MOST_NAMED: Final = 5


def _cells(subject: Subject) -> Iterator[Hit]:
    measured = subject.measured
    if measured is None or not measured.cells:
        return
    whole = any(leaf.sees_all for leaf in subject.leaves) or subject.dialect == "jinja2"
    named = {
        path.steps[0]
        for path in subject.plan.paths
        if path.namespace == "item" and len(path.steps) == 1
    }
    for look, says in _SAYS.items():
        columns = [name for name, seen in measured.cells.items() if set(seen) == {look}]
        # A template shows a number as its digits stand; a bool it would write in small letters.
        minded = columns if whole else [one for one in columns if look == "bool" and one in named]
        if minded:
            listed = ", ".join(shown(one) for one in minded[:_MOST_NAMED])
            more = "" if len(minded) <= _MOST_NAMED else f" and {len(minded) - _MOST_NAMED} more"
            yield Hit(
                place=subject.loaded.place,
                message=f"all cells of {listed}{more} {says}",
                severity="warning" if look == "bool" else "info",
            )


_SAYS: Final = {
    "bool": "are true or false, and were read as text: the text False is true for Python",
    "number": "are numbers, and were read as text: for Python, the text 10 comes before 9",
    "JSON": "are lists or objects, and were read as text",
}


RULES: Final = (
    Rule(
        code="G620", name="cells-are-text", severity="warning", check=_cells,
        what="Cells of CSV look like true, false, numbers or JSON, and a grader gets them as text.",
        why='The text "False" is true, "10" is less than "9", and no list has its elements.',
        fix="Give --cells typed, or convert them in the grader.",
        example=Example(
            grader=python("def grade(sample, item):\n    return 1.0 if item['ok'] else 0.0\n"),
            rows=[{"item": {"ok": one}, "sample": "x"} for one in ("False", "True")] * 2, cells=True,
        ),
    ),
)  # fmt: skip
