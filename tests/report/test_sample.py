"""The rows that a page shows are picked in one pass, and what is held of them does not grow."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import pytest

from graders.batch.result import Result
from graders.report.sample import Sampler

CODES = ("a_error", "b_error")


def line(index: int, **more: Any) -> Result:
    body = {
        "index": index,
        "reward": index * 7919 % 10_007 / 10_007,
        "sub_rewards": {},
        "failures": [],
        **more,
    }
    if index % 8 == 5 and "failures" not in more:
        code = CODES[index % 16 == 5]
        body |= {"reward": None, "failures": [{"code": code, "message": "m", "where": ""}]}
    return Result(json.dumps(body).encode() + b"\n", body)


def blocks(count: int, size: int) -> Iterator[Sequence[Result]]:
    for first in range(0, count, size):
        yield [line(index) for index in range(first, min(first + size, count))]


def sampler_of(count: int, size: int = 1000, **settings: Any) -> Sampler:
    sampler = Sampler(**settings)
    for block in blocks(count, size):
        sampler.add(block)
    return sampler


@pytest.mark.more
def test_what_is_held_does_not_grow_with_the_rows() -> None:
    held = [max(_held_while_reading(count)) for count in (70_000, 140_000)]
    assert held[1] <= held[0] * 1.01 < 5 * 40_000


def _held_while_reading(count: int) -> Iterator[int]:
    sampler = Sampler(most=200)
    for block in blocks(count, 5000):
        sampler.add(block)
        yield sampler.held


@pytest.mark.more
def test_the_cut_into_blocks_changes_no_row() -> None:
    settings = {"most": 300, "named": frozenset({39_000})}
    picked = [sampler_of(40_000, size, **settings).pick() for size in (999, 7000)]
    assert picked[0] == picked[1]
    assert 39_000 in {spot.place for spot in picked[0].spots}


def test_of_more_rows_than_are_drawn_each_rank_still_has_its_rows() -> None:
    count = 40_000
    shown = {spot.place for spot in sampler_of(count, most=500).pick().spots}
    scored = [one.index for block in blocks(count, count) for one in block if not one.failed]
    scored.sort(key=lambda index: (index * 7919 % 10_007, index))
    assert {*scored[:50], *scored[-50:]} <= shown
    ranks = [rank for rank, place in enumerate(scored) if place in shown]
    # 250 rows stand for 35,000; those drawn by lot are not quite as even as these.
    assert max(b - a for a, b in pairwise(ranks)) < 4 * 35_000 / 250


def test_each_spot_is_where_the_line_begins() -> None:
    data = b"".join(one.line for block in blocks(9000, 9000) for one in block)
    for spot in sampler_of(9000, most=100).pick().spots:
        assert json.loads(data[spot.offset : data.index(b"\n", spot.offset)])["index"] == spot.place


def test_rows_on_which_judges_are_furthest_apart_are_among_them() -> None:
    sampler = Sampler(most=100)
    apart = {
        at: {"panel": {"j": {"scores": {}, "disagreement": at % 500 / 10}}} for at in range(3000)
    }
    sampler.add([line(at, failures=[], **more) for at, more in apart.items()])
    picked = sampler.pick()
    assert {499, 999, 1499, 1999, 2499, 2999, 498} <= {spot.place for spot in picked.spots}
    assert "10 on which judges are furthest apart" in picked.said


@pytest.mark.parametrize("count", [0, 1, 99, 100])
def test_of_no_more_rows_than_fit_all_are_picked(count: int) -> None:
    picked = sampler_of(count, 7, most=100).pick()
    assert [spot.place for spot in picked.spots] == list(range(count))


def test_codes_without_end_do_not_fill_memory() -> None:
    sampler = Sampler(most=50)
    for at in range(30):
        failure = [
            {"code": f"code{n}", "message": "", "where": ""}
            for n in range(at * 100, at * 100 + 100)
        ]
        sampler.add(
            [line(at * 100 + n, reward=None, failures=[one]) for n, one in enumerate(failure)]
        )
    assert sampler.failed == 3000
    assert sampler.held < 40_000
    assert len(sampler.pick().spots) == 50
