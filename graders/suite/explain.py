"""An outcome in words: what was expected, how the reward came about. Plain text, for any face."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from graders import jsontext
from graders.api import Explanation
from graders.errors import quoted
from graders.formula import Formula
from graders.grade import Grade
from graders.plan import Plan
from graders.suite.model import SuiteRow
from graders.suite.outcome import Outcome, Shown

__all__ = ["explain_outcome", "explain_row"]

_TEXT = 300


def explain_outcome(outcome: Outcome) -> str:
    """Return why a test did not pass: the problems, then each row that shows them."""
    lines = [_clean(" ".join(problem.split("\n"))) for problem in outcome.problems]
    several = len(outcome.shown) > 1
    for shown in outcome.shown:
        lines.append("")
        if several:
            reward = shown.explained.grade.reward
            got = "the row fails" if reward is None else f"reward {reward!r}"
            lines.append(f"{_clean(shown.row.label)}: {got}")
        lines += explain_row(outcome.plan, shown)
    return "\n".join(lines)


def explain_row(plan: Plan | None, shown: Shown) -> Iterator[str]:
    """Yield the lines that say how one row's reward came about.

    Args:
        plan: of the grader; None where it is not at hand, and types and formula are left out.
        shown: the row.
    """
    grade = shown.explained.grade
    if plan is not None and plan.formula is not None:
        yield from _formula(plan.formula, grade)
    if grade.sub_rewards:
        yield from _sub_rewards(plan, shown)
    for failure in (*grade.failures, *grade.replaced):
        yield f"{_clean(str(failure))}"
        if failure.details and failure.details != failure.message:
            yield from _indented(failure.details.rstrip())
    yield from _rendered(shown.explained, () if plan is None else tuple(_inputs(plan, shown.row)))


def _formula(formula: Formula, grade: Grade) -> Iterator[str]:
    values = {key: value for key, value in grade.sub_rewards.items() if value is not None}
    yield f"  {_short(formula.text)}"
    if all(name in values for name in formula.names):
        yield f"= {_short(formula.with_numbers(values))}"
    if grade.reward is not None:
        yield f"= {grade.reward!r}"


def _sub_rewards(plan: Plan | None, shown: Shown) -> Iterator[str]:
    leaves = {} if plan is None else {leaf.key: leaf for leaf in plan.leaves}
    columns: dict[str, Callable[[str], str]] = {"sub-grader": str}
    if leaves:
        columns["type"] = lambda key: leaves[key].config.type
    columns["reward"] = lambda key: _number(shown.explained.grade.sub_rewards[key])
    if shown.expected:
        columns["expected"] = lambda key: shown.expected.get(key, "")
    if plan is not None and plan.kind == "criteria":
        columns["passes at"] = lambda key: _number(leaves[key].passes_at)
    rows = [[cell(key) for cell in columns.values()] for key in shown.explained.grade.sub_rewards]
    yield from _table([list(columns), *rows])


def _inputs(plan: Plan, row: SuiteRow) -> Iterator[list[str]]:
    """Yield what python graders see, which no template shows."""
    if any(leaf.sees_all for leaf in plan.leaves):
        for name, value in (("item", row.item), ("sample", row.sample)):
            text = value if isinstance(value, str) else jsontext.encode(value).decode()
            yield [name, _short(text)]


def _rendered(explained: Explanation, inputs: Sequence[list[str]]) -> Iterator[str]:
    fields = [*inputs] + [
        [f"{key}.{name}" if key else name, _short(text)]
        for key, texts in explained.rendered.items()
        for name, text in texts.items()
    ]
    if fields:
        yield from _table([["rendered input", "text"], *fields])
    yield from _spoken("printed", explained.printed)
    yield from _spoken(
        "said", {key: "\n".join(texts) for key, texts in explained.said.items() if texts}
    )


def _spoken(verb: str, texts: Mapping[str, str]) -> Iterator[str]:
    for key, text in texts.items():
        by = f" by {key}" if key else ""
        yield f"{verb}{by}: {_short(text.rstrip(), 600)}"


def _table(rows: Iterable[Iterable[str]]) -> Iterator[str]:
    cells = [[_clean(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _indented(text: str, most: int = 12) -> Iterator[str]:
    lines = text.splitlines()
    for line in lines[:most]:
        yield f"    {_clean(line[:_TEXT])}"
    if len(lines) > most:
        yield f"    … {len(lines) - most} more lines"


def _number(value: float | None) -> str:
    return "failed" if value is None else repr(value)


def _short(text: str, limit: int = _TEXT) -> str:
    """Return a text on one line, its ends and line breaks to be seen where they matter."""
    more = len(text) - limit
    shown = text[:limit]
    if not shown or shown != shown.strip() or "\n" in shown:
        shown = quoted(shown, 2 * limit)
    return _clean(shown) + (f" … {more:,} more characters" if more > 0 else "")


def _clean(text: str) -> str:
    return "".join(c if c.isprintable() else "�" for c in text)
