"""The one door of the metrics: several metrics over the columns of one chunk of rows.

Requests of one family over equal columns are computed together: one tokenisation and one count of
n-grams serve rouge_1..5 and rouge_l, another one bleu, gleu and meteor. A family, and the library
it needs, is loaded when one of its metrics is first asked for.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from graders.errors import OptionError
from graders.metrics.metric import MetricOptions, Request, checked

__all__ = ["Scorer"]

_Columns = tuple[Sequence[str], Sequence[str]]


class _Family(Protocol):
    """Metrics that are computed together."""

    def score(
        self, metrics: Sequence[str], candidates: Sequence[str], references: Sequence[str]
    ) -> dict[str, list[float]]:
        """Return the scores of each of its metrics over the same rows."""


class Scorer:
    """Scores requests, remembering texts and words from one call to the next.

    Not safe to share between threads. The scores do not depend on what was scored before.
    """

    def __init__(self, options: MetricOptions | None = None) -> None:
        """Make a scorer.

        Args:
            options: the choices about ROUGE; the defaults when None.
        """
        self._options = options or MetricOptions()
        self._families: dict[str, _Family] = {}

    def score(
        self, requests: Sequence[Request], times: list[float] | None = None
    ) -> list[list[float]]:
        """Return the scores of each request, in the order of its rows.

        Every score is a finite float; no text makes a metric raise or warn.

        Args:
            requests: what to score.
            times: is given the seconds of each request; those computed together share theirs.

        Raises:
            OptionError: a metric has no such name, or two columns differ in length.
            UnavailableError: a metric is `cosine`, or needs a package that is not installed.
        """
        scores: list[list[float]] = [[] for _ in requests]
        took = [0.0] * len(requests)
        groups: list[tuple[str, _Columns, list[int]]] = []
        for index, request in enumerate(requests):
            family = self._family_name(checked(request.metric))
            columns = request.candidates, request.references
            if len(request.candidates) != len(request.references):
                raise OptionError(
                    f"{request.metric}: {len(request.candidates)} candidates "
                    f"but {len(request.references)} references"
                )
            for other_family, other_columns, members in groups:
                if family == other_family and columns == other_columns:
                    members.append(index)
                    break
            else:
                groups.append((family, columns, [index]))
        for family, (candidates, references), members in groups:
            wanted = [requests[index].metric for index in members]
            distinct = list(dict.fromkeys(wanted))
            started = time.perf_counter()
            found = self._family(family).score(distinct, candidates, references)
            seconds = time.perf_counter() - started
            for index, metric in zip(members, wanted, strict=True):
                scores[index] = found[metric]
                took[index] = seconds / len(members)
        if times is not None:
            times[:] = took
        return scores

    def _family_name(self, metric: str) -> str:
        if metric == "fuzzy_match":
            return "fuzzy"
        if not metric.startswith("rouge"):
            return "translation"
        return self._options.rouge_backend

    def _family(self, name: str) -> _Family:
        """Return the scorer of a family of metrics, made on first use."""
        if name not in self._families:
            self._families[name] = _made(name, self._options)
        return self._families[name]


def _made(name: str, options: MetricOptions) -> _Family:
    """Return a new scorer of a family of metrics."""
    if name == "fuzzy":
        from graders.metrics.fuzzy import Fuzzy

        return Fuzzy()
    if name == "rouge_score":
        from graders.metrics.rouge import Rouge

        return Rouge(options.rouge_measure, stemmer=options.rouge_stemmer)
    if name == "rouge":
        from graders.metrics.pltrdy import PltrdyRouge

        return PltrdyRouge(options.rouge_measure)
    from graders.metrics.translation import Translation

    return Translation()
