"""string_check: four operations on two columns of texts."""

from __future__ import annotations

import pytest

from graders.kinds import Rows, StringCheck
from graders.kinds.string_check import StringCheckKind


def scores(operation: str, inputs: list[str], references: list[str]) -> list[float | None]:
    config = StringCheck.model_validate(
        {"type": "string_check", "name": "s", "input": "", "reference": "", "operation": operation}
    )
    rows = Rows({"input": inputs, "reference": references}, inputs, inputs)
    return StringCheckKind().ask(config, rows, 1).scores


@pytest.mark.parametrize(
    ("operation", "text", "reference", "score"),
    [
        ("eq", "a", "a", 1.0),
        ("eq", "a", "A", 0.0),
        ("eq", "a ", "a", 0.0),
        ("eq", "", "", 1.0),
        ("eq", "e\u0301", "é", 0.0),
        ("ne", "a", "b", 1.0),
        ("ne", "a", "a", 0.0),
        ("like", "the answer", "answer", 1.0),
        ("like", "answer", "the answer", 0.0),
        ("like", "Answer", "answer", 0.0),
        ("like", "anything", "", 1.0),
        ("like", "100%", "%", 1.0),
        ("like", "abc", "a%c", 0.0),
        ("like", "abc", "a_c", 0.0),
        ("ilike", "The ANSWER", "answer", 1.0),
        ("ilike", "answer", "ANSWERS", 0.0),
        ("ilike", "Straße", "STRASSE", 0.0),
        ("ilike", "ΟΔΟΣ", "οδος", 1.0),
    ],
)
def test_an_operation_holds_or_not(operation: str, text: str, reference: str, score: float) -> None:
    assert scores(operation, [text], [reference]) == [score]


def test_a_column_is_scored_row_by_row() -> None:
    assert scores("like", ["ab", "ab", ""], ["a", "c", "x"]) == [1.0, 0.0, 0.0]


def test_an_empty_column_has_no_scores() -> None:
    assert scores("eq", [], []) == []
