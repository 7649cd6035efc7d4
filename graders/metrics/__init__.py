"""Text similarity, equal to rapidfuzz, nltk and rouge-score to the last bit, for many rows at once.

    >>> from graders.metrics import rouge_l
    >>> rouge_l(["the cat sat"], ["the cat sat down"])
    [0.8571428571428571]

Each function takes a column of candidates and a column of references and returns a score a row.
`Scorer` computes several metrics of the same rows together and remembers texts between calls.
Every metric accepts any `str` (empty, lone surrogates, NUL, ten million characters), never raises
or warns because of a text, and returns finite floats. Texts are compared as they are: no metric
normalises Unicode or strips. A metric's library is loaded on its first use, not before.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from graders.metrics.metric import (
    Defined,
    Family,
    Metric,
    MetricFault,
    MetricOptions,
    Parts,
    Request,
    library,
)
from graders.metrics.native import NativeCore, native_core
from graders.metrics.scorer import Scorer
from graders.metrics.table import METRICS, metric_of, signature

if TYPE_CHECKING:
    from graders.metrics.fuzzy import fuzzy_match
    from graders.metrics.rouge import rouge_1, rouge_2, rouge_3, rouge_4, rouge_5, rouge_l
    from graders.metrics.translation import bleu, gleu, meteor

__all__ = [
    "METRICS",
    "Defined",
    "Family",
    "Metric",
    "MetricFault",
    "MetricOptions",
    "NativeCore",
    "Parts",
    "Request",
    "Scorer",
    "bleu",
    "fuzzy_match",
    "gleu",
    "library",
    "meteor",
    "metric_of",
    "native_core",
    "rouge_1",
    "rouge_2",
    "rouge_3",
    "rouge_4",
    "rouge_5",
    "rouge_l",
    "signature",
]


def __getattr__(name: str) -> Any:
    """Return the function of a metric, which stands beside the metric."""
    if name not in METRICS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(METRICS[name].family.__module__), name)
