"""azure-ai-evaluation: a callable a score, `evaluate` over a file of rows, which is its only input."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from azure.ai.evaluation import (  # type: ignore[import-not-found, unused-ignore]
    evaluate,
)

from benchmarks.peers.common import SCORES, Columns, Pair, main


def evaluator(name: str) -> Callable[..., dict[str, float]]:
    def grade(*, response: str, ground_truth: str) -> dict[str, float]:
        return {name: SCORES[name](response, ground_truth)}

    return grade


def prepare(pairs: Sequence[Pair]) -> Callable[[], Columns]:
    rows = Path(tempfile.mkdtemp(), "rows.jsonl")
    lines = [json.dumps({"response": one, "ground_truth": other}) for one, other in pairs]
    rows.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def score() -> Columns:
        found = evaluate(data=str(rows), evaluators={name: evaluator(name) for name in SCORES})
        return {name: [row[f"outputs.{name}.{name}"] for row in found["rows"]] for name in SCORES}

    return score


if __name__ == "__main__":
    main(prepare)
