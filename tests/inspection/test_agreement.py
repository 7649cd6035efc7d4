"""Agreement with people: known values of kappa, Wilson, ROC area, cuts, calibration, repeats."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.inter_rater import cohens_kappa

from graders.errors import OptionError, RowsError
from graders.grade import Failure, Grade
from graders.inspection.agreement import (
    Confusion,
    agree,
    area,
    best_cuts,
    calibrate,
    confusion,
    read_labels,
    variance_of,
)
from graders.inspection.diff import Identities, Side
from graders.rows import Block


def column(*values: float) -> np.ndarray:
    return np.array(values, dtype=float)


def test_kappa_is_the_textbooks() -> None:
    # 20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no: observed 0.7, chance 0.5.
    assert Confusion(20, 5, 10, 15).kappa == pytest.approx(0.4, abs=1e-15)
    assert Confusion(5, 0, 0, 5).kappa == 1.0
    assert Confusion(0, 5, 5, 0).kappa == -1.0
    assert Confusion(5, 0, 0, 0).kappa is None
    assert Confusion(0, 0, 0, 0).kappa is None


@given(st.tuples(*[st.integers(0, 30)] * 4))
def test_kappa_and_its_interval_are_those_of_statsmodels(counts: tuple[int, ...]) -> None:
    table = Confusion(*counts)
    if table.kappa is None:
        assert table.kappa_interval is None
        return
    with np.errstate(all="ignore"):  # Of a z-value nobody asks for, 0 / 0.
        wanted = cohens_kappa(np.array(counts).reshape(2, 2))
    assert table.kappa == pytest.approx(wanted.kappa, abs=1e-12)
    assert table.kappa_interval is not None
    ends = (table.kappa_interval.low, table.kappa_interval.high)
    # statsmodels gives nan where rounding leaves a variance below 0.
    if wanted.var_kappa >= 0:
        assert ends == pytest.approx((wanted.kappa_low, wanted.kappa_upp), abs=1e-6)
    assert ends[0] <= table.kappa <= ends[1]


@given(st.lists(st.tuples(st.integers(0, 6).map(lambda n: n / 6), st.booleans()), min_size=1))
def test_the_roc_area_is_scipys_mann_whitney_statistic(rows: list[tuple[float, bool]]) -> None:
    scores = column(*(score for score, _ in rows))
    passing = column(*(float(label) for _, label in rows))
    pos, neg = scores[passing > 0], scores[passing == 0]
    if not len(pos) or not len(neg):
        assert area(scores, passing) is None
        return
    wanted = stats.mannwhitneyu(pos, neg).statistic / (len(pos) * len(neg))
    assert area(scores, passing) == pytest.approx(wanted, abs=1e-12)


def test_variances_are_those_of_scipys_analysis_of_variance() -> None:
    source = np.random.default_rng(4)
    groups = [source.normal(mean, 1, 5).tolist() for mean in range(6)]
    found = variance_of(groups)
    assert found is not None
    ratio = stats.f_oneway(*groups).statistic
    assert found.within == pytest.approx(np.mean([np.var(one, ddof=1) for one in groups]))
    assert found.between == pytest.approx((ratio - 1) * found.within / 5)


def test_verdicts_and_their_rates() -> None:
    table = confusion(column(0.9, 0.5, 0.4, 0.1), column(1, 0, 1, 0), 0.5)
    assert table == Confusion(1, 1, 1, 1)
    assert (table.tpr.value, table.tnr.value, table.agreement.value) == (0.5, 0.5, 0.5)


def test_the_roc_area_counts_a_tie_half() -> None:
    assert area(column(0.1, 0.4, 0.35, 0.8), column(0, 0, 1, 1)) == 0.75
    assert area(column(1, 1), column(0, 1)) == 0.5
    assert area(column(1, 1), column(1, 1)) is None


def test_the_best_threshold_parts_the_labels() -> None:
    scores = column(*[0.2] * 20, *[0.3] * 20, *[0.7] * 20, *[0.8] * 20)
    youden, kappa = best_cuts(scores, column(*[0] * 40, *[1] * 40))
    assert (youden.by, youden.cut, youden.value) == ("youden_j", 0.7, 1.0)
    assert (kappa.by, kappa.cut, kappa.value) == ("kappa", 0.7, 1.0)
    assert youden.interval == kappa.interval == (0.7, 0.7)


def test_an_unsure_threshold_has_a_wide_interval() -> None:
    chance = np.random.default_rng(3)
    scores = chance.random(60)
    labels = (scores + chance.normal(0, 0.4, 60) > 0.5).astype(float)
    (youden, _) = best_cuts(scores, labels)
    assert youden.interval[0] < youden.cut <= youden.interval[1]
    assert youden.interval[1] - youden.interval[0] > 0.1


def test_many_scores_are_cut_exactly_and_drawn_coarsely() -> None:
    scores = np.arange(5000) / 5000
    (youden, kappa) = best_cuts(scores, (scores >= 0.6).astype(float))
    assert (youden.cut, youden.value, kappa.cut, kappa.value) == (0.6, 1.0, 0.6, 1.0)


@pytest.mark.parametrize("labels", [[1.0, 1.0], [0.0, 0.0], []])
def test_labels_that_are_all_the_same_have_no_threshold(labels: list[float]) -> None:
    assert best_cuts(column(*labels), column(*labels)) == ()


def test_the_calibration_error_is_the_mean_distance() -> None:
    curve = calibrate(column(0.25, 0.25, 0.95, 0.95), column(0, 1, 1, 1))
    assert [(one.low, one.passing.rows) for one in curve.bins] == [(0.2, 2), (0.9, 2)]
    assert curve.error == pytest.approx((0.25 + 0.05) / 2)


def test_the_calibration_of_other_ranges_is_scaled() -> None:
    curve = calibrate(column(1, 7, 7, 1), column(0, 1, 1, 0))
    assert (curve.low, curve.high, curve.error) == (1.0, 7.0, 0.0)
    assert calibrate(column(), column()).error is None
    assert calibrate(column(1.02), column(1)).high == 1.0
    assert calibrate(column(5.0), column(1)).error == 1.0


def test_a_bin_holds_its_lower_end_as_people_write_it() -> None:
    assert [one.low for one in calibrate(column(0.3), column(1)).bins] == pytest.approx([0.3])


def test_variance_shares_by_hand() -> None:
    # Means 1 and 3, each +-1: within = 4 * 1 / 2 = 2, between = (2 * 2 * 1 / 1 - 2) / 2 = 1.
    found = variance_of([[0.0, 2.0], [2.0, 4.0]])
    assert found is not None
    assert (found.within, found.between) == (2.0, 1.0)
    assert found.share == pytest.approx(1 / 3)
    twice = found.forecast[1]
    assert (twice.times, twice.share) == (2, 0.5)
    assert twice.noise == 1.0


def test_failed_repeats_and_single_ones_do_not_count() -> None:
    found = variance_of([[1.0, None], [1.0, 1.0, None], [0.0, 0.0]])
    assert found is not None
    assert (found.rows, found.verdicts, found.within, found.share) == (2, 4, 0.0, 1.0)
    assert variance_of([[1.0, 1.0]]) is None
    assert variance_of([]) is None
    steady = variance_of([[1.0, 1.0], [1.0, 1.0]])
    assert steady is not None
    assert steady.share is None


def labels(values: list[Any], **options: Any) -> Any:
    rows = [json.dumps({"id": f"r{at}", "label": one}) for at, one in enumerate(values)]
    return read_labels([Block("\n".join(rows).encode())], "label", **options)


@pytest.mark.parametrize(
    ("values", "options"),
    [
        ([True, False], {}),
        ([1, 0], {}),
        (["1", "0"], {}),
        (["Pass", "fail"], {}),
        (["yes", "no"], {}),
        ([5, 2], {"threshold": 4}),
        (["great", "poor"], {"passing": ["great"]}),
    ],
)
def test_labels_of_many_kinds(values: list[Any], options: dict[str, Any]) -> None:
    assert labels(values, **options).passing.tolist() == [1.0, 0.0]


def test_rows_without_a_label_are_counted() -> None:
    found = labels([1, None, 0])
    assert (list(found.indexes), found.rows, found.unlabelled) == ([0, 2], 3, 1)


@pytest.mark.parametrize(
    ("values", "options", "said"),
    [
        ([1, 5], {}, "--label-threshold"),
        (["great", "poor"], {}, "--passing"),
        (["great", "poor"], {"passing": ["grand"]}, "no label at label is grand"),
        ([{}], {}, "a number or a text"),
        ([None], {}, "no row has a label"),
    ],
)
def test_labels_that_do_not_tell_are_refused(
    values: list[Any], options: dict[str, Any], said: str
) -> None:
    with pytest.raises(OptionError, match=said):
        labels(values, **options)


def results() -> Side:
    side = Side("results")
    for at, (reward, sub) in enumerate([(0.9, 0.1), (0.2, 0.9), (0.8, 0.2), (None, None)]):
        failures = () if reward is not None else (Failure("other_error", "no"),)
        grade = Grade(reward=reward, sub_rewards={"sub": sub}, failures=failures)
        side.add(at, f"r{at}", grade)
    side.repeats["sub"] = {0: [0.0, 0.2], 1: [1.0, 0.8]}
    return side


def test_the_reward_and_each_sub_grader_are_compared_with_the_labels() -> None:
    report = agree(results(), labels([1, 0, 1, 1]))
    reward, sub = report.scores
    assert (report.rows, report.labelled, report.passing) == (4, 4, 3)
    assert (reward.key, reward.table.kappa, reward.failed, reward.area) == ("", 1.0, 1, 1.0)
    assert sub.key == "sub"
    assert sub.table.kappa is not None
    assert sub.table.kappa < 0
    assert sub.area == 0.0
    assert report.variances["sub"].rows == 2
    body = report.to_dict()
    assert json.loads(json.dumps(body)) == body


def test_labels_of_other_rows_are_refused() -> None:
    side = results()
    side.ids = Identities(["another", *side.ids[1:]])
    with pytest.raises(RowsError, match="different rows"):
        agree(side, labels([1, 0]))
    with pytest.raises(RowsError, match="no labelled row"):
        agree(Side("none"), labels([1, 0]))


def test_rows_that_all_failed_give_no_figures() -> None:
    side = Side("failed")
    side.add(0, None, Grade(reward=None, failures=(Failure("other_error", "no"),)))
    score = agree(side, labels([1])).scores[0]
    assert (score.failed, score.table.kappa, score.cuts, score.calibration.bins) == (
        1,
        None,
        (),
        (),
    )


def test_repeats_need_no_labels() -> None:
    report = agree(results(), None)
    assert (report.scores, list(report.variances)) == ((), ["sub"])
