"""The examples of docs/howto/train-gym.md, each run with the package that it is for."""

from __future__ import annotations

import asyncio
import importlib.util
import re
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

pytestmark = pytest.mark.trainers

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "train-gym.md"


@pytest.fixture
def example(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ModuleType:
    """Return the page's example for a package, beside the page's grader."""
    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    text = PAGE.read_text(encoding="utf-8")
    (grader,) = re.findall(r"```json file=grader.json\n(.*?)```", text, re.DOTALL)
    (tmp_path / "grader.json").write_text(grader, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (code,) = [
        one for one in blocks if re.search(rf"^(import|from) {request.param}\b", one, re.MULTILINE)
    ]
    (tmp_path / "example.py").write_text(code, encoding="utf-8")
    place = importlib.util.spec_from_file_location("example", tmp_path / "example.py")
    assert place is not None
    assert place.loader is not None
    module = importlib.util.module_from_spec(place)
    place.loader.exec_module(module)
    return module


@pytest.mark.parametrize("example", ["nemo_gym"], indirect=True)
def test_nemo_gym(example: ModuleType) -> None:
    from fastapi.testclient import TestClient

    server = example.Capitals.model_construct(
        config=SimpleNamespace(name="capitals"), server_client=None
    )
    app = (
        example.Capitals.setup_webserver.__wrapped__(server)
        if hasattr(example.Capitals.setup_webserver, "__wrapped__")
        else server.setup_webserver()
    )
    client = TestClient(app)
    reply = {
        "id": "r", "created_at": 0.0, "model": "m", "object": "response", "parallel_tool_calls": False,
        "tool_choice": "auto", "tools": [],
        "output": [
            {"id": "m", "type": "message", "role": "assistant", "status": "completed",
             "content": [{"type": "output_text", "text": "It is Paris.", "annotations": []}]},
        ],
    }  # fmt: skip
    asked = {"responses_create_params": {"input": "Capital of France?"}, "response": reply}
    found = client.post("/verify", json=asked | {"answer": "Paris"})
    assert found.status_code == 200, found.text
    assert found.json()["reward"] == 1.0
    info = found.json()["info"]
    assert info.pop("seconds") > 0.0
    assert info == {"failed": False, "reward_right": 1.0, "reward_short": 1.0}
    failed = client.post("/verify", json=asked).json()
    assert (failed["reward"], failed["info"]["failed"]) == (0.0, True)
    assert "item has no answer" in failed["info"]["failure"]


@pytest.mark.parametrize("example", ["skyrl_gym"], indirect=True)
def test_skyrl_gym(example: ModuleType) -> None:
    import skyrl_gym
    from skyrl_gym.envs.registration import register

    register(id="capitals", entry_point=example.Capitals)
    environment = skyrl_gym.make("capitals", extras={"reward_spec": {"answer": "Paris"}})
    environment.init([{"role": "user", "content": "Capital of France?"}])
    found = environment.step("It is Paris.")
    assert (found["reward"], found["done"]) == (1.0, True)
    failed = example.Capitals(extras={"reward_spec": {}}).step("It is Paris.")
    assert (failed["reward"], failed["metadata"]["failed"]) == (0.0, True)


@pytest.mark.parametrize("example", ["art"], indirect=True)
def test_art(example: ModuleType) -> None:
    import art

    talk: list[Any] = [
        {"role": "user", "content": "Capital of France?"},
        {"role": "assistant", "content": "It is Paris."},
    ]

    async def run() -> Any:
        return await art.gather_trajectory_groups(
            art.TrajectoryGroup(
                example.scored(art.Trajectory(messages_and_choices=talk), row)
                for row in ({"answer": "Paris"}, {"answer": "Rome"}, {})
            )
            for _ in range(1)
        )

    (group,) = asyncio.run(run())
    group.trajectories.sort(key=lambda one: -one.reward)  # They come as they are done.
    assert [one.reward for one in group.trajectories] == [1.0, 0.2, 0.0]
    assert [one.metrics["failed"] for one in group.trajectories] == [False, False, True]
    assert "item has no answer" in group.trajectories[2].metadata["failure"]


@pytest.mark.parametrize("example", ["tinker"], indirect=True)
def test_tinker_cookbook(example: ModuleType) -> None:
    import tinker

    class Letters:
        """What stands for a renderer: a token is a character."""

        def build_generation_prompt(self, messages: Any) -> Any:
            return tinker.ModelInput.from_ints([ord(one) for one in messages[0]["content"]])

        def get_stop_sequences(self) -> list[str]:
            return ["\n"]

        def parse_response(self, action: list[int]) -> Any:
            return {"role": "assistant", "content": "".join(map(chr, action))}, True

    async def run(row: dict[str, Any]) -> Any:
        environment = example.Capitals(Letters(), "Capital of France?", row)
        observed, stop = await environment.initial_observation()
        assert observed.length == 18
        assert stop == ["\n"]
        return await environment.step([ord(one) for one in "It is Paris."])

    found, failed = asyncio.run(run({"answer": "Paris"})), asyncio.run(run({}))
    assert (found.reward, found.episode_done, found.metrics["reward_right"]) == (1.0, True, 1.0)
    assert (failed.reward, failed.metrics["failed"]) == (0.0, 1.0)
    assert "item has no answer" in failed.logs["failure"]
