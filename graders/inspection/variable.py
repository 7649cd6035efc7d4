"""Whether every variable that a grader's templates name is there in the rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from graders.plan import Plan
from graders.rows import Chunk
from graders.sample import Absent, prepare
from graders.shape import name_of_shape
from graders.template import JinjaTemplate, MissingVariableError, Path, SampleParseError, resolve

__all__ = ["Presence", "VariableReport", "check_variables"]

FIRST_ROWS = 5


@dataclass(slots=True)
class Presence:
    """How often one variable is missing.

    Attributes:
        path: the variable; the whole template where a jinja2 template hides which it is.
        missing: rows in which it is not there.
        first: the first of them, as (row index, why).
    """

    path: Path | JinjaTemplate
    missing: int = 0
    first: list[tuple[int, str]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The variable as a template writes it."""
        return self.path.text if isinstance(self.path, JinjaTemplate) else str(self.path)


@dataclass(slots=True)
class VariableReport:
    """What the rows hold of a grader's variables.

    Attributes:
        rows: rows read, without the unreadable ones.
        variables: each variable of the grader's templates.
        unreadable: the first lines that are not rows, as (row index, why).
        unreadable_count: how many there are.
        shapes: how many samples were read as what, such as `chat completion`.
    """

    variables: list[Presence]
    rows: int = 0
    unreadable: list[tuple[int, str]] = field(default_factory=list)
    unreadable_count: int = 0
    shapes: Counter[str] = field(default_factory=Counter)

    @property
    def complete(self) -> bool:
        """Whether every row can be read and holds every variable."""
        return not self.unreadable_count and not any(one.missing for one in self.variables)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON."""
        return {
            "rows": self.rows,
            "unreadable": self.unreadable_count,
            "sample_shapes": dict(self.shapes),
            "variables": [
                {
                    "variable": one.name,
                    "missing": one.missing,
                    "first": [{"index": index, "message": text} for index, text in one.first],
                }
                for one in self.variables
            ],
        }


def check_variables(plan: Plan, chunks: Iterable[Chunk]) -> VariableReport:
    """Return how often each template variable of a plan is missing from the rows."""
    jinja = [template for template in plan.templates if isinstance(template, JinjaTemplate)]
    report = VariableReport([Presence(path) for path in jinja or plan.paths])
    for chunk in chunks:
        for row, (item, raw) in enumerate(zip(chunk.items, chunk.samples, strict=True)):
            index = chunk.indexes[row]
            if failure := chunk.failures.get(row):
                report.unreadable_count += 1
                _note(report.unreadable, index, failure.message)
                continue
            report.rows += 1
            report.shapes[name_of_shape(None if isinstance(raw, Absent) else raw)] += 1
            try:
                sample = prepare(raw, plan.wanted)
            except ValueError as error:
                report.unreadable_count += 1
                _note(report.unreadable, index, str(error))
                continue
            for presence in report.variables:
                _look(presence, index, item, sample, plan)
    return report


def _look(presence: Presence, index: int, item: Any, sample: Any, plan: Plan) -> None:
    try:
        if isinstance(presence.path, JinjaTemplate):
            presence.path.render(item, sample)
        else:
            resolve(presence.path, item, sample, tool_arguments=plan.reading.tool_arguments)
    except (MissingVariableError, SampleParseError) as error:
        presence.missing += 1
        _note(presence.first, index, str(error))


def _note(first: list[tuple[int, str]], index: int, message: str) -> None:
    if len(first) < FIRST_ROWS:
        first.append((index, message))
