"""OpenRLHF's own executor asks a reward, by a file and by HTTP, for what a model has just said."""

from __future__ import annotations

import asyncio
import json
import math
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("openrlhf")

import torch
from openrlhf.utils.agent import SingleTurnAgentExecutor

from graders.adapters import openrlhf
from tests.adapters.conftest import BOTH

pytestmark = pytest.mark.trainers


class Letters:
    """What stands for a tokenizer: a token is a character, and 0 the end."""

    def __call__(self, text: str, **_: Any) -> dict[str, Any]:
        return {"input_ids": torch.tensor([[ord(one) for one in text]])}

    def decode(self, tokens: Any, **_: Any) -> str:
        return "".join("</s>" if one == 0 else chr(one) for one in tokens)


class Engine:
    """What stands for a model: it says what it is to say."""

    def __init__(self, says: list[str]) -> None:
        self.says = iter(says)

    async def generate(self, prompt: Any, *_: Any, **__: Any) -> Any:
        tokens = [*map(ord, next(self.says)), 0]
        said = SimpleNamespace(token_ids=tokens, finish_reason="stop", logprobs=None)
        return SimpleNamespace(outputs=[said])


SAYS = ["a", "b", "a"] * 20
LABELS = ['{"answer": "a"}', '{"answer": "a"}', '{"number": 1}'] * 20


def answers(url: str) -> list[dict[str, Any]]:
    executor = SingleTurnAgentExecutor(url)
    engine = Engine(SAYS)

    async def ask() -> list[dict[str, Any]]:
        sampling = SimpleNamespace(max_tokens=8, logprobs=None)
        return list(
            await asyncio.gather(
                *(
                    executor.execute("Capital of France? ", label, sampling, 64, Letters(), engine)
                    for label in LABELS
                )
            )
        )

    return asyncio.run(ask())


FILE = """
from graders.adapters import openrlhf
reward_func = openrlhf.reward({source!r}, failed={failed!r})
"""


def test_by_a_file(tmp_path: Path) -> None:
    (tmp_path / "grader.json").write_text(json.dumps(BOTH))
    place = tmp_path / "reward.py"
    place.write_text(FILE.format(source=str(tmp_path / "grader.json"), failed=-1.0))
    found = answers(str(place))
    assert [one["reward"] for one in found] == [1.0, 0.0, -1.0] * 20
    assert [one["extra_logs"]["failed"] for one in found] == [0.0, 0.0, 1.0] * 20
    for one in found:  # As its samples generator does with them.
        tensors = {key: torch.tensor([value]) for key, value in one["extra_logs"].items()}
        assert tensors["reward_near"].dtype == torch.float32
        assert torch.tensor([one["reward"]]).dtype == torch.float32
    assert math.isnan(found[2]["extra_logs"]["reward_exact"])


def test_a_row_that_raises_has_no_reward_and_the_others_keep_theirs(tmp_path: Path) -> None:
    (tmp_path / "grader.json").write_text(json.dumps(BOTH))
    place = tmp_path / "reward.py"
    place.write_text(FILE.format(source=str(tmp_path / "grader.json"), failed="raise"))
    assert [one["reward"] for one in answers(str(place))] == [1.0, 0.0, None] * 20


@pytest.fixture
def server() -> Iterator[str]:
    """The same function behind HTTP, as a user would put it there."""
    function = openrlhf.reward(BOTH, failed=-1.0)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            told = function(asked["query"], asked["prompts"], asked["labels"])
            told["extra_logs"] = {key: one for key, one in told["extra_logs"].items() if one == one}
            body = json.dumps(told).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    class Many(ThreadingHTTPServer):
        request_queue_size = 128

    serving = Many(("127.0.0.1", 0), Handler)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{serving.server_port}/"
    serving.shutdown()
    serving.server_close()


def test_its_http_caller(server: str) -> None:
    found = answers(server)
    assert [one["reward"] for one in found] == [1.0, 0.0, -1.0] * 20
    assert [one["extra_logs"]["failed"] for one in found] == [0.0, 0.0, 1.0] * 20
