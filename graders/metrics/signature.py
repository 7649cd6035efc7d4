"""The signature of a metric: one line that says exactly what was computed, as sacrebleu prints it.

Two scores may be compared when their signatures are equal.
"""

from __future__ import annotations

from graders.metrics.metric import MetricOptions, checked
from graders.version import __version__

__all__ = ["library", "signature"]


def signature(metric: str, options: MetricOptions | None = None) -> str:
    """Return `metric|key:value|...` with everything a score depends on.

    Args:
        metric: one of `METRICS`.
        options: the options scored with; the defaults when None.

    Raises:
        OptionError: there is no metric of that name.
        UnavailableError: the metric is `cosine`.
    """
    checked(metric)
    options = options or MetricOptions()
    if metric == "fuzzy_match":
        parts = [("scorer", "ratio/100"), library("rapidfuzz")]
    elif metric in {"bleu", "gleu", "meteor"}:
        parts = [("tok", "latin1-words/intl"), ("punkt", "nltk-english"), library("regex")]
        if metric == "bleu":
            parts = [("n", "1-4"), ("smooth", "method4"), *parts]
        elif metric == "gleu":
            parts = [("n", "1-4"), *parts]
        else:
            settings = [("alpha", "0.9"), ("beta", "3"), ("gamma", "0.5")]
            parts = [*settings, ("stem", "porter-nltk"), ("syn", "wordnet-3.0"), *parts]
        parts.append(("as", "nltk-3.10"))
    elif options.rouge_backend == "rouge":
        parts = [("backend", "rouge"), ("measure", options.rouge_measure), library("rouge")]
    else:
        stemmer = "porter-nltk" if options.rouge_stemmer else "no"
        parts = [
            ("backend", "rouge_score"),
            ("measure", options.rouge_measure),
            ("stem", stemmer),
            ("tok", "a-z0-9"),
            ("as", "rouge-score-0.1.2"),
        ]
    parts.append(("graders", __version__))
    return "|".join([metric, *(f"{key}:{value}" for key, value in parts)])


def library(name: str) -> tuple[str, str]:
    """Return a library with its installed version."""
    # Costs more to import than all the metrics, and only a report asks for signatures.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return name, version(name)
    except PackageNotFoundError:
        return name, "missing"
