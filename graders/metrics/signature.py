"""The signature of a metric: one line that says exactly what was computed, as sacrebleu prints it.

Two scores may be compared when their signatures are equal.
"""

from __future__ import annotations

from graders.metrics.metric import MetricOptions
from graders.metrics.table import metric_of
from graders.version import __version__

__all__ = ["signature"]


def signature(metric: str, options: MetricOptions | None = None) -> str:
    """Return `metric|key:value|...` with everything a score depends on.

    Args:
        metric: one of `METRICS`, or of an extension.
        options: the options scored with; the defaults when None.

    Raises:
        OptionError: there is no metric of that name.
        UnavailableError: the metric is `cosine`, or its extension cannot be used.
    """
    parts = [*metric_of(metric).parts(options or MetricOptions()), ("graders", __version__)]
    return "|".join([metric, *(f"{key}:{value}" for key, value in parts)])
