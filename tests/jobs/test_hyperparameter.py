"""What auto becomes, and the curve over the steps that follow."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from graders.jobs.hyperparameter import resolve
from graders.jobs.verdict import curve

auto = st.just("auto")


@given(
    rows=st.integers(1, 50_000),
    batch=auto | st.integers(1, 256),
    epochs=auto | st.integers(1, 50),
    interval=auto | st.integers(1, 10_000),
    multiplier=auto | st.floats(0, 1e300, exclude_min=True),
)
def test_every_row_is_taken_once_an_epoch_and_the_last_step_is_evaluated(
    rows: int, batch: Any, epochs: Any, interval: Any, multiplier: Any
) -> None:
    given_ = {
        "batch_size": batch, "n_epochs": epochs, "eval_interval": interval,
        "compute_multiplier": multiplier, "eval_samples": "auto",
    }  # fmt: skip
    found = resolve(given_, rows, 4, 2)
    assert 1 <= found.batch_size <= 256
    assert (found.steps - 1) * found.batch_size < rows <= found.steps * found.batch_size
    assert found.evaluates(found.total_steps)
    assert 1 <= found.samples <= 64
    assert "auto" not in found.shown.values()
    if found.total_steps < 5000:
        steps = range(1, found.total_steps + 1)
        assert sum(map(found.evaluates, steps)) == found.evaluations


@given(rows=st.integers(1, 3000), epochs=st.integers(1, 3), interval=st.integers(1, 500))
def test_a_curve_is_short_and_has_its_ends_and_evaluations(
    rows: int, epochs: int, interval: int
) -> None:
    found = resolve({"batch_size": 1, "n_epochs": epochs, "eval_interval": interval}, rows, 4)
    steps = [
        (step, 0.5, 0.25 if found.evaluates(step) else None)
        for step in range(1, found.total_steps + 1)
    ]
    points = curve(steps, found)
    assert len(points) <= 410
    assert points[0] == steps[0]
    assert points[-1] == steps[-1]
    evaluated = sum(point[2] is not None for point in points)
    assert evaluated >= min(found.evaluations, 100)
