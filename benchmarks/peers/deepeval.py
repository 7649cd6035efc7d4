"""DeepEval: a metric of our own a score, `evaluate` without its display, cache or telemetry."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

os.environ["DEEPEVAL_TELEMETRY_OPT_OUT"] = "YES"
os.chdir(tempfile.mkdtemp())  # It keeps a folder where it is run.

from deepeval import evaluate  # type: ignore[import-not-found, unused-ignore]  # noqa: E402
from deepeval.evaluate.configs import (  # type: ignore[import-not-found, unused-ignore]  # noqa: E402
    AsyncConfig,
    CacheConfig,
    DisplayConfig,
)
from deepeval.metrics import (  # type: ignore[import-not-found, unused-ignore]  # noqa: E402
    BaseMetric,
)
from deepeval.test_case import (  # type: ignore[import-not-found, unused-ignore]  # noqa: E402
    LLMTestCase,
)

from benchmarks.peers.common import SCORES, Columns, Pair, main  # noqa: E402


class Metric(BaseMetric):  # type: ignore[misc, unused-ignore]
    def __init__(self, name: str) -> None:
        self.name, self.threshold, self.async_mode = name, 0.5, False

    def measure(self, test_case: Any, *_: Any, **__: Any) -> float:
        self.score = SCORES[self.name](test_case.actual_output, test_case.expected_output)
        self.success = self.score >= self.threshold
        return self.score

    def is_successful(self) -> bool:
        return self.success

    @property
    def __name__(self) -> str:  # type: ignore[override, unused-ignore]
        return self.name


def prepare(pairs: Sequence[Pair]) -> Callable[[], Columns]:
    cases = [
        LLMTestCase(input="", actual_output=output, expected_output=reference)
        for output, reference in pairs
    ]
    metrics = [Metric(name) for name in SCORES]

    def score() -> Columns:
        found = evaluate(
            cases, metrics, async_config=AsyncConfig(run_async=False),
            cache_config=CacheConfig(write_cache=False),
            display_config=DisplayConfig(show_indicator=False, print_results=False),
        )  # fmt: skip
        rows = sorted(found.test_results, key=lambda one: one.index)
        return {
            name: [one.metrics_data[at].score for one in rows] for at, name in enumerate(SCORES)
        }

    return score


if __name__ == "__main__":
    main(prepare)
