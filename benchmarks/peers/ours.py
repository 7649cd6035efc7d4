"""Ours: JSON Lines in memory to result lines in memory, so decoding and encoding are timed too."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence

import graders
from benchmarks.corpus import GRADER
from benchmarks.peers.common import SCORES, Columns, Pair, main
from graders.engine.runner import Runner
from graders.engine.score import score_stream
from graders.rows import Layout


def prepare(pairs: Sequence[Pair]) -> Callable[[], Columns]:
    lines = b"".join(
        json.dumps({"item": {"reference": reference}, "sample": {"output_text": output}}).encode()
        + b"\n"
        for output, reference in pairs
    )
    plan = graders.load(GRADER).plan

    def score() -> Columns:
        results = io.BytesIO()
        score_stream(Runner(plan), io.BytesIO(lines), results, Layout())
        found = [json.loads(line)["sub_rewards"] for line in results.getvalue().splitlines()]
        return {name: [one[name] for one in found] for name in SCORES}

    return score


if __name__ == "__main__":
    main(prepare)
