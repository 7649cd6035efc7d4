"""The simulation behind docs/explanation/cost-model.md, and that its tables are there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks import fleet
from benchmarks.fleet import BLOCKS, FIGURES, SITUATIONS, Fleet, model_seconds, simulate
from graders.batch import flow


def test_the_page_has_the_tables_that_the_simulation_gives() -> None:
    page = fleet.PAGE.read_text(encoding="utf-8")
    assert fleet.with_tables(page) == page, "python -m benchmarks.fleet --write"


def test_the_simulation_waits_as_the_flow_does() -> None:
    assert (fleet.WAITING, fleet.WAITING_BYTES, fleet.MANY) == (
        flow._HELD, flow._HELD_BYTES, flow._MANY,
    )  # fmt: skip


def test_one_lane_takes_the_sum_of_its_blocks() -> None:
    took, twice = simulate(2000, 1.0, 0.0, Fleet(nodes=1, cores=1), block_bytes=1)
    assert took == pytest.approx(2000, rel=0.02)
    assert twice == 0


def test_a_driver_that_is_too_slow_is_the_measure_of_all() -> None:
    assert simulate(500, 0.1, 1.0, Fleet(), block_bytes=1)[0] == pytest.approx(500, rel=0.01)


@pytest.mark.parametrize(("name", "situation"), SITUATIONS)
def test_the_model_holds_in_every_situation(name: str, situation: Fleet) -> None:
    python = FIGURES["python"]
    for cost in (*FIGURES.values(), replace(python, worker=fleet.HEAVY)):
        given = (BLOCKS, cost.worker * cost.rows, cost.over_ray * cost.rows, situation)
        took, _ = simulate(*given, block_bytes=cost.block)
        assert 0.95 < took / model_seconds(*given) < 1.3, (name, cost)


def test_blocks_of_dead_nodes_are_scored_again_and_every_block_is_written() -> None:
    calm, _ = simulate(2000, 1.0, 0.0, Fleet(nodes=4, cores=2), block_bytes=1)
    took, twice = simulate(2000, 1.0, 0.0, Fleet(nodes=4, cores=2, lives=100.0), block_bytes=1)
    assert twice > 0
    assert took > calm


def test_what_may_wait_grows_with_the_lanes_or_a_slow_node_holds_all_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cost, slow = FIGURES["python"], Fleet(slow=0.05)
    given = (BLOCKS, fleet.HEAVY * cost.rows, cost.over_ray * cost.rows, slow)
    now, _ = simulate(*given, block_bytes=cost.block)
    monkeypatch.setattr(fleet, "MANY", 10**9)
    assert simulate(*given, block_bytes=cost.block)[0] > 2 * now
