"""The table of metrics: what an `evaluation_metric` means. A metric has a module beside this and a row here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from graders import extension
from graders.errors import OptionError, UnavailableError
from graders.metrics.fuzzy import FUZZY_MATCH
from graders.metrics.metric import Metric
from graders.metrics.rouge import ROUGES
from graders.metrics.translation import BLEU, GLEU, METEOR

__all__ = ["METRICS", "metric_of"]

METRICS: Final[Mapping[str, Metric]] = {
    metric.name: metric for metric in (FUZZY_MATCH, BLEU, GLEU, METEOR, *ROUGES)
}
"""Every metric of ours, by name."""


def metric_of(name: str) -> Metric:
    """Return the metric of a name, one of ours or of an extension.

    Raises:
        OptionError: there is no metric of that name.
        UnavailableError: the metric is `cosine`, which needs embeddings, or its extension cannot
            be used.
    """
    if (metric := METRICS.get(name)) is not None:
        return metric
    if name == "cosine":
        raise UnavailableError(
            "cosine compares embeddings, and graders.metrics makes none; a grader asks a server "
            "or the embedded model for them, see graders.load"
        )
    if (found := extension.find("metrics", name)) is not None:
        from graders.metrics.checked import load_metric

        return load_metric(found)
    listed = ", ".join([*METRICS, *extension.names("metrics")])
    raise OptionError(f"there is no metric {name!r}; there are {listed}")
