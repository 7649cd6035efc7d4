"""Ours: JSON Lines in memory to result lines in memory, so decoding and encoding are timed too."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence

import graders
from benchmarks.corpus import GRADER
from benchmarks.peers.common import SCORES, Columns, Pair, main
from graders.batch.score import score_block
from graders.grading.runner import Runner
from graders.rows import Layout, read_blocks


def prepare(pairs: Sequence[Pair]) -> Callable[[], Columns]:
    lines = b"".join(
        json.dumps({"item": {"reference": reference}, "sample": {"output_text": output}}).encode()
        + b"\n"
        for output, reference in pairs
    )
    plan = graders.load(GRADER).plan

    def score() -> Columns:
        runner = Runner(plan)
        results = b"".join(
            score_block(runner, block, Layout()).lines
            for block in read_blocks(io.BytesIO(lines), 1 << 20)
        )
        found = [json.loads(line)["sub_rewards"] for line in results.splitlines()]
        return {name: [one[name] for one in found] for name in SCORES}

    return score


if __name__ == "__main__":
    main(prepare)
