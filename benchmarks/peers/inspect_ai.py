"""Inspect AI: `score()` of a log held in memory, a scorer a score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from inspect_ai import score as score_log  # type: ignore[import-not-found, unused-ignore]
from inspect_ai.log import (  # type: ignore[import-not-found, unused-ignore]
    EvalConfig,
    EvalDataset,
    EvalLog,
    EvalSample,
    EvalSpec,
)
from inspect_ai.model import ModelOutput  # type: ignore[import-not-found, unused-ignore]
from inspect_ai.scorer import (  # type: ignore[import-not-found, unused-ignore]
    Score,
    mean,
    scorer,
)

from benchmarks.peers.common import SCORES, Columns, Pair, main


def scorer_of(name: str) -> Any:
    @scorer(metrics=[mean()], name=name)  # type: ignore[untyped-decorator, unused-ignore]
    def make() -> Any:
        async def grade(state: Any, target: Any) -> Any:
            return Score(value=SCORES[name](state.output.completion, target.text))

        return grade

    return make()


def prepare(pairs: Sequence[Pair]) -> Callable[[], Columns]:
    samples = [
        EvalSample(
            id=index,
            epoch=1,
            input="question",
            target=reference,
            output=ModelOutput.from_content("none/none", output),
        )
        for index, (output, reference) in enumerate(pairs)
    ]
    spec = EvalSpec(
        created="2025-01-01T00:00:00+00:00",
        task="rows",
        dataset=EvalDataset(name="rows", samples=len(samples)),
        model="none/none",
        config=EvalConfig(),
    )
    log = EvalLog(status="success", eval=spec, samples=samples)
    scorers = [scorer_of(name) for name in SCORES]

    def score() -> Columns:
        # copy=False: nothing but the scoring is timed, not the copy of the log.
        found = score_log(log, scorers, action="overwrite", display="none", copy=False)
        return {name: [one.scores[name].value for one in found.samples] for name in SCORES}

    return score


if __name__ == "__main__":
    main(prepare)
