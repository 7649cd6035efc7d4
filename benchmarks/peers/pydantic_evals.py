"""pydantic-evals: a Dataset of cases, an Evaluator a score, `evaluate_sync`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic_evals import Case, Dataset  # type: ignore[import-not-found, unused-ignore]
from pydantic_evals.evaluators import (  # type: ignore[import-not-found, unused-ignore]
    Evaluator,
    EvaluatorContext,
)

from benchmarks.peers.common import SCORES, Columns, Pair, main


@dataclass
class Score(Evaluator[str, str, None]):  # type: ignore[misc, unused-ignore]
    score: str

    def evaluate(self, ctx: EvaluatorContext[str, str, None]) -> dict[str, float]:
        return {self.score: SCORES[self.score](ctx.output, ctx.expected_output)}


def task(output: str) -> str:
    """The "model": the saved output."""
    return output


def prepare(pairs: Sequence[Pair]) -> Callable[[], Columns]:
    dataset = Dataset(
        name="rows",
        cases=[
            Case(name=str(index), inputs=output, expected_output=reference)
            for index, (output, reference) in enumerate(pairs)
        ],
        evaluators=[Score(name) for name in SCORES],
    )

    def score() -> Columns:
        report = dataset.evaluate_sync(task, progress=False)
        return {name: [case.scores[name].value for case in report.cases] for name in SCORES}

    return score


if __name__ == "__main__":
    main(prepare)
