"""No harness: the four library calls in a loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.peers.common import SCORES, Columns, Pair, main


def prepare(pairs: Sequence[Pair]) -> Callable[[], Columns]:
    return lambda: {
        name: [score(output, reference) for output, reference in pairs]
        for name, score in SCORES.items()
    }


if __name__ == "__main__":
    main(prepare)
