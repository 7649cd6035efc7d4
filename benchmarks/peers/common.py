"""What the peers' scripts share: the rows, the four scores, the report."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.careful_script import SCORES

__all__ = ["SCORES", "Columns", "Pair", "main"]

Pair = tuple[str, str]
"""An output and its reference."""
Columns = Mapping[str, Sequence[float]]
"""The scores by name, a number a row."""


def main(prepare: Callable[[Sequence[Pair]], Callable[[], Columns]]) -> None:
    """Read the rows named on the command line, score them, print CPU seconds and means.

    Only the call that `prepare` returns is timed: no imports, no reading, no making of the
    harness's own objects for the rows.
    """
    pairs = []
    with Path(sys.argv[1]).open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            pairs.append((row["sample"]["output_text"], row["item"]["reference"]))
    prepare(pairs[:20])()  # What is loaded on first use is loaded.
    score = prepare(pairs)
    start = time.process_time()
    columns = score()
    seconds = time.process_time() - start
    means = {name: math.fsum(columns[name]) / len(columns[name]) for name in SCORES}
    print(json.dumps({"seconds": seconds, "rows": len(columns["exact"]), "means": means}))
