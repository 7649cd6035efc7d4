"""verifiers scores its own traces by a grader: as a task's method, and plugged by a config."""

from __future__ import annotations

import asyncio
import copy
import sys
from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("verifiers")

import verifiers.v1 as vf
from verifiers.v1.errors import TaskError
from verifiers.v1.graph import MessageNode
from verifiers.v1.trace import AgentInfo, Trace, TraceTask
from verifiers.v1.types import AssistantMessage, ToolCall, UserMessage

from graders.adapters import verifiers
from tests.adapters.conftest import BOTH, EXACT

pytestmark = pytest.mark.trainers

TOOL: dict[str, Any] = {
    "type": "string_check", "name": "tool", "operation": "eq", "reference": "look",
    "input": "{{ sample.output_tools[0].function.name }}",
}  # fmt: skip


class Data(vf.TaskData):
    answer: str | None = None


class Capitals(vf.Task[Data]):
    correct = verifiers.reward(BOTH, weight=2.0)


class Tools(vf.Task[Data]):
    tool = verifiers.reward(TOOL)


def trace(data: Data, *said: AssistantMessage) -> Any:
    messages = [UserMessage(content="q"), *said]
    nodes = [
        MessageNode(message=one, parent=at - 1 if at else None, sampled=at > 0)
        for at, one in enumerate(messages)
    ]
    task = TraceTask[Data](type="t", data=data)
    return Trace(task=task, agent=AgentInfo.model_construct(), nodes=nodes)


def score(kind: type[vf.Task], data: Data, *said: AssistantMessage, **config: Any) -> Any:
    task = kind(data, kind.config_type()(**config))
    found = trace(data, *said)
    asyncio.run(copy.deepcopy(task).score(found))
    return found


def test_a_method_of_a_task() -> None:
    found = score(Capitals, Data(answer="a"), AssistantMessage(content="a"))
    assert found.reward == 2.0
    assert found.metrics.pop("correct_seconds") > 0.0
    parts = {"correct_reward_exact": 1.0, "correct_reward_near": 1.0}
    assert found.metrics == {"correct_failed": 0.0, **parts}


def test_a_row_that_fails_has_no_reward() -> None:
    data, said = Data(), AssistantMessage(content="a")
    lacking = {
        **BOTH,
        "graders": {**BOTH["graders"], "exact": {**EXACT, "reference": "{{item.no}}"}},
    }

    class Lacking(vf.Task[Data]):
        correct = verifiers.reward(lacking)

    task, found = Lacking(data, Lacking.config_type()()), trace(data, said)
    with pytest.raises(TaskError, match="item has no no"):
        asyncio.run(task.score(found))
    assert found.rewards == {"correct": None}
    assert found.metrics["correct_failed"] == 1.0


def test_it_is_plugged_by_a_config() -> None:
    module = ModuleType("my_rewards")
    module.exact = verifiers.reward(EXACT)  # type: ignore[attr-defined]
    sys.modules["my_rewards"] = module
    plugged = {"right": {"fn": "my_rewards:exact", "weight": 3.0}}

    class Plain(vf.Task[Data]):
        pass

    found = score(Plain, Data(answer="a"), AssistantMessage(content="a"), rewards=plugged)
    assert found.reward == 3.0


def test_calls_of_tools_are_seen() -> None:
    call = ToolCall(id="c", name="look", arguments="{}")
    found = score(Tools, Data(), AssistantMessage(content=None, tool_calls=[call]))
    assert found.reward == 1.0
