"""Whether trainers call as their stubs here do: looked up in the source of each that is installed."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import textwrap
from collections.abc import Iterator

import pytest


def source(module: str, name: str) -> ast.Module:
    """Return the syntax of something of a trainer; skips where it is not installed."""
    if importlib.util.find_spec(module.partition(".")[0]) is None:
        pytest.skip(f"{module.partition('.')[0]} is not installed")
    found = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return ast.parse(textwrap.dedent(inspect.getsource(found)))


def calls(tree: ast.Module, callee: str) -> Iterator[ast.Call]:
    for one in ast.walk(tree):
        if isinstance(one, ast.Call) and ast.unparse(one.func) == callee:
            yield one


def keywords(call: ast.Call) -> set[str]:
    """Return the keywords of a call; `**name` for what it unpacks."""
    return {one.arg or f"**{ast.unparse(one.value)}" for one in call.keywords}


def test_trl_calls_by_these_keywords() -> None:
    tree = source("trl", "GRPOTrainer._calculate_rewards")
    wanted = {"prompts", "completions", "completion_ids", "**reward_kwargs"}
    by_function = [keywords(one) for one in calls(tree, "reward_func") if not one.args]
    assert wanted in by_function
    for awaited in calls(tree, "func"):
        assert keywords(awaited) == wanted
    given = {
        one.slice.value
        for one in ast.walk(tree)
        if isinstance(one, ast.Subscript)
        and ast.unparse(one.value) == "reward_kwargs"
        and isinstance(one.slice, ast.Constant)
    }
    assert given <= {"trainer_state", "log_extra", "log_metric", "environments"}
    assert "trainer_state" in given


@pytest.mark.parametrize("manager", ["naive.NaiveRewardManager", "dapo.DAPORewardManager"])
def test_verl_calls_by_these_keywords(manager: str) -> None:
    module, _, name = manager.partition(".")
    place = f"verl.experimental.reward_loop.reward_manager.{module}"
    found = [keywords(one) for one in calls(source(place, name), "self.compute_score")]
    row = {"data_source", "solution_str", "ground_truth", "extra_info"}
    assert found == [row | {"**extra_reward_kwargs"}] * 2  # In a thread, or awaited.


def test_openrlhf_calls_in_a_thread_with_three_lists() -> None:
    tree = source("openrlhf.utils.agent", "SingleTurnAgentExecutor._fetch_rewards_via_func")
    (call,) = calls(tree, "asyncio.to_thread")
    names = [ast.unparse(one).partition("[")[0] for one in call.args]
    assert names == ["self.reward_func", "queries_list", "prompts_list", "labels_list"]


def test_verifiers_hands_in_what_a_signature_asks_for() -> None:
    tree = source("verifiers.v1", "Task.score")
    (given,) = [
        one.value
        for one in ast.walk(tree)
        if isinstance(one, ast.Assign) and ast.unparse(one.targets[0]) == "available"
    ]
    assert isinstance(given, ast.Dict)
    assert {ast.unparse(one) for one in given.keys if one} == {"'task'", "'trace'"}
    marks = [ast.literal_eval(one.args[0]) for one in calls(tree, "self.hooks")]
    assert "reward" in marks


def test_nemo_gym_s_answer_has_a_number_for_each() -> None:
    tree = source("nemo_gym.base_resources_server", "BaseVerifyResponse")
    assert "reward: float" in ast.unparse(tree)


def test_skyrl_gym_s_step_has_a_number_for_each() -> None:
    tree = source("skyrl_gym.envs.base_text_env", "BaseTextEnvStepOutput")
    said = ast.unparse(tree)
    assert "reward: float" in said
    assert "metadata: Dict[str, Any]" in said
