"""The one door of the metrics: several metrics over the columns of one chunk of rows.

Requests of one family over equal columns are computed together: one tokenisation and one count of
n-grams serve rouge_1..5 and rouge_l, another one bleu, gleu and meteor. A family, and the library
it needs, is loaded when one of its metrics is first asked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from graders.errors import ExtensionError, OptionError
from graders.metrics.metric import (
    Family,
    MetricFault,
    MetricOptions,
    Pair,
    Request,
    alone,
    check_columns,
)
from graders.metrics.table import METRICS, metric_of

__all__ = ["Scorer"]

_SURE: Final = 3e5
"""Characters that any metric compares in a second, both texts together."""
_SURE_PAIRS: Final = 1e6
"""Pairs of characters that any metric compares in a second."""

_Maker = Callable[[MetricOptions], Family]
_Columns = tuple[Sequence[str], Sequence[str]]


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
        self._families: dict[_Maker, Family] = {}

    def score(
        self, requests: Sequence[Request], times: list[float] | None = None
    ) -> list[list[float]]:
        """Return the scores of each request, in the order of its rows.

        Every score is a finite float; no text makes a metric of ours raise or warn.

        Args:
            requests: what to score.
            times: is given the seconds of each request; those computed together share theirs.

        Raises:
            OptionError: a metric has no such name, two columns differ in length, or comparing two texts
                would take longer than it may.
            UnavailableError: a metric is `cosine`, or needs a package that is not installed.
            ExtensionError: an extension's metric gives no score for a row.
        """
        columns = self.attempt(requests, times)
        for request, column in zip(requests, columns, strict=True):
            if request.metric in METRICS and self._options.pair_seconds is None:
                continue
            for one in column:
                if isinstance(one, MetricFault):
                    raise (OptionError if one.late else ExtensionError)(one.message)
        return columns  # type: ignore[return-value]  # no fault is left

    def pair(self, metrics: Sequence[str]) -> Pair:
        """Return a function that scores one pair of texts, sooner than `score` does columns of one.

            >>> score = Scorer().pair(["rouge_1", "rouge_l"])
            >>> score("the cat sat", "the cat sat down")
            [0.8571428571428571, 0.8571428571428571]

        Args:
            metrics: which, in the order of the scores.

        Returns:
            A function of a candidate and a reference that returns a score a metric, those of `score`. It
            raises what `score` raises about texts, and like the scorer is of one thread at a time.

        Raises:
            OptionError: a metric has no such name.
            UnavailableError: a metric is `cosine`, or needs a package that is not installed.
        """
        makers = {metric_of(metric).family for metric in metrics}
        if (
            len(makers) != 1
            or self._options.pair_seconds is not None
            or not METRICS.keys() >= {*metrics}
        ):
            return lambda candidate, reference: [
                column[0]
                for column in self.score(
                    [Request(one, [candidate], [reference]) for one in metrics]
                )
            ]
        family = self._family(makers.pop())
        found: Pair = getattr(family, "pair", partial(alone, family))(list(metrics))
        return found

    def attempt(
        self, requests: Sequence[Request], times: list[float] | None = None
    ) -> list[list[float | MetricFault]]:
        """Return the same with the faults of rows that take too long, or have no score of an extension's."""
        scores: list[list[float | MetricFault]] = [[] for _ in requests]
        took = [0.0] * len(requests)
        faults = [_late(request, self._options) for request in requests]
        if any(faults):
            requests = [_without(one, late) for one, late in zip(requests, faults, strict=True)]
        for maker, (candidates, references), members in _grouped(requests):
            wanted = [requests[index].metric for index in members]
            distinct = list(dict.fromkeys(wanted))
            started = time.perf_counter()
            found = self._family(maker).score(distinct, candidates, references)
            seconds = time.perf_counter() - started
            for index, metric in zip(members, wanted, strict=True):
                scores[index] = found[metric]
                took[index] = seconds / len(members)
        for column, late in zip(scores, faults, strict=True):
            for row, fault in late.items():
                column[row] = fault
        if times is not None:
            times[:] = took
        return scores

    def _family(self, maker: _Maker) -> Family:
        """Return what computes a family of metrics, made on first use."""
        if maker not in self._families:
            self._families[maker] = maker(self._options)
        return self._families[maker]


def _late(request: Request, options: MetricOptions) -> dict[int, MetricFault]:
    """Return the rows whose texts would take too long to compare, each with its sentence."""
    check_columns(request.metric, request.candidates, request.references)
    limit = options.pair_seconds
    if limit is None:
        return {}
    one = max(map(len, request.candidates), default=0)
    other = max(map(len, request.references), default=0)
    # Nearly all columns end here: no pair of texts so short takes so long by any metric.
    if one * other <= limit * _SURE_PAIRS and one + other <= limit * _SURE:
        return {}
    found = {}
    takes = metric_of(request.metric).takes
    pairs = zip(request.candidates, request.references, strict=True)
    for row, (candidate, reference) in enumerate(pairs):
        if candidate and reference and takes(options, candidate, reference) > limit:
            lengths = f"{len(candidate):,} with {len(reference):,} characters"
            says = f"{request.metric} of {lengths} may take longer than {limit:g} seconds"
            found[row] = MetricFault(says, late=True)
    return found


def _without(request: Request, rows: Mapping[int, MetricFault]) -> Request:
    """Return a request with nothing to compare in some rows."""
    candidates, references = (
        ["" if row in rows else text for row, text in enumerate(column)]
        for column in (request.candidates, request.references)
    )
    return Request(request.metric, candidates, references)


def _grouped(requests: Sequence[Request]) -> list[tuple[_Maker, _Columns, list[int]]]:
    """Return which requests are computed together: those of one family over equal columns."""
    groups: list[tuple[_Maker, _Columns, list[int]]] = []
    for index, request in enumerate(requests):
        maker = metric_of(request.metric).family
        columns = request.candidates, request.references
        for other, other_columns, members in groups:
            if maker == other and columns == other_columns:
                members.append(index)
                break
        else:
            groups.append((maker, columns, [index]))
    return groups
