"""Polite clients that check every answer, and go on while others misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final

from tests.load.wire import Reply, Wire, multipart

EXACT: Final[dict[str, Any]] = {
    "type": "string_check", "name": "exact", "operation": "eq",
    "input": "{{ sample.output_text }}", "reference": "{{ item.answer }}",
}  # fmt: skip
CLOSE: Final[dict[str, Any]] = {
    "type": "text_similarity", "name": "close", "evaluation_metric": "fuzzy_match",
    "input": "{{ sample.output_text }}", "reference": "{{ item.answer }}",
}  # fmt: skip
ROUGE: Final[dict[str, Any]] = {**CLOSE, "evaluation_metric": "rouge_l"}
PYTHON: Final[dict[str, Any]] = {
    "type": "python", "name": "length",
    "source": "def grade(sample, item):\n    return len(sample['output_text']) / item['length']\n",
}  # fmt: skip
MULTI: Final[dict[str, Any]] = {
    "type": "multi", "name": "both", "graders": {"exact": EXACT, "close": CLOSE},
    "calculate_output": "0.5 * exact + 0.5 * close",
}  # fmt: skip
RUN: Final = "/v1/fine_tuning/alpha/graders/run"
VALIDATE: Final = "/v1/fine_tuning/alpha/graders/validate"


def body(grader: dict[str, Any], sample: str = "a", **item: Any) -> dict[str, Any]:
    """Return the body of a run."""
    return {"grader": grader, "model_sample": sample, "item": {"answer": "a", **item}}


@dataclass
class Crowd:
    """What polite clients saw.

    Attributes:
        done: answers of each kind that were right.
        faults: what was wrong, the first of each.
        slowest: seconds of the slowest answer.
        forgiven: how many answers were what `forgives` has, and nobody's fault.
    """

    done: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest: float = 0.0
    stopped: bool = False
    forgives: tuple[str, ...] = ()
    forgiven: int = 0

    def check(self) -> None:
        """Raise where anybody was not served."""
        assert not self.faults, f"{len(self.faults)} faults: {self.faults[:5]}; {self.done}"
        assert self.done, "nobody asked anything"

    async def person(
        self, port: int, number: int, *, python: bool = True, rewards: bool = False
    ) -> None:
        """Ask one thing after the other until told to stop."""
        kinds = [_exact, _close, _rouge, _multi, _validate, _bad, _lists, _file]
        if python:
            kinds.append(_python)
        if rewards:
            kinds.append(_rewards)
        async with Wire(port) as wire:
            for turn in itertools.count(number):
                if self.stopped:
                    return
                kind = kinds[turn % len(kinds)]
                began = time.monotonic()
                try:
                    await kind(wire, turn)
                except Exception as error:  # noqa: BLE001  (whatever it was is a fault to report)
                    if any(each in str(error) for each in self.forgives):
                        self.forgiven += 1
                        continue
                    self.faults.append(f"{kind.__name__}: {type(error).__name__} {error}"[:400])
                    if len(self.faults) > 20:
                        return
                    await wire.close()
                else:
                    self.done[kind.__name__] += 1
                self.slowest = max(self.slowest, time.monotonic() - began)

    @contextlib.asynccontextmanager
    async def around(self, port: int, people: int = 4, **options: Any) -> AsyncIterator[None]:
        """Have polite clients ask while something else goes on; raise where they were not served."""
        tasks = [
            asyncio.create_task(self.person(port, number, **options)) for number in range(people)
        ]
        try:
            yield
        finally:
            self.stopped = True
            await asyncio.gather(*tasks)
        self.check()


def _right(reply: Reply, reward: float) -> None:
    assert reply.status == 200, (reply.status, reply.body[:300])
    assert abs(reply.json["reward"] - reward) < 1e-9, reply.json
    assert reply.headers["x-request-id"]


async def _exact(wire: Wire, turn: int) -> None:
    sample = "ab"[turn % 2]
    _right(await wire.ask("POST", RUN, body(EXACT, sample)), float(sample == "a"))


async def _close(wire: Wire, turn: int) -> None:
    answer = "x" * (turn % 7 + 1)
    _right(
        await wire.ask("POST", RUN, body(CLOSE, answer + "y" * len(answer), answer=answer)), 2 / 3
    )


async def _rouge(wire: Wire, turn: int) -> None:
    text = " ".join(f"word{n + turn % 50}" for n in range(200))
    _right(await wire.ask("POST", RUN, body(ROUGE, text, answer=text)), 1.0)


async def _multi(wire: Wire, turn: int) -> None:
    _right(await wire.ask("POST", RUN, body(MULTI, "a", turn=turn)), 1.0)


async def _python(wire: Wire, turn: int) -> None:
    _right(await wire.ask("POST", RUN, body(PYTHON, "a" * (turn % 5), length=4)), turn % 5 / 4)


async def _rewards(wire: Wire, turn: int) -> None:
    """Ask a server that serves MULTI as `both`; of a batch each third row fails."""
    if turn % 2:
        label = json.dumps({"answer": "a"})
        lone = {"query": ["ab"[turn // 2 % 2]], "prompts": [""], "labels": [label]}
        reply = await wire.ask("POST", "/v1/rewards/openrlhf/both", lone)
        assert reply.status == 200, reply
        assert reply.json["rewards"] == [1.0, 0.0][turn // 2 % 2], reply.json
        return
    rows = [
        {"item": {"answer": "a"} if n % 3 else {}, "sample": "ab"[n % 2]} for n in range(turn % 9)
    ]
    reply = await wire.ask("POST", "/v1/rewards/batch/both", {"rows": rows})
    assert reply.status == 200, reply
    expected = [None if n % 3 == 0 else 1.0 - n % 2 for n in range(len(rows))]
    assert reply.json["rewards"] == expected, reply.json


async def _validate(wire: Wire, turn: int) -> None:
    reply = await wire.ask("POST", VALIDATE, {"grader": {**EXACT, "name": f"n{turn % 100}"}})
    assert reply.status == 200, reply
    assert reply.json["grader"]["name"] == f"n{turn % 100}", reply.json


async def _bad(wire: Wire, turn: int) -> None:
    reply = await wire.ask("POST", RUN, body({**EXACT, "operation": f"o{turn % 100}"}))
    assert reply.status == 400, reply
    assert reply.error["param"] == "grader.operation", reply.error


async def _lists(wire: Wire, turn: int) -> None:
    path = ("/v1/files?limit=5", "/v1/fine_tuning/jobs?limit=5", "/healthz")[turn % 3]
    reply = await wire.ask("GET", path)
    assert reply.status == 200, reply


async def _file(wire: Wire, turn: int) -> None:
    content = b"x" * (turn * 997 % 20_000)
    sent, kind = multipart(
        [('name="purpose"', b"user_data"), (f'name="file"; filename="{turn}.bin"', content)]
    )
    made = await wire.ask("POST", "/v1/files", sent, content_type=kind)
    assert made.status == 200, made
    name = made.json["id"]
    got = await wire.ask("GET", f"/v1/files/{name}/content")
    assert got.body == content
    gone = await wire.ask("DELETE", f"/v1/files/{name}")
    assert gone.status == 200, gone
    assert gone.json["deleted"] is True
