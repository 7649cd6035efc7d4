"""Result lines are looked at in columns, and what is seen there is what each line is by itself."""

from __future__ import annotations

import copy
import json
from io import BytesIO
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from graders.batch.result import (
    _are_results,
    _is_result,
    read_results,
    sub_rewards_of,
    tally_results,
)
from graders.batch.tally import Tally

FAILURE = {"code": "x_error", "message": "m", "where": "a"}
WHOLE: dict[str, Any] = {
    "index": 3, "id": "q", "reward": 0.5, "sub_rewards": {"a": 0.5, "b": None}, "failures": [],
    "by": "t", "replaced": [FAILURE], "usage": {"m": {"prompt_tokens": 3, "total_tokens": 4}},
    "repeats": {"a": [0.5, None]}, "panel": {"a": {"scores": {"m": 1.0}, "disagreement": None}},
}  # fmt: skip
ODD: tuple[Any, ...] = (None, True, 7, -1, 2**60, 2**1024, 0.5, "x", [], {}, [FAILURE], [{"code": 1}], {"a": {}},
       {"a": "x"}, {"a": []}, {"a": ["x"]}, {"m": {"scores": []}}, {"m": {"wrong": 1}}, {"m": {"total_tokens": -1}})  # fmt: skip


@st.composite
def lines(draw: st.DrawFn) -> Any:
    """What a line may hold: a result, one with a part that is odd or missing, or something else."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.sampled_from(ODD))
    body = copy.deepcopy(WHOLE)
    for name in draw(st.lists(st.sampled_from([*WHOLE, "more"]), max_size=2)):
        if draw(st.booleans()):
            body.pop(name, None)
        else:
            body[name] = draw(st.sampled_from(ODD))
    return body


@given(st.lists(lines(), max_size=4))
def test_columns_find_a_line_odd_where_it_is_by_itself(bodies: list[Any]) -> None:
    alone = [_is_result(body) for body in bodies]
    assert not _are_results(bodies) or all(alone)
    if all(body == WHOLE for body in bodies):
        assert _are_results(bodies)
    text = b"".join(json.dumps(body).encode() + b"\n" for body in bodies)
    read = [one for block in read_results(BytesIO(text)) for one in block]
    before = alone.index(False) if False in alone else len(alone)
    assert [one.body for one in read] == bodies[:before]
    assert b"".join(one.line for one in read) == b"".join(text.splitlines(keepends=True)[:before])


def test_results_add_to_a_tally_as_they_merge_into_one() -> None:
    texts = [
        json.dumps({**WHOLE, "index": at, "reward": at / 7}).encode() + b"\n" for at in range(40)
    ]
    failed = {**WHOLE, "index": 40, "reward": None, "failures": [FAILURE]}
    texts.append(json.dumps(failed).encode() + b"\n")
    merged, added = Tally(), Tally()
    for start in range(0, len(texts), 9):
        (block,) = read_results(BytesIO(b"".join(texts[start : start + 9])))
        merged.merge(tally_results(block, {"a": 0.5}))
        assert tally_results(block, {"a": 0.5}, None, added) is added
    assert added.to_dict() == merged.to_dict()
    assert added.usage["m"].total_tokens == 4 * 41


def test_columns_that_are_named_are_there_without_a_row() -> None:
    assert sub_rewards_of([], ("a", "b")) == {"a": [], "b": []}
    assert sub_rewards_of([]) == {}
