"""verl, OpenRLHF, verifiers and environments: called as each of them calls, failures counted apart."""

from __future__ import annotations

import asyncio
import copy
import functools
import gc
import inspect
import json
import math
import pickle
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import graders
from graders.adapters import gym, openrlhf, verifiers, verl
from graders.errors import FailedError, OptionError
from tests.adapters.callers import Trace, score
from tests.adapters.conftest import BOTH, EXACT
from tests.models.server import Asked, ScriptedServer, Told, completion
from tests.waiting import PATIENCE, until

# --- verl -----------------------------------------------------------------------------------------


def test_verl_calls_by_keywords_one_row_at_a_time_in_threads(tmp_path: Path) -> None:
    (tmp_path / "grader.json").write_text(json.dumps(BOTH))
    kwargs: dict[str, Any] = {"source": str(tmp_path / "grader.json"), "failed": 0.0}

    def call(said: str, answer: Any) -> dict[str, Any]:
        return verl.compute_score(
            data_source="math", solution_str=said, ground_truth="a",
            extra_info={"num_turns": None} | ({} if answer is None else {"answer": answer}), **kwargs,
        )  # fmt: skip

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(call, ["a", "b", "a"] * 20, ["a", "a", None] * 20))
    right, wrong, failed = found[:3]
    parts = {"reward_exact": 1.0, "reward_near": 1.0}
    assert right.pop("seconds") > 0.0
    assert right == {"score": 1.0, "failed": 0.0, "failure": "", **parts}
    assert (wrong["score"], wrong["failed"]) == (0.0, 0.0)
    # The same keys for each row: verl makes columns of them.
    assert [set(one) for one in found[1:]] == [{*right, "seconds"}] * 59
    assert (failed["score"], failed["failed"]) == (0.0, 1.0)
    assert math.isnan(failed["reward_exact"])
    assert "item has no answer" in failed["failure"]


def test_verl_finds_it_by_module_and_asks_in_its_loop() -> None:
    assert not inspect.iscoroutinefunction(verl.compute_score)
    assert inspect.iscoroutinefunction(verl.acompute_score)
    named = {**EXACT, "reference": "{{item.ground_truth}}"}

    async def ask() -> list[dict[str, Any]]:
        calls = [
            verl.acompute_score(
                data_source="d", solution_str=f"s{at % 2}", ground_truth="s0", extra_info=None,
                source=json.dumps(named), failed=-1, reward_router_address=None,
            )
            for at in range(64)
        ]  # fmt: skip
        return list(await asyncio.gather(*calls))

    assert [one["score"] for one in asyncio.run(ask())] == [1.0, 0.0] * 32


@pytest.mark.parametrize("failed", [None, math.nan, "zero", True])
def test_verl_needs_a_number_for_what_failed(failed: Any) -> None:
    with pytest.raises(OptionError, match="verl knows no unscored row"):
        verl.compute_score("d", "s", "t", {}, source=EXACT, failed=failed)
    with pytest.raises(TypeError, match="failed"):
        verl.compute_score("d", "s", "t", {}, source=EXACT)  # type: ignore[call-arg]
    with pytest.raises(FailedError):
        verl.compute_score("d", "s", "t", {}, source=EXACT, failed="raise")


def test_verl_makes_a_grader_once_however_many_threads_bring_the_first_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(verl, "_REWARDS", {})
    together, real = threading.Barrier(4), graders.Reward

    def made(*source: Any, **options: Any) -> graders.Reward:
        together.wait(PATIENCE)  # All of them have seen that there is none yet.
        return real(*source, **options)

    monkeypatch.setattr(verl, "Reward", made)
    key = verl._key(EXACT, 0.0, ".", {})
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: verl._reward(key), range(4)))
    assert len({id(one) for one in found}) == 1
    assert verl._reward(key) is found[0]


def test_rows_that_invalid_grade_stands_for_are_told_apart() -> None:
    config = {**BOTH, "invalid_grade": -0.5}
    right, invalid = (
        verl.compute_score("d", "a", None, extra, source=config, failed=0.0)
        for extra in ({"answer": "a"}, {})
    )
    assert list(right) == list(invalid)  # The same keys: verl makes columns of them.
    assert (right["invalid"], right["failure"]) == (0.0, "")
    assert (invalid["score"], invalid["failed"], invalid["invalid"]) == (-0.5, 0.0, 1.0)
    assert "item has no answer" in invalid["failure"]
    _, info = gym.scorer(config, failed=0.0)({}, "a")
    assert not info["failed"]
    assert info["invalid"] == 1.0
    assert "item has no answer" in info["failure"]
    counted = graders.Reward(config)
    assert counted({}, "a") == -0.5
    assert counted.counts.codes == {"invalid_variable_error": 1}


# --- OpenRLHF -------------------------------------------------------------------------------------


def test_openrlhf_asks_for_a_lone_row_in_a_thread() -> None:
    function = openrlhf.reward(BOTH, failed=-1.0)
    prompt = "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n"

    async def ask(label: Any, said: str) -> dict[str, Any]:
        query = f"{prompt}{said}<|im_end|>\n"
        return await asyncio.to_thread(function, [query], [prompt], [label])

    good = asyncio.run(ask('{"answer": "a b"}', "a b"))
    assert (good["rewards"], good["scores"]) == (1.0, 1.0)
    assert good["extra_logs"].pop("seconds") > 0.0
    assert good["extra_logs"] == {"failed": 0.0, "reward_exact": 1.0, "reward_near": 1.0}
    bad = asyncio.run(ask('{"number": 1}', "a"))
    assert (bad["rewards"], bad["extra_logs"]["failed"]) == (-1.0, 1.0)
    # What becomes a tensor is a number, whatever failed.
    assert all(isinstance(one, float) for one in bad["extra_logs"].values())


def test_openrlhf_may_ask_for_many_and_labels_may_be_texts() -> None:
    named = {**EXACT, "reference": "{{item.label}}"}
    found = openrlhf.reward(named, failed="raise")(["pa", "pb"], ["p", "p"], ["a", "a"])
    assert found["rewards"] == [1.0, 0.0]
    with pytest.raises(OptionError, match="is not JSON"):
        openrlhf.reward(named, failed=0.0)(["pa"], ["p"], ['{"a": '])
    with pytest.raises(OptionError, match="as many"):
        openrlhf.reward(named, failed=0.0)(["pa"], ["p"], [])
    with pytest.raises(OptionError, match="None cannot become a tensor"):
        openrlhf.reward(named, failed=None)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("Pa", "a"), ("Pa</s>", "a"), ("Pa<|im_end|>\n", "a"), ("Pa <eos><pad><pad>", "a "),
        ("other", "other"), ("P", ""),
    ],
)  # fmt: skip
def test_openrlhf_s_queries_are_cut_to_what_the_model_said(query: str, said: str) -> None:
    assert openrlhf.answer_of(query, "P", openrlhf.END_TOKENS) == said


# --- verifiers ------------------------------------------------------------------------------------


class Task:
    correct = verifiers.reward(BOTH, weight=2.0)

    def __init__(self, **data: Any) -> None:
        self.data = data


def test_verifiers_finds_a_reward_among_a_task_s_methods() -> None:
    for task in (Task(answer="a"), copy.deepcopy(Task(answer="a"))):
        trace = Trace("a")
        assert score(task, trace) == {"correct": 2.0}
        assert trace.metrics.pop("correct_seconds") > 0.0
        parts = {"correct_reward_exact": 1.0, "correct_reward_near": 1.0}
        assert trace.metrics == {"correct_failed": 0.0, **parts}


def test_verifiers_may_plug_one_by_its_config() -> None:
    """It wraps what a config names, and asks the signature what to hand in."""
    function = verifiers.reward(EXACT)

    @functools.wraps(function)
    def plugged(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    assert list(inspect.signature(plugged).parameters) == ["task", "trace"]
    found = plugged(task=SimpleNamespace(data={"answer": "a"}), trace=Trace("a"))
    assert asyncio.run(found) == 1.0


def test_verifiers_flat_calls_of_tools_are_the_chat_format_s() -> None:
    named = {**EXACT, "input": "{{sample.output_tools[0].function.name}}", "reference": "look"}
    trace = Trace()
    call = {"id": "c", "type": "function", "name": "look", "arguments": "{}"}
    trace.messages.append({"role": "assistant", "tool_calls": [call]})
    assert asyncio.run(verifiers.reward(named)({}, trace)) == 1.0


def test_verifiers_is_told_of_a_failure_by_an_exception_and_a_metric() -> None:
    trace = Trace()
    with pytest.raises(FailedError, match="nobody answers"):
        score(Task(answer="a"), trace)
    assert trace.metrics["correct_failed"] == 1.0
    assert "correct_reward_exact" not in trace.metrics  # It would stand in means, which NaN ends.
    plain = pickle.loads(pickle.dumps(verifiers.reward(EXACT, failed=0.0)))
    assert asyncio.run(plain(SimpleNamespace(data={"answer": "a"}), Trace())) == 0.0
    assert asyncio.run(plain({"answer": "a"}, Trace("a"))) == 1.0


# --- judges ---------------------------------------------------------------------------------------


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    """A judge that scores what is good, and has no number for what is bad."""
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def script(asked: Asked, _: int) -> Told:
        bad = "bad" in asked.body["messages"][0]["content"]
        return completion("no number" if bad else '{"result": 0.25, "steps": []}')

    server = ScriptedServer(script)
    yield server
    server.stop()


def test_what_judges_took_is_logged_of_each_row_also_of_those_that_failed(
    judge: ScriptedServer,
) -> None:
    options: Any = {"base_url": judge.url, "cache": "none", "attempts": 1}
    rated = {
        "type": "score_model", "name": "rated", "model": "m", "range": [0, 1],
        "input": [{"role": "user", "content": "Rate {{sample.output_text}} {{item.answer}}"}],
    }  # fmt: skip
    told = [
        verl.compute_score("d", said, None, {"answer": "a"}, source=rated, failed=0.0, **options)
        for said in ("good", "bad")
    ]
    assert [(one["failed"], one["judge_tokens"]) for one in told] == [(0.0, 15.0), (1.0, 15.0)]
    # A row that never came to be asked about has the same columns.
    lacking = verl.compute_score("d", "good", None, {}, source=rated, failed=0.0, **options)
    assert (lacking["failed"], lacking["judge_tokens"]) == (1.0, 0.0)
    several = openrlhf.reward(rated, failed=0.0, **options)
    logs = several(["good", "bad"], ["", ""], ['{"answer": "a"}'] * 2)["extra_logs"]
    assert (logs["failed"], logs["judge_tokens"]) == ([0.0, 1.0], [15.0, 15.0])
    trace = Trace("good")
    assert asyncio.run(verifiers.reward(rated, **options)({"answer": "a"}, trace)) == 0.25
    assert trace.metrics["rated_judge_tokens"] == 15.0
    _, info = gym.scorer(rated, failed=0.0, **options)({"answer": "a"}, "bad")
    assert (info["failed"], info["judge_tokens"]) == (True, 15.0)


@pytest.mark.more
def test_who_forgets_to_close_leaves_neither_thread_nor_connection(judge: ScriptedServer) -> None:
    rated = {
        "type": "score_model", "name": "rated", "model": "m", "range": [0, 1],
        "input": [{"role": "user", "content": "{{sample.output_text}}"}],
    }  # fmt: skip
    before = set(threading.enumerate())
    reward = graders.Reward(rated, base_url=judge.url, cache="none")
    assert asyncio.run(reward.areward(None, "good")) == 0.25
    started = set(threading.enumerate()) - before
    assert started
    del reward

    def over() -> bool:
        gc.collect()
        return not any(one.is_alive() for one in started)

    until(over)


# --- environments ---------------------------------------------------------------------------------


def test_an_environment_gets_a_number_and_what_goes_beside_it() -> None:
    score = pickle.loads(pickle.dumps(gym.scorer(BOTH, failed=0.0)))
    reward, info = score({"answer": "a"}, "a")
    assert info.pop("seconds") > 0.0
    assert (reward, info) == (1.0, {"failed": False, "reward_exact": 1.0, "reward_near": 1.0})
    reward, info = asyncio.run(score.ascore({}, "a"))
    assert (reward, info["failed"]) == (0.0, True)
    assert "item has no answer" in info["failure"]
    assert info["reward_exact"] is None  # NaN is no JSON.
    with pytest.raises(OptionError, match="knows no unscored row"):
        gym.scorer(BOTH, failed=None)
