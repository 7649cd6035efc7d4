"""Shaping keeps order, leaves None alone, and gives what its formulas say."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders.errors import OptionError
from graders.shaping import (
    Shaping,
    center,
    clip,
    dedupe,
    groups_of,
    length_penalty,
    rank,
    scale,
    text_of,
)

NUMBERS = st.floats(-1e6, 1e6, allow_nan=False).map(lambda one: round(one, 3))
ROWS = st.lists(
    st.tuples(st.one_of(st.none(), NUMBERS, st.sampled_from([0.0, 0.5, 1.0])), st.integers(0, 3)),
    max_size=40,
)
GROUPED: list[Any] = [rank, center, scale]


def columns(rows: list[tuple[float | None, int]]) -> tuple[list[float | None], list[int]]:
    return [one for one, _ in rows], [group for _, group in rows]


def by_group(rows: list[tuple[Any, int]]) -> dict[int, list[float]]:
    found: dict[int, list[float]] = {}
    for one, group in rows:
        if one is not None:
            found.setdefault(group, []).append(one)
    return found


def mean_ranks(scores: list[float]) -> list[float]:
    """scipy.stats.rankdata(method="average"), as its documentation defines it, by numpy."""
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return [float(one) for one in ((ends - counts + 1 + ends) / 2)[inverse]]


@given(ROWS)
@pytest.mark.parametrize("function", GROUPED)
def test_none_stays_none_and_nothing_else_becomes_it(function: Any, rows: Any) -> None:
    rewards, groups = columns(rows)
    shaped = function(rewards, groups)
    assert [one is None for one in shaped] == [one is None for one in rewards]
    assert all(math.isfinite(one) for one in shaped if one is not None)


@given(ROWS)
@pytest.mark.parametrize("function", GROUPED)
def test_a_row_without_a_reward_moves_nobody(function: Any, rows: Any) -> None:
    rewards, groups = columns(rows)
    scored = [(one, group) for one, group in rows if one is not None]
    alone = function(*columns(scored))
    assert [one for one in function(rewards, groups) if one is not None] == alone


@given(ROWS)
@pytest.mark.parametrize("function", GROUPED)
def test_order_in_a_group_is_kept_and_equals_stay_equal(function: Any, rows: Any) -> None:
    rewards, groups = columns(rows)
    shaped = function(rewards, groups)
    for one, first, at in zip(rewards, shaped, groups, strict=True):
        for two, second, other in zip(rewards, shaped, groups, strict=True):
            if one is None or two is None or at != other:
                continue
            if one == two:
                assert first == second
            elif one < two:
                assert first <= second
                assert function is not rank or first < second


@given(ROWS, st.randoms())
@pytest.mark.parametrize("function", GROUPED)
def test_where_in_the_batch_a_row_stands_does_not_matter(
    function: Any, rows: Any, random: Any
) -> None:
    order = list(range(len(rows)))
    random.shuffle(order)
    straight = function(*columns(rows))
    mixed = function(*columns([rows[at] for at in order]))
    for at, one in zip(order, mixed, strict=True):
        wanted = straight[at]
        assert one is wanted or one == pytest.approx(wanted, rel=1e-9, abs=1e-9)


@given(ROWS)
def test_ranks_stay_under_monotone_maps(rows: Any) -> None:
    rewards, groups = columns(rows)
    bent = [None if one is None else math.atan(one / 1e3) * 7 + 2 for one in rewards]
    assert rank(bent, groups) == rank(rewards, groups)


@given(ROWS)
def test_ranks_are_those_of_rankdata(rows: Any) -> None:
    rewards, groups = columns(rows)
    shaped = rank(rewards, groups)
    for group, scores in by_group(rows).items():
        got = [
            one for one, at in zip(shaped, groups, strict=True) if at == group and one is not None
        ]
        if len(scores) == 1:
            assert got == [0.5]
        else:
            wanted = [(one - 1) / (len(scores) - 1) for one in mean_ranks(scores)]
            assert got == pytest.approx(wanted, abs=1e-12)


@given(ROWS)
def test_scale_and_center_are_numpys(rows: Any) -> None:
    rewards, groups = columns(rows)
    centered, scaled = center(rewards, groups), scale(rewards, groups, epsilon=1e-4)
    for group, scores in by_group(rows).items():
        where = [at for at, one in enumerate(groups) if one == group and rewards[at] is not None]
        if len(set(scores)) == 1:
            assert [(centered[at], scaled[at]) for at in where] == [(0.0, 0.0)] * len(where)
            continue
        array = np.array(scores)
        away = array - array.mean()
        assert [centered[at] for at in where] == pytest.approx(list(away), rel=1e-6, abs=1e-6)
        wanted = away / (array.std(ddof=1) + 1e-4)
        assert [scaled[at] for at in where] == pytest.approx(list(wanted), rel=1e-6, abs=1e-6)


def test_scale_bears_the_largest_numbers() -> None:
    assert scale([1e300, -1e300], [0, 0]) == pytest.approx([2**-0.5, -(2**-0.5)])
    assert center([1.7e308, 1.6e308], [0, 0]) == pytest.approx([5e306, -5e306])


@given(ROWS, NUMBERS, NUMBERS)
def test_clip_keeps_to_its_bounds(rows: Any, one: float, two: float) -> None:
    rewards, _ = columns(rows)
    low, high = sorted((one, two))
    array = np.array([math.nan if one is None else one for one in rewards], dtype=float)
    wanted = [None if math.isnan(one) else float(one) for one in np.clip(array, low, high)]
    assert clip(rewards, low=low, high=high) == wanted
    assert clip(wanted, low=low, high=high) == wanted


@given(st.lists(st.integers(0, 300), min_size=1, max_size=20))
def test_the_length_penalty_is_dapos(lengths: list[int]) -> None:
    got = length_penalty([0.0] * len(lengths), lengths, limit=200, buffer=50)
    for long, one in zip(lengths, got, strict=True):
        assert one is not None
        if long <= 150:
            assert one == 0
        elif long <= 200:
            assert one == pytest.approx((150 - long) / 50)
        else:
            assert one == -1


def test_a_length_penalty_is_weighed_and_leaves_out_who_has_no_reward() -> None:
    got = length_penalty([1.0, None, 1.0], [175, 900, 900], limit=200, buffer=50, weight=0.5)
    assert got == [0.75, None, 0.5]


def test_dedupe_keeps_the_first_of_each_group() -> None:
    rewards = [1.0, 1.0, 1.0, 1.0, None, 0.5]
    groups = ["a", "a", "b", "a", "b", "b"]
    texts = ["x y", " x  y\n", "x y", "X y", "z", "z"]
    assert dedupe(rewards, groups, texts) == [1.0, None, 1.0, 1.0, None, 0.5]
    assert dedupe(rewards, groups, texts, repeated=-1)[1] == -1


def test_steps_are_done_in_order() -> None:
    steps: list[dict[str, Any]] = [
        {"type": "dedupe"},
        {"type": "rank"},
        {"type": "clip", "high": 0.8},
    ]
    shaped = Shaping(steps)([3.0, 1.0, 1.0, 9.0, None], [0, 0, 0, 0, 0], ["a", "b", "b", "c", "d"])
    assert shaped == [0.5, 0.0, None, 0.8, None]


def test_lengths_come_in_the_unit_that_was_said() -> None:
    for unit, wanted in (("words", 0.0), ("characters", -1.0), ("tokens", -0.5)):
        step = {"type": "length_penalty", "unit": unit, "limit": 4, "buffer": 2}
        assert Shaping([step])([0.0], None, ["ab cdef"], [3]) == [wanted]


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        ("rank", 'shaping is a list of steps, got "rank"'),
        (["rank"], 'shaping[0] is an object such as {"type": "rank"}, got "rank"'),
        ([{"type": "rnk"}], 'shaping[0]: there is no shaping "rnk"; did you mean rank?'),
        ([{}], "shaping[0]: there is no shaping null; there are rank, center"),
        ([{"type": "rank"}, {"type": "clip", "hihg": 1}], 'shaping[1]: clip has no option "hihg"; did you mean high?'),
        ([{"type": "rank", "by": 1}], 'shaping[0]: rank has no option "by"; it takes none'),
        ([{"type": "clip"}], "shaping[0]: clip has neither low nor high"),
        ([{"type": "clip", "low": 2, "high": 1}], "shaping[0]: low (2) is above high (1)"),
        ([{"type": "clip", "low": "a"}], 'shaping[0]: low is a number, got "a"'),
        ([{"type": "scale", "epsilon": -1}], "shaping[0]: epsilon is a number of at least 0, got -1"),
        ([{"type": "length_penalty", "limit": 5, "buffer": 1}], "shaping[0]: unit is tokens, words, characters, got null"),
        ([{"type": "length_penalty", "unit": "words", "limit": 5}], "shaping[0]: length_penalty needs buffer"),
        ([{"type": "length_penalty", "unit": "words", "limit": 5, "buffer": 6}], "shaping[0]: buffer is more than 0 and at most limit, got 6"),
        ([{"type": "dedupe", "repeated": "no"}], 'shaping[0]: repeated is a number or null, got "no"'),
    ],
)  # fmt: skip
def test_a_wrong_step_is_said_when_it_is_declared(steps: Any, says: str) -> None:
    with pytest.raises(OptionError) as error:
        Shaping(steps)
    assert str(error.value).startswith(says)
    assert "\n" not in str(error.value)


def test_what_a_step_needs_and_is_not_given_is_said() -> None:
    with pytest.raises(OptionError, match="rank needs groups: pass groups="):
        Shaping([{"type": "rank"}])([1.0])
    step = {"type": "length_penalty", "unit": "tokens", "limit": 4, "buffer": 2}
    with pytest.raises(OptionError, match="length_penalty needs tokens: pass tokens="):
        Shaping([step])([1.0])
    with pytest.raises(OptionError, match="groups has 1 values for 2 rewards"):
        Shaping([{"type": "rank"}])([1.0, 2.0], [0])


def test_neighbours_of_an_equal_prompt_are_a_group() -> None:
    chat = [{"role": "user", "content": "hi"}]
    assert groups_of(["a", "a", "b", chat, list(chat), "a"]) == [0, 0, 2, 3, 3, 5]
    assert groups_of(["a", "a", "a", "a"], 2) == [0, 0, 1, 1]
    assert groups_of([]) == []
    with pytest.raises(OptionError, match="3 rows are no whole groups of 2"):
        groups_of(["a", "a", "b"], 2)
    with pytest.raises(OptionError, match="row 1 has another prompt than its group of 2"):
        groups_of(["a", "b"], 2)
    for wrong in (0, True, 2.0):
        with pytest.raises(OptionError, match="num_generations is a whole number"):
            groups_of([], wrong)  # type: ignore[arg-type]


def test_texts_are_read_in_every_shape() -> None:
    chat = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    shapes: list[Any] = ["a", None, {"output_text": "a"}, chat, 7, {"odd": 1}]
    assert [text_of(one) for one in shapes] == ["a", "", "a", "a", "", ""]


def test_a_group_may_be_a_prompt_of_messages() -> None:
    one, other = ([{"role": "user", "content": text}] for text in "ab")
    assert Shaping([{"type": "rank"}])([0.5, 0.0, 1.0], [one, other, [*one]]) == [0.0, 0.5, 1.0]
