"""Runs of evals whose processes are killed: the same items and figures, nothing asked for twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from graders.evals.store import EvalStore
from tests.evals.conftest import EXACT, JUDGE, asking, eval_body
from tests.jobs.test_kill import killed
from tests.models.server import ScriptedServer


@pytest.mark.parametrize(
    "stride", [10, pytest.param(6, marks=pytest.mark.more), pytest.param(1, marks=pytest.mark.slow)]
)
def test_a_run_killed_at_every_transaction_asks_for_nothing_that_it_has(
    evals: EvalStore, serve: Callable[..., ScriptedServer], tmp_path: Path, stride: int
) -> None:
    server = serve()
    made = evals.create(eval_body(EXACT, JUDGE))
    evals.create_run(made["id"], {"data_source": asking("completions", ["a0", "b1", "a2", "a3"])})
    (tmp_path / "work").mkdir()
    found = killed(evals.store, tmp_path / "work", server.url, stride, "tests.evals.killing")
    assert found["wrong"] == []
    wanted = found["wanted"]
    assert wanted["run"]["status"] == "completed"
    assert wanted["run"]["result_counts"] == {"total": 4, "passed": 3, "failed": 1, "errored": 0}
    assert wanted["left"] == 0
    assert found["kills"] >= 30 / stride
    # Only the one answer that was on its way at a kill is asked for again; judges of rows are
    # asked side by side, and those of a kill's chunk again.
    asked = Counter(
        one.body["messages"][-1]["content"]
        for one in server.asked
        if "response_format" not in one.body
    )
    assert len(asked) == 4
    assert sum(asked.values()) <= 4 * found["rounds"] + found["kills"]
