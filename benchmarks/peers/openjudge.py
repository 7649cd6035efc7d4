"""OpenJudge: a FunctionGrader a score, one GradingRunner."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from openjudge.graders.function_grader import (  # type: ignore[import-not-found, unused-ignore]
    FunctionGrader,
)
from openjudge.graders.schema import (  # type: ignore[import-not-found, unused-ignore]
    GraderScore,
)
from openjudge.runner.grading_runner import (  # type: ignore[import-not-found, unused-ignore]
    GradingRunner,
)

from benchmarks.peers.common import SCORES, Columns, Pair, main


def grader(name: str) -> Any:
    async def grade(output: str, reference: str) -> Any:
        return GraderScore(name=name, score=SCORES[name](output, reference), reason="")

    return FunctionGrader(grade, name=name)


def prepare(pairs: Sequence[Pair]) -> Callable[[], Columns]:
    rows = [{"output": output, "reference": reference} for output, reference in pairs]
    runner = GradingRunner({name: grader(name) for name in SCORES}, show_progress=False)

    def score() -> Columns:
        found = asyncio.run(runner.arun(rows))
        return {name: [one.score for one in found[name]] for name in SCORES}

    return score


if __name__ == "__main__":
    main(prepare)
