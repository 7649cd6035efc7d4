"""Tallies: figures that do not depend on the cut into blocks or on their order."""

from __future__ import annotations

import copy
import json
import math
import random
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from graders.batch.exact import exact_sums
from graders.batch.figures import MOST_CELLS, MOST_VALUES, QUANTILES, Figures, _finest, _place, sums
from graders.batch.tally import FIRST_ROWS, Tally
from graders.grade import Failure

finite = st.floats(allow_nan=False, allow_infinity=False)
Chunks = list[list[float]]


@example([0.5, 1.5], 1)
@example([0.0, 1.0, 2.0], 2)
@given(st.lists(finite, min_size=1, max_size=60), st.integers(1, 20))
def test_cells_are_as_fine_as_they_may_be(values: list[float], most: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("graders.batch.figures.MOST_CELLS", most)
        found = _finest(values)
    cells = [len({_place(value, shift) for value in values}) for shift in (found, found + 1)]
    assert found == 1100 or cells[1] > most
    assert found == -1100 or cells[0] <= most


@example([(5e-324, 1), (1.7976931348623157e308, 3), (-1.7976931348623157e308, 65_532)])
@example([(0.0, 1), (-0.0, 2)])
@example([(-(2.0**53 - 1), 32_768), (2.0**53 - 1, 32_768)])
@given(st.lists(st.tuples(finite, st.integers(1, 600)), min_size=1, max_size=100))
def test_sums_by_limbs_are_exact(pairs: list[tuple[float, int]]) -> None:
    values, times = zip(*pairs, strict=True)
    expected = [sum(Fraction(one) ** power * count for one, count in pairs) for power in (1, 2)]
    assert [*exact_sums(values, times)] == expected


def test_sums_are_the_same_whatever_way_they_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(5)
    counted = Counter(chance.choices([chance.gauss(0, 1e3) for _ in range(900)], k=4000))
    fast = sums(counted)
    monkeypatch.delitem(sys.modules, "numpy")
    assert sums(counted) == fast


def figures(*chunks: list[float]) -> Figures:
    made = Figures()
    for chunk in chunks:
        made.add(chunk)
    return made


def test_figures_of_nothing_have_no_mean_and_no_bars() -> None:
    empty = figures([])
    assert empty.mean is None
    assert empty.spread is None
    assert empty.histogram() == []
    assert empty.quantile(0.5) is None
    assert empty.interval() is None
    assert empty.to_dict() == {
        "count": 0, "mean": None, "spread": None, "min": None, "max": None, "at_min": 0, "at_max": 0,
    }  # fmt: skip


@given(
    st.lists(st.integers(-4, 4).map(lambda n: n / 7) | st.floats(-1e9, 1e9), min_size=1),
    st.floats(0, 1),
)
def test_quantiles_are_numpys_to_the_last_bit(values: list[float], share: float) -> None:
    assert figures(values).quantile(share) == np.quantile(values, share)


def test_one_value_has_a_mean_and_no_spread() -> None:
    assert figures([0.25]).mean == 0.25
    assert figures([0.25]).spread is None


@pytest.mark.parametrize(
    "values",
    [[0.1] * 10, [0.0, 1.0, 0.5], [-3.0, 100.0], [1e16, 1.0, -1e16], [0.1, 0.2, 0.3, 0.4]],
)
def test_mean_and_spread_are_those_of_the_statistics_module(values: list[float]) -> None:
    assert figures(values).mean == statistics.mean(values)
    assert figures(values).spread == pytest.approx(statistics.stdev(values), abs=1e-12)


NUMBERS = {
    "two": [0.0, 1.0],
    "few": [0.1, 0.2, 0.35, 0.9],
    "far from 0": [1e8 + 0.1, 1e8 + 0.2, 1e8 + 0.3],
    "large": [1e150, -3e150, 5e149],
    "ties": [0.5, 0.5, 0.5, 1.0, 1.0, 0.25],
    "many": np.random.default_rng(1).random(5000).tolist(),
}


@pytest.mark.parametrize("values", NUMBERS.values(), ids=NUMBERS)
def test_figures_are_those_of_numpy_and_scipy(values: list[float]) -> None:
    found = figures(values)
    assert found.mean == pytest.approx(np.mean(values), rel=1e-13)
    assert found.spread == pytest.approx(np.std(values, ddof=1), rel=1e-12)
    assert found.quantile(0.5) == np.median(values)
    assert found.quantiles() == np.quantile(values, QUANTILES).tolist()
    interval = found.interval(shares=False)
    assert interval is not None
    wanted = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
    assert (interval.low, interval.high) == pytest.approx(wanted, rel=1e-11)
    assert interval.method == "Student's t"


@pytest.mark.parametrize(
    ("hits", "rows"), [(0, 1), (1, 1), (0, 2), (1, 2), (7, 9), (20, 20), (31, 500)]
)
def test_rewards_of_0_and_1_have_the_exact_interval_of_a_share(hits: int, rows: int) -> None:
    interval = figures([1.0] * hits + [0.0] * (rows - hits)).interval()
    assert interval is not None
    wanted = stats.binomtest(hits, rows).proportion_ci(method="exact")
    assert (interval.low, interval.high) == pytest.approx((wanted.low, wanted.high), rel=1e-9)
    assert interval.method == "Clopper-Pearson"


def test_what_no_float_of_numpy_holds_is_right_all_the_same() -> None:
    # numpy says 0 of the first and inf of the second.
    assert figures([1e-200, 3e-200, 2e-200]).spread == pytest.approx(1e-200)
    largest = figures([1.7e308, -1.7e308])
    assert largest.quantile(0.5) == 0.0
    interval = largest.interval()
    assert interval is not None
    assert math.isfinite(interval.low)
    assert figures([0.7] * 3).interval() is None  # As `t.interval`, which is nan then.
    assert figures([0.0] * 3).interval(shares=False) is None


def test_a_category_of_the_largest_floats_has_a_spread() -> None:
    tally = Tally()
    tally.add_groups(["x", "x", None], [1e200, -1e200, None])
    assert tally.groups["x"].spread == pytest.approx(2**0.5 * 1e200)
    assert (tally.groups[""].rows, tally.groups[""].failed, tally.groups[""].mean) == (1, 1, None)


def test_minus_0_is_0_whichever_is_seen_first() -> None:
    assert str(figures([-0.0]).lowest) == str(figures([0.0], [-0.0]).quantile(0.5)) == "0.0"


def test_equal_values_have_no_spread_at_all() -> None:
    assert figures([0.1] * 1000).spread == 0.0


def test_the_spread_of_the_largest_floats_is_a_number() -> None:
    assert figures([1e300, -1e300, 0.0]).spread == pytest.approx(1e300)
    assert figures([1.7e308, -1.7e307]).spread == pytest.approx(1.3223e308, rel=1e-3)


@pytest.mark.parametrize("value", [0.0, 0.1, 0.2, 0.3, 0.5, 0.6, 0.7, 0.9])
def test_a_bar_holds_its_lower_end(value: float) -> None:
    bars = figures([value]).histogram()
    assert [count for _, _, count in bars] == [int(n == round(value * 10)) for n in range(10)]


def test_the_last_bar_holds_its_upper_end_too() -> None:
    assert figures([1.0]).histogram()[-1] == (0.9, 1.0, 1)


def test_a_value_below_a_bars_end_stays_below_it() -> None:
    assert figures([0.49999]).histogram()[4][2] == 1


def test_a_value_just_above_one_stands_in_the_last_bar() -> None:
    bars = figures([1.0000000000000002, 0.5]).histogram()
    assert bars[-1] == (0.9, 1.0, 1)


def test_a_wider_reach_has_bars_from_lowest_to_highest() -> None:
    bars = figures([0.0, 50.0, 100.0]).histogram()
    assert (bars[0][0], bars[-1][1]) == (0.0, 100.0)
    assert [count for *_, count in bars] == [1, 0, 0, 0, 0, 1, 0, 0, 0, 1]


@pytest.mark.parametrize(
    "values",
    [
        [1.7e308, -1.7e308, 1.0],
        [5.0, 5.0],
        [1e-320, 2.0],
        [-1e-320, 5e-324],
        [2.0**60, 2.0**60 + 512],
    ],
)
def test_a_histogram_of_odd_reaches_holds_every_value_once(values: list[float]) -> None:
    bars = figures(values).histogram()
    assert len(bars) == 10
    assert sum(count for *_, count in bars) == len(values)
    assert all(math.isfinite(low) and math.isfinite(high) for low, high, _ in bars)


def test_few_distinct_values_are_counted_by_value() -> None:
    few = figures([0.0, 1.0, 1.0, 1 / 3, 0.1 + 0.2, 0.3])
    assert few.values() == [(0.0, 1), (0.3, 2), (0.333333333333, 1), (1.0, 2)]
    assert few.bars() == [("0", 1), ("0.3", 2), ("0.33333", 1), ("1", 2)]
    assert figures([1e-9, 2e-9]).bars() == [("1e-09", 1), ("2e-09", 1)]
    assert figures([1e9, 1e9 + 1]).bars() == [("1000000000", 1), ("1000000001", 1)]
    assert figures([n / 20 for n in range(20)]).values() is None


def test_memory_stays_flat_whatever_the_values() -> None:
    source = random.Random(7)
    spread_out = figures([source.uniform(-1e9, 1e9) for _ in range(20_000)])
    assert len(spread_out.cells) <= MOST_CELLS
    assert not spread_out.known
    assert sum(times for times, _, _ in spread_out.cells.values()) == 20_000


def test_values_are_kept_while_few_of_them_differ() -> None:
    source = random.Random(11)
    values = [source.random() for _ in range(MOST_VALUES)] * 3
    many = figures(values)
    assert many.error == 0.0
    assert many.quantiles() == np.quantile(values, QUANTILES).tolist()


SHAPES = ("even", "long", "steps")
TRIED = [(1e-300, "even"), (1.0, "long"), (1e300, "steps")]
REST = [(scale, shape) for scale in (1e-300, 1e-9, 1.0, 1e300) for shape in SHAPES]


@pytest.mark.parametrize(
    ("scale", "shape"),
    [*TRIED, *(pytest.param(*one, marks=pytest.mark.more) for one in REST if one not in TRIED)],
)
def test_of_many_different_values_a_quantile_is_within_the_error_that_is_told(
    scale: float, shape: str
) -> None:
    source = random.Random(f"{scale}{shape}")
    draws: dict[str, Callable[[], float]] = {
        "even": source.random,
        "long": lambda: min(source.lognormvariate(0, 2), 1e6),
        "steps": lambda: source.choice([0.0, 1.0, source.random()]),
    }
    values = [draws[shape]() * scale for _ in range(4 * MOST_VALUES)]
    many = figures(*(values[at : at + 1000] for at in range(0, len(values), 1000)))
    shares = (0.0, 0.001, *QUANTILES, 0.999, 1.0)
    found = np.array(many.quantiles(shares))
    assert many.error > 0
    assert (np.abs(found - np.quantile(values, shares)) <= many.error).all()
    assert many.error < 0.01 * scale * np.std(np.divide(values, scale))


@given(st.lists(st.lists(finite, max_size=6), max_size=6), st.randoms(use_true_random=False))
def test_figures_merged_in_any_order_equal_figures_added_at_once(
    chunks: Chunks, shuffle: random.Random
) -> None:
    at_once = figures([value for chunk in chunks for value in chunk])
    parts = [figures(chunk) for chunk in chunks]
    shuffle.shuffle(parts)
    merged = Figures()
    for part in parts:
        merged.merge(part)
    assert merged == at_once
    assert merged.to_dict() == at_once.to_dict()
    assert merged.histogram() == at_once.histogram()


@given(st.integers(0, 2**32))
def test_figures_of_many_distinct_values_merge_to_the_same(seed: int) -> None:
    source = random.Random(seed)
    values = [source.uniform(-1, 1) * 10.0 ** source.randint(-3, 12) for _ in range(200)]
    cut = source.randint(0, 200)
    merged = figures(values[cut:])
    merged.merge(figures(values[:cut]))
    assert merged == figures(values)


def test_more_values_than_are_kept_merge_to_the_same_cells() -> None:
    source = random.Random(3)
    values = [source.random() for _ in range(3 * MOST_VALUES)]
    parts = [figures(values[n::3]) for n in range(3)]
    merged = Figures()
    for part in reversed(parts):
        merged.merge(part)
    assert merged == figures(values)


def test_a_column_of_known_values_takes_one_of_cells() -> None:
    source = random.Random(7)
    numbers = [source.uniform(-1e9, 1e9) for _ in range(2 * MOST_VALUES)]
    wide = figures(numbers)
    merged = figures([0.25, 0.5])
    assert merged.shift > wide.shift
    merged.merge(wide)
    assert merged == figures([0.25, 0.5], numbers)
    other = copy.deepcopy(wide)
    other.merge(figures([0.25, 0.5]))
    assert other == merged
    fine = figures([source.random() for _ in range(2 * MOST_VALUES)])
    assert fine.shift > wide.shift
    both = copy.deepcopy(wide)
    both.merge(fine)
    fine.merge(wide)
    assert both == fine


def failure(code: str = "invalid_variable_error", where: str = "", message: str = "m") -> Failure:
    return Failure(code, message, where)  # type: ignore[arg-type]


def tally_of(start: int, rewards: list[float | None]) -> Tally:
    tally = Tally()
    failed = {n: (failure(),) for n, reward in enumerate(rewards) if reward is None}
    tally.add(range(start, start + len(rewards)), rewards, {"a": list(rewards)}, failed, {})
    return tally


def test_both_denominators_are_there() -> None:
    tally = tally_of(0, [1.0, None, 0.5, None])
    assert (tally.rows, tally.scored, tally.failed) == (4, 2, 2)
    assert tally.rewards.mean == 0.75
    assert tally.mean_of_all == 0.375
    body = tally.to_dict()
    assert (body["mean_of_scored"], body["mean_of_all"]) == (0.75, 0.375)


def test_a_tally_of_nothing_has_no_means() -> None:
    assert Tally().mean_of_all is None
    assert Tally().to_dict()["mean_of_scored"] is None


def test_a_row_counts_once_for_each_of_its_codes() -> None:
    tally = Tally()
    found = (failure(where="a"), failure(where="b"), failure("sample_parse_error", "c"))
    tally.add([10], [None], {"a": [None], "b": [None], "c": [None]}, {0: found}, {})
    assert tally.codes == {"invalid_variable_error": 1, "sample_parse_error": 1}
    assert tally.sub_failures == {"a": 1, "b": 1, "c": 1}
    assert tally.first["invalid_variable_error"] == [(10, "m")]


def test_a_replaced_row_counts_as_scored_and_keeps_its_code() -> None:
    tally = Tally()
    tally.add([0, 1], [0.0, 1.0], {}, {}, {0: (failure(where="a"),)})
    assert (tally.rows, tally.scored, tally.failed, tally.replaced) == (2, 2, 0, 1)
    assert tally.codes == {"invalid_variable_error": 1}


def test_only_the_first_failures_of_a_code_are_kept_in_order_of_rows() -> None:
    parts = [tally_of(start, [None, None, None]) for start in (6, 0, 3)]
    merged = Tally()
    for part in parts:
        merged.merge(part)
    assert [index for index, _ in merged.first["invalid_variable_error"]] == list(range(FIRST_ROWS))


@given(
    st.lists(st.one_of(st.none(), finite), max_size=30),
    st.lists(st.integers(0, 30), max_size=4),
    st.randoms(use_true_random=False),
)
def test_tallies_of_any_cut_merged_in_any_order_are_equal(
    rewards: list[float | None], cuts: list[int], shuffle: random.Random
) -> None:
    at_once = tally_of(0, rewards)
    ends = sorted({0, len(rewards), *(cut for cut in cuts if cut < len(rewards))})
    parts = [tally_of(low, rewards[low:high]) for low, high in pairwise(ends)]
    shuffle.shuffle(parts)
    merged = Tally()
    for part in parts:
        merged.merge(part)
    if parts:
        assert merged.to_dict() == at_once.to_dict()


def test_a_summary_waits_for_no_library() -> None:
    code = (
        "import sys; from graders.batch.tally import Tally; tally = Tally();"
        "tally.add([0, 1, 2], [0.25, 0.5, 1.0], {'a': [0.0, 1.0, 1.0]}, {}, {});"
        "tally.add_groups(['x', 'y', 'x'], [0.25, 0.5, 1.0]); tally.to_dict();"
        "print(*{'numpy', 'scipy', 'nltk'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


def test_a_tally_is_json() -> None:
    assert json.loads(json.dumps(tally_of(0, [1.0, None]).to_dict(), allow_nan=False))["rows"] == 2
