"""G72x: the rules over training and validation files."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from graders.inspection.lint.example import check, job
from graders.inspection.lint.finding import Example, Hit, Place
from graders.inspection.lint.rule import Rule
from graders.inspection.lint.subject import Subject
from graders.inspection.lint.training import MOST_ROWS, TrainingFile

__all__ = ["RULES"]


def _place(subject: Subject, one: TrainingFile) -> Place:
    name = f"{one.use}_file"
    body = subject.loaded.body
    return (name,) if subject.form == "job" and isinstance(body, dict) and name in body else ()


def _problems(subject: Subject, kind: str) -> Iterator[Hit]:
    for one in subject.files:
        for problem in one.problems.values():
            if problem.kind == kind:
                many = f" ({problem.count:,} rows)" if problem.count > 1 else ""
                yield Hit(
                    place=_place(subject, one), file=one.path, line=problem.line,
                    message=f"{problem.message}{many}",
                )  # fmt: skip


def _too_many(subject: Subject) -> Iterator[Hit]:
    for one in subject.files:
        if one.rows > MOST_ROWS[one.use]:
            yield Hit(
                place=_place(subject, one), file=one.path, line=1,
                message=f"{one.rows:,} rows; a {one.use} file has at most {MOST_ROWS[one.use]:,}",
            )  # fmt: skip


def _empty(subject: Subject) -> Iterator[Hit]:
    for one in subject.files:
        if not one.rows:
            yield Hit(
                place=_place(subject, one), file=one.path, line=1, message="the file has no rows"
            )


def _row(*, role: str = "user", **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": "What is 1 + 1?"}], "answer": "2", **fields}


RULES: Final = (
    Rule(
        code="G721", name="training-line", severity="error", check=partial(_problems, kind="row"),
        what="A line of a training or validation file is not a JSON object.",
        why="The service refuses the file.",
        fix="Write one JSON object a line.",
        example=Example(grader=job(), training=[5]),
    ),
    Rule(
        code="G722", name="training-messages", severity="error", check=partial(_problems, kind="messages"),
        what="`messages` of a row is missing, empty, or has a message without a known role and content.",
        why="The service refuses the file.",
        fix='Write "messages": [{"role": "user", "content": "…"}].',
        example=Example(grader=job(), training=[_row(messages=[{"role": "human", "content": "Hi"}])]),
    ),
    Rule(
        code="G723", name="last-role", severity="warning", check=partial(_problems, kind="last"),
        elsewhere={"azure": "error"},
        what="The last message of a row is not the user's.",
        why="The model answers the last message; a reference answer belongs into a field of its own.",
        fix="Move the assistant's answer into a field such as reference_answer.",
        example=Example(grader=job(), training=[_row(role="assistant")]),
    ),
    Rule(
        code="G724", name="too-many-rows", severity="error", check=_too_many,
        what="More than 50,000 training rows, or more than 1,000 validation rows.",
        why="The service refuses the file.",
        fix="Take a part of the rows.",
        example=Example(grader=job(), validation=[_row()] * 1001),
    ),
    Rule(
        code="G725", name="training-tools", severity="error", check=partial(_problems, kind="tools"),
        what="`tools` of a row is not a list of tools.",
        why="The service refuses the file.",
        fix='Write "tools": [{"type": "function", "function": {"name": "…"}}].',
        example=Example(grader=job(), training=[_row(tools={"name": "search"})]),
    ),
    Rule(
        code="G726", name="empty-file", severity="error", check=_empty,
        what="A training or validation file without rows.",
        why="The service refuses it.",
        fix="Name the file that was meant.",
        example=Example(grader=job(), training=[]),
    ),
    Rule(
        code="G727", name="field-not-in-training", severity="error", check=partial(_problems, kind="missing"),
        what="A template names a field of `item` that some training rows lack. `item` is the whole row there.",
        why="Each such row fails with invalid_variable_error.",
        fix="Name the fields at the top level of the row as the grader does.",
        example=Example(grader=job(check(reference="{{ item.gold }}")), training=[_row()]),
    ),
    Rule(
        code="G728", name="validation-in-training", severity="warning", check=partial(_problems, kind="overlap"),
        what="A validation row is also a training row.",
        why="The validation reward then shows what was memorised.",
        fix="Remove it from one of the files.",
        example=Example(grader=job(), training=[_row()], validation=[_row()]),
    ),
)  # fmt: skip
