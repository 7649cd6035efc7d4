"""TRL itself trains a tiny model by a grader: it learns, and does not where rewards are shuffled."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl")

from trl import GRPOTrainer

from graders.adapters import trl
from tests.adapters.conftest import NEAR
from tests.models.server import Asked, ScriptedServer, Told, completion, error
from tests.trainers import tiny

pytestmark = pytest.mark.trainers

LOGS = "log_metric" in inspect.getsource(GRPOTrainer)
newer = pytest.mark.skipif(not LOGS, reason="this TRL has no logs for rewards, and None is 0 in it")

STEPS = 24
JUDGE: dict[str, Any] = {
    "type": "score_model", "name": "judge", "model": "m",
    "input": [{"role": "user", "content": "{{item.answer}}|{{sample.output_text}}"}],
}  # fmt: skip


def last(means: list[float]) -> float:
    return sum(means[-5:]) / 5


@pytest.mark.parametrize("chat", [False, True], ids=["text", "chat"])
def test_it_learns_what_the_grader_pays_for_and_nothing_of_shuffled_rewards(
    tmp_path: Path, chat: bool
) -> None:
    real = tiny.Shuffled(trl.reward(tiny.GRADER), shuffle=False)
    control = tiny.Shuffled(trl.reward(tiny.GRADER))
    trainer = tiny.train(real, tmp_path / "real", chat=chat, steps=STEPS)
    tiny.train(control, tmp_path / "control", chat=chat, steps=STEPS)
    # The same model sees the same prompts first, so both begin with the same rewards.
    assert real.means[0] == control.means[0]
    assert last(real.means) > real.means[0] + 0.2
    assert last(real.means) > 2 * last(control.means) + 0.1
    logged = [one for one in trainer.state.log_history if "reward" in one]
    assert len(logged) == STEPS
    if not LOGS:
        return
    # TRL's own figure is ours, and what the grader says besides stands beside it.
    assert [one["reward"] for one in logged] == pytest.approx(real.means, abs=1e-6)
    parts = [
        0.8 * one["graders/colour/reward/share"] + 0.2 * one["graders/colour/reward/near"]
        for one in logged
    ]
    assert parts == pytest.approx(real.means, abs=1e-6)
    assert all(one["graders/colour/failed"] == 0.0 for one in logged)


@newer
def test_rows_that_fail_are_left_out_and_told(tmp_path: Path) -> None:
    function = tiny.Shuffled(trl.reward(tiny.GRADER), shuffle=False)
    trainer = tiny.train(
        function, tmp_path, chat=False, steps=STEPS, lacking=3, log_completions=True
    )
    logged = [one for one in trainer.state.log_history if "reward" in one]
    assert last(function.means) > function.means[0] + 0.1
    # A row without an answer is in no mean: the reward is that of the rows that were scored.
    assert [one["reward"] for one in logged] == pytest.approx(function.means, abs=1e-6)
    shares = [one["graders/colour/failed"] for one in logged]
    assert 0 < sum(shares) / len(shares) < 1
    code = "graders/colour/failed/python_grader_runtime_error"
    assert [one.get(code, 0.0) for one in logged] == shares
    tables = sorted((tmp_path / "completions").glob("*.parquet"))
    assert len(tables) == STEPS
    import pandas as pd

    for path, share in zip(tables, shares, strict=True):
        table = pd.read_parquet(path)
        assert table["colour_failure"].notna().mean() == pytest.approx(share)
        assert (table["colour"].isna() == table["colour_failure"].notna()).all()


def test_parts_are_added_up_by_trl(tmp_path: Path) -> None:
    functions, weights = trl.parts(tiny.GRADER, weights={"share": 0.8, "near": 0.2})
    trainer = tiny.train(functions, tmp_path, chat=True, steps=2, weights=weights)
    logged = [one for one in trainer.state.log_history if "reward" in one]
    for one in logged:
        share, near = one["rewards/colour_share/mean"], one["rewards/colour_near/mean"]
        assert one["reward"] == pytest.approx(0.8 * share + 0.2 * near, abs=1e-6)
    rows = functions[0]._shared.reward.counts.rows
    assert rows == 2 * tiny.PROMPTS * tiny.GENERATIONS


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    """A judge that pays by the words, and fails three of ten tries."""
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def script(asked: Asked, number: int) -> Told:
        if number % 10 in {2, 5, 8}:
            return error(500)
        text = asked.body["messages"][-1]["content"]
        answer, _, said = text.partition("|")
        words = said.split()
        share = sum(one == answer for one in words) / max(len(words), 1)
        return completion(json.dumps({"steps": [], "result": share}))

    server = ScriptedServer(script)
    yield server
    server.stop()


@newer
def test_judges_are_awaited_beside_another_and_faults_cost_no_row(
    tmp_path: Path, judge: ScriptedServer
) -> None:
    options: Any = {"base_url": judge.url, "cache": "none", "concurrency": 16}
    first = trl.areward(JUDGE, **options)
    second = trl.areward(NEAR)
    trainer = tiny.train([first, second], tmp_path, chat=True, steps=2, weights=[1.0, 0.0])
    logged = [one for one in trainer.state.log_history if "reward" in one]
    assert [one["graders/judge/failed"] for one in logged] == [0.0, 0.0]
    assert all(one["graders/judge/judge_tokens"] > 0 for one in logged)
    assert all(one["graders/near/failed"] == 0.0 for one in logged)
    means = [one["rewards/judge/mean"] for one in logged]
    assert [one["reward"] for one in logged] == pytest.approx(means, abs=1e-6)
