"""Excerpts: an answer's beginning, in whatever shape it is held."""

from __future__ import annotations

from typing import Any

import pytest

from graders.inspection.excerpt import LONGEST, answer_of, shown_answer
from graders.sample import Absent

CALL = {"type": "function", "function": {"name": "f", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("sample", "answer"),
    [
        (None, ""),
        (Absent("no sample"), ""),
        ("", ""),
        ("text", "text"),
        ({"output_text": "text"}, "text"),
        ({"output_text": "text", "model": "m"}, "text"),
        ({"output_text": "", "model": "m"}, ""),
        ({"choices": [{"message": {"role": "assistant", "content": "text"}}]}, "text"),
        ({"role": "assistant", "content": [{"type": "text", "text": "text"}]}, "text"),
        ([{"role": "user", "content": "?"}, {"role": "assistant", "content": "text"}], "text"),
        ({"object": "response", "output": [{"type": "message", "role": "assistant",
          "content": [{"type": "output_text", "text": "text"}]}]}, "text"),
        ({"score": 1}, '{"score":1}'),
        (17, "17"),
        ([1, 2], "[1,2]"),
    ],
)  # fmt: skip
def test_an_answer_is_its_text_in_any_shape(sample: Any, answer: str) -> None:
    assert answer_of(sample) == answer


def test_an_answer_without_text_is_its_calls() -> None:
    message = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    shown = answer_of({"choices": [{"message": message}]})
    assert shown.startswith("[{")
    assert '"name":"f"' in shown
    assert "choices" not in shown


def test_a_long_answer_is_cut() -> None:
    assert shown_answer("x" * (LONGEST + 1)) == "x" * (LONGEST - 1) + "…"
