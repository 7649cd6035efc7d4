"""verifiers 0.1.14: a Rubric of four reward functions, `score_group`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import verifiers as vf  # type: ignore[import-not-found, unused-ignore]

from benchmarks.peers.common import SCORES, Columns, Pair, main


def reward(name: str) -> Callable[..., float]:
    def grade(completion: Any, answer: str) -> float:
        return SCORES[name](completion[0]["content"], answer)

    grade.__name__ = name
    return grade


def prepare(pairs: Sequence[Pair]) -> Callable[[], Columns]:
    rubric = vf.Rubric(funcs=[reward(name) for name in SCORES], weights=[0.1, 0.2, 0.3, 0.4])
    states = [
        vf.State(
            prompt=[{"role": "user", "content": "question"}],
            completion=[{"role": "assistant", "content": output}],
            answer=reference,
            task="rows",
            info={},
            timing={"generation_ms": 0.0, "scoring_ms": 0.0, "total_ms": 0.0},
            trajectory=[],
        )
        for output, reference in pairs
    ]

    def score() -> Columns:
        asyncio.run(rubric.score_group(states))
        return {name: [state["metrics"][name] for state in states] for name in SCORES}

    return score


if __name__ == "__main__":
    main(prepare)
