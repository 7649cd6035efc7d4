"""The table of metrics: what an `evaluation_metric` means. A metric has a module beside this and a row here.

A row says where the metric is, as the entry point of another package does: a module is imported
when one of its metrics is first asked for.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Final

from graders import extension
from graders.errors import OptionError, UnavailableError
from graders.metrics.metric import Metric, MetricOptions
from graders.version import __version__

__all__ = ["METRICS", "metric_of", "signature"]


class _Table(Mapping[str, Metric]):
    """Metrics by name, from the places where they are."""

    def __init__(self, rows: Mapping[str, str]) -> None:
        self._rows = rows

    def __getitem__(self, name: str) -> Metric:
        return _at(self._rows[name])

    def __contains__(self, name: object) -> bool:
        return name in self._rows

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


@functools.cache
def _at(place: str) -> Metric:
    module, _, name = place.partition(":")
    found: Metric = getattr(import_module(f"graders.metrics.{module}"), name)
    return found


METRICS: Final[Mapping[str, Metric]] = _Table(
    {
        "fuzzy_match": "fuzzy:FUZZY_MATCH",
        "bleu": "translation:BLEU",
        "gleu": "translation:GLEU",
        "meteor": "translation:METEOR",
        "rouge_1": "rouge:ROUGE_1",
        "rouge_2": "rouge:ROUGE_2",
        "rouge_3": "rouge:ROUGE_3",
        "rouge_4": "rouge:ROUGE_4",
        "rouge_5": "rouge:ROUGE_5",
        "rouge_l": "rouge:ROUGE_L",
    }
)
"""Every metric of ours, by name."""


def metric_of(name: str) -> Metric:
    """Return the metric of a name, one of ours or of an extension.

    Raises:
        OptionError: there is no metric of that name.
        UnavailableError: the metric is `cosine`, which needs embeddings, or its extension cannot
            be used.
    """
    if (ours := METRICS.get(name)) is not None:
        return ours
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


def signature(metric: str, options: MetricOptions | None = None) -> str:
    """Return `metric|key:value|...` with everything a score depends on, as sacrebleu prints it.

    Two scores may be compared when their signatures are equal.

    Args:
        metric: one of `METRICS`, or of an extension.
        options: the options scored with; the defaults when None.

    Raises:
        OptionError: there is no metric of that name.
        UnavailableError: the metric is `cosine`, or its extension cannot be used.
    """
    parts = [*metric_of(metric).parts(options or MetricOptions()), ("graders", __version__)]
    return "|".join([metric, *(f"{key}:{value}" for key, value in parts)])
