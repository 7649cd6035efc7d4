"""Comparing: what moved, which verdicts differ, what failed, and what to read first."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import graders
from graders.errors import RowsError
from graders.grade import Failure, Grade
from graders.inspection.diff import (
    DiffReport,
    Identities,
    KeptRows,
    Side,
    compare,
    formulas_of,
    grade_both,
    is_results,
    match,
    pass_mark,
    read_side,
)
from graders.rows import Block, Layout, decode_block

FAILED = (Failure("invalid_variable_error", "no x"),)


def side(*rewards: float | None, name: str = "a", **subs: Sequence[float | None]) -> Side:
    made = Side(name)
    for at, reward in enumerate(rewards):
        scores = {key: column[at] for key, column in subs.items()}
        grade = Grade(reward=reward, sub_rewards=scores, failures=FAILED if reward is None else ())
        made.add(at, None, grade)
    return made


def difference(a: Side, b: Side) -> DiffReport:
    return compare(match(a, b))


def test_deltas_are_second_less_first_over_rows_that_both_score() -> None:
    report = difference(side(0.0, 0.5, 1.0, None), side(0.25, 0.5, 0.5, 1.0, name="b"))
    assert (report.compared, report.changed, report.raised) == (3, 2, 1)
    assert report.mean_delta == pytest.approx(-0.25 / 3)
    assert report.mean_delta is not None
    assert report.largest == -0.5
    assert report.interval is not None
    assert report.interval.low <= report.mean_delta <= report.interval.high
    assert sum(count for _, _, count in report.histogram) == 3


@pytest.mark.parametrize("count", [3, 12, 40])
def test_the_mean_delta_and_its_chance_are_scipys(count: int) -> None:
    source = np.random.default_rng(count)
    one, other = source.random(count), source.random(count) + 0.1
    report = difference(side(*one.tolist()), side(*other.tolist(), name="b"))
    wanted = stats.ttest_rel(other, one)
    ends = wanted.confidence_interval()
    assert report.interval is not None
    assert report.chance is not None
    assert (report.interval.low, report.interval.high) == pytest.approx((ends.low, ends.high))
    if count > 16:
        assert report.chance[1] == "paired t"
        assert report.chance[0] == pytest.approx(wanted.pvalue)
    else:
        exact = stats.permutation_test(
            (other, one), lambda a, b, axis: np.mean(a - b, axis=axis),
            permutation_type="samples", n_resamples=10**5,
        )  # fmt: skip
        assert report.chance[1] == "exact permutation"
        assert report.chance[0] == pytest.approx(exact.pvalue)
    ups, downs = int((other > one).sum()), int((other < one).sum())
    assert report.raised_p == pytest.approx(stats.binomtest(ups, ups + downs).pvalue)
    flips = report.flips
    wanted_flip = stats.binomtest(flips["up"], flips["up"] + flips["down"]).pvalue
    assert report.flip_p == pytest.approx(wanted_flip)


def test_where_no_reward_differs_there_is_nothing_to_test() -> None:
    report = difference(side(1.0, 0.0, 1.0), side(1.0, 0.0, 1.0, name="b"))
    assert (report.chance, report.raised_p, report.flip_p) == (None, None, None)
    assert report.interval is None


def test_verdicts_differ_by_each_sides_own_threshold() -> None:
    a, b = side(0.4, 0.6, 0.9, None, 1.0), side(0.6, 0.4, 0.9, 1.0, None, name="b")
    report = difference(a, b)
    assert report.flips == {"up": 1, "down": 1, "lost": 1, "gained": 1}
    b.threshold = 0.95
    assert difference(a, b).flips == {"up": 0, "down": 2, "lost": 1, "gained": 1}


def test_the_drop_counts_lost_rewards_as_nothing() -> None:
    report = difference(side(1.0, 1.0), side(1.0, None, name="b"))
    assert report.mean_delta == 0.0
    assert report.drop == 0.5


def test_which_sub_grader_moved_and_which_came_or_went() -> None:
    a = side(0.5, 0.5, x=[1.0, 0.0], y=[0.5, 0.5], old=[1.0, 1.0])
    b = side(0.5, 0.5, name="b", x=[0.0, 1.0], y=[0.5, None], new=[1.0, 1.0])
    report = difference(a, b)
    assert [one.key for one in report.moved] == ["x", "y"]
    moved = report.moved[0]
    assert (moved.mean_delta, moved.mean_distance, moved.changed) == (0.0, 1.0, 2)
    assert (report.moved[1].rows, report.moved[1].failed_b) == (1, 1)
    assert (report.added, report.removed) == (("new",), ("old",))


def test_failures_that_appeared_and_went_away() -> None:
    report = difference(side(None, 1.0, None), side(1.0, None, None, name="b"))
    assert report.appeared == report.gone == {"invalid_variable_error": 1}


def test_changed_verdicts_are_read_before_larger_deltas() -> None:
    a, b = side(0.0, 0.45, 0.6, 1.0, 0.1), side(0.4, 0.55, 0.6, None, 0.1, name="b")
    report = difference(a, b)
    assert [(row.index, row.flip) for row in report.read_first] == [
        (3, "lost"),
        (1, "up"),
        (0, None),
    ]


def test_equal_sides_differ_in_nothing() -> None:
    report = difference(side(0.1, 0.9, 0.5), side(0.1, 0.9, 0.5, name="b"))
    assert (report.changed, report.flipped, report.read_first) == (0, 0, ())
    assert (report.spearman, report.kendall) == (1.0, 1.0)
    assert report.histogram == ()


@pytest.mark.parametrize("rewards", [[], [None], [0.5], [None, None]])
def test_little_or_nothing_can_be_compared(rewards: list[float | None]) -> None:
    report = difference(side(*rewards), side(*rewards, name="b"))
    body = report.to_dict()
    assert json.loads(json.dumps(body)) == body
    assert (report.spearman, report.interval) == (None, None)


def test_rewards_at_the_ends_of_floats_give_finite_figures() -> None:
    report = difference(side(1.7e308, 0.0), side(-1.7e308, 1e-320, name="b"))
    assert report.largest == -2e300
    json.dumps(report.to_dict(), allow_nan=False)


def test_rows_are_matched_by_index_whatever_their_order() -> None:
    a, b = Side("a"), Side("b")
    for index, reward in ((0, 0.1), (1, 0.2), (2, 0.3)):
        a.add(index, f"r{index}", Grade(reward=reward))
    for index, reward in ((3, 0.9), (2, 0.4), (1, 0.2)):
        b.add(index, f"r{index}", Grade(reward=reward))
    report = difference(a, b)
    assert (report.compared, report.only_a, report.only_b, report.changed) == (2, 1, 1, 1)
    assert report.read_first[0].identity == "r2"


def test_another_id_at_the_same_index_is_an_error() -> None:
    a, b = Side("a"), Side("b")
    a.add(0, "one", Grade(reward=1.0))
    b.add(0, "two", Grade(reward=1.0))
    with pytest.raises(RowsError, match='row 0 is "one" in a and "two" in b'):
        match(a, b)
    b.ids = Identities([None])
    assert difference(a, b).compared == 1


def test_ids_of_any_kind_come_back_as_they_were_from_a_few_bytes_a_row() -> None:
    given = ["a", None, "é\n", 7, 1.5, {"x": [None, True]}, "", [1]]
    ids = Identities(given)
    assert ids == given
    assert ids[-1] == [1]
    assert ids[2:4] == ["é\n", 7]
    with pytest.raises(IndexError):
        ids[8]
    a, b = Side("a"), Side("b")
    a.add(0, 1, Grade(reward=1.0))
    b.add(0, 1.0, Grade(reward=1.0))
    assert match(a, b).a.ids == [1]


def test_a_row_of_a_side_takes_few_bytes_however_many_there_are() -> None:
    held = []
    for count in (2_000, 4_000):
        tracemalloc.start()
        side = Side("a")
        for at in range(count):
            side.add(at, f"row {at:09}", Grade(reward=at / count, sub_rewards={"one": 0.5}))
        held.append(tracemalloc.get_traced_memory()[0] / count)
        tracemalloc.stop()
        assert side.ids.held <= 24 * count
    # Index, reward and one sub-reward are eight bytes each, an id is its text and eight; lists are grown ahead.
    assert max(held) < 1.25 * (3 * 8 + 24)


def test_no_row_in_common_is_an_error() -> None:
    a, b = Side("a"), Side("b")
    a.add(0, None, Grade(reward=1.0))
    b.add(1, None, Grade(reward=1.0))
    with pytest.raises(RowsError, match="no row in common"):
        match(a, b)


LINE = '{"index":0,"reward":1.0,"sub_rewards":{},"failures":[]}\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LINE + "{}\n", "line 2"),
        (LINE + LINE[:-1], "line 2"),
        (LINE + LINE, "two results of row 0"),
    ],
)
def test_a_file_that_is_not_whole_results_is_an_error(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text(text)
    with pytest.raises(RowsError, match=said):
        read_side(str(path), 0.5)


def test_what_is_a_file_of_results(tmp_path: Path) -> None:
    (tmp_path / "results").write_text(LINE)
    (tmp_path / "grader").write_text('{"type": "string_check"}')
    (tmp_path / "empty").write_text("")
    assert is_results(str(tmp_path / "results"))
    assert is_results(str(tmp_path / "empty"))
    assert not is_results(str(tmp_path / "grader"))
    assert not is_results("-")


def check(operation: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "string_check", "name": "check", "operation": operation,
        "input": "{{ sample.output_text }}", "reference": "{{ item.a }}", **more,
    }  # fmt: skip


def test_two_graders_are_compared_in_one_pass_with_what_they_saw() -> None:
    rows = [{"id": f"r{at}", "item": {"a": "x"}, "sample": "x" * at} for at in range(30)]
    data = b"no json\n" + b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    with graders.load(check("eq")) as a, graders.load(check("like")) as b:
        chunks = [decode_block(Block(data), Layout())]
        matched, kept = grade_both(a, b, chunks, (pass_mark(a), pass_mark(b)))
        report = compare(matched, look=kept.look)
        assert formulas_of(a, b) is None
    assert (report.unreadable, report.compared, report.flips["up"]) == (1, 30, 28)
    first = report.read_first[0]
    assert (first.index, first.identity, first.answer) == (3, "r2", "xx")
    assert first.rendered_a[""] == first.rendered_b[""] == {"input": "xx", "reference": "x"}
    assert len(kept.rows) == len(report.read_first) == 10
    assert all(row.answer for row in report.read_first)


def test_rows_at_hand_show_the_answers_of_results() -> None:
    kept = KeptRows()
    data = b'{"item": {}, "sample": "seen"}\n'
    kept.collect([decode_block(Block(data), Layout())], {0})
    report = compare(match(side(0.0), side(1.0, name="b")), look=kept.look)
    assert report.read_first[0].answer == "seen"


def test_the_threshold_is_the_graders_own() -> None:
    source = {"type": "python", "name": "p", "source": "def grade(s, i): return 1.0"}
    multi = {
        "type": "multi", "name": "m", "graders": {"a": check("eq")}, "calculate_output": "a",
        "pass_threshold": 0.8,
    }  # fmt: skip
    judge = {
        "type": "score_model", "name": "j", "model": "m", "range": [1, 7],
        "input": [{"role": "user", "content": "x"}],
    }  # fmt: skip
    marks = [pass_mark(graders.load(one)) for one in (check("eq"), source, multi, judge)]
    assert marks == [0.5, 0.5, 0.8, 4.0]
