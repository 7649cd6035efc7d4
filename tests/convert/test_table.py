"""The formats together: which a document is, and what is said where none is meant."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders.convert import READS, WRITES, convert, format_of
from graders.errors import ConfigError, GradersError, OptionError
from tests.convert.test_gemini import WHOLE
from tests.convert.test_promptfoo import CONFIG
from tests.convert.test_script import CHECK


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (CHECK, "graders"), ({"grader": CHECK}, "graders"), ({"testing_criteria": [CHECK]}, "graders"),
        ([CHECK], "graders"), (WHOLE, "gemini"), (CONFIG, "promptfoo"),
        ([{"type": "equals", "value": "x"}], "promptfoo"),
    ],
)  # fmt: skip
def test_a_format_is_told_by_its_document(value: Any, found: str) -> None:
    assert format_of(value) == found


@pytest.mark.parametrize("value", [{}, [], None, {"reward": 1}, 3, "text"])
def test_what_cannot_be_told_is_asked_for(value: Any) -> None:
    with pytest.raises(OptionError, match="say --from, one of graders"):
        format_of(value)


@pytest.mark.parametrize("to", WRITES)
def test_every_format_is_written_from_every_one_that_is_read(to: str) -> None:
    for value in (CHECK, WHOLE, CONFIG):
        made = convert(value, to)
        assert made.document or made.files


@pytest.mark.parametrize(
    ("read_as", "to", "says"),
    [
        ("bedrock", "graders", "bedrock is code, which cannot be read"),
        ("geminy", "graders", "did you mean gemini"), ("graders", "promtfoo", "did you mean promptfoo"),
    ],
)  # fmt: skip
def test_a_wrong_format_is_said_with_the_nearest(read_as: str, to: str, says: str) -> None:
    with pytest.raises(OptionError, match=says):
        convert(CHECK, to, read_as=read_as)


def test_criteria_have_no_reward_for_gemini_to_pay() -> None:
    both = {"testing_criteria": [CHECK, {**CHECK, "name": "other"}]}
    with pytest.raises(ConfigError, match="criteria of an eval have a verdict"):
        convert(both, "gemini")
    assert convert(both, "trl").files


def test_a_job_gives_its_grader_and_says_what_is_left() -> None:
    job = {"model": "m", "method": {"type": "reinforcement", "reinforcement": {"grader": CHECK}}}
    made = convert(job, "graders")
    assert made.document == CHECK
    assert made.notes == ["$: model: of what the grader stands in; not written"]


def test_what_no_json_can_hold_is_a_sentence() -> None:
    deep: Any = "x"
    for _ in range(5000):
        deep = {"singleRewardConfig": deep}
    odd: list[Any] = [deep, {1: 2, "assert": []}]
    for value in odd:
        with pytest.raises(ConfigError):
            convert(value, "graders", read_as="gemini")


ANY = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["type", "grader", "assert", "singleRewardConfig", "prompts", "x"]), inner, max_size=3
    ),
    max_leaves=10,
)  # fmt: skip


@given(ANY, st.sampled_from([*READS, None]), st.sampled_from(list(WRITES)))
def test_whatever_comes_ends_in_a_result_or_one_sentence(
    value: Any, read_as: str | None, to: str
) -> None:
    if isinstance(value, str):
        return
    try:
        made = convert(value, to, read_as=read_as)
    except GradersError:
        return
    assert made.document or made.files
