"""Where in a grader's text a failure comes from: what an editor underlines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from graders.config import Loaded
from graders.config.document import spots
from graders.grade import Failure, Grade
from graders.inspection.lint.finding import Place
from graders.inspection.lint.subject import Subject
from graders.plan import Leaf, Plan

__all__ = ["failure_marks", "marked"]

Mark = dict[str, int | None]
"""`line`, `column` and `end`, the column after the last one; 1-based, in characters."""


def marked(grade: Grade, loaded: Loaded, plan: Plan) -> dict[str, Any]:
    """Return a grade as JSON whose failures also say where in the grader's text they come from."""
    shown = grade.to_dict()
    for name, failures in (("failures", grade.failures), ("replaced", grade.replaced)):
        if failures:
            marks = failure_marks(loaded, plan, failures)
            shown[name] = [
                {**failure.to_dict(), **mark} for failure, mark in zip(failures, marks, strict=True)
            ]
    return shown


def failure_marks(loaded: Loaded, plan: Plan, failures: Iterable[Failure]) -> list[Mark]:
    """Return for each failure where in the grader's text it comes from; {} where that is unknown.

    A value that is missing is the template that asks for it, an exception is its line of the
    source, a formula without a value is the formula; else it is the sub-grader.
    """
    if loaded.text is None:
        return [{} for _ in failures]
    places = [_place(Subject(loaded=loaded, plan=plan), failure) for failure in failures]
    wanted = [(place, at) for place, *offsets in places if place for at in offsets]
    known = spots(loaded.text, wanted)
    marks: list[Mark] = []
    for place, start, end in places:
        line, column = known.get((place, start), (None, None)) if place else (None, None)
        if line is None:
            marks.append({})
            continue
        last = known.get((place, end)) if end is not None else None
        # What ends on another line, or nowhere that can be told, ends as the reader of it decides.
        ends = last is not None and last[0] == line and column is not None and last[1] > column
        marks.append({"line": line, "column": column, "end": last[1] if ends and last else None})
    return marks


def _place(subject: Subject, failure: Failure) -> tuple[Place, int | None, int | None]:
    """Return a failure's place in the document, and from where to where in its text."""
    leaf = next((one for one in subject.leaves if one.key == failure.where), None)
    if failure.code.startswith("formula_"):
        formula = subject.plan.formula
        place = (*subject.loaded.place, "calculate_output")
        return (place, 0, len(formula.text)) if formula else ((), None, None)
    if leaf is None:
        return (), None, None
    return next(_within(subject, leaf, failure), (subject.place(leaf), None, None))


def _within(
    subject: Subject, leaf: Leaf, failure: Failure
) -> Iterator[tuple[Place, int | None, int | None]]:
    if (code := leaf.code) is not None:
        lines = code.source.split("\n")
        if failure.line is not None and 1 <= failure.line <= len(lines):
            start = sum(len(one) + 1 for one in lines[: failure.line - 1])
            text = lines[failure.line - 1]
            indent = len(text) - len(text.lstrip())
            yield subject.place(leaf, "source"), start + indent, start + len(text.rstrip())
        yield subject.place(leaf, "source"), None, None
    if failure.path:
        asked = re.compile(r"\{\{\s*" + re.escape(failure.path) + r"\s*\}\}")
        for one in subject.fields(leaf):
            if found_at := asked.search(one.text):
                yield subject.place(leaf, *one.place), found_at.start(), found_at.end()
