"""What a metric is: a name, how it is computed and made known, and what defines it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from graders.errors import OptionError
from graders.extension import Extension, takes

__all__ = [
    "Defined", "Family", "Measure", "Metric", "MetricFault", "MetricOptions", "Pair", "Parts",
    "Request", "alone", "check_columns", "library", "linear",
]  # fmt: skip

Measure = Literal["fmeasure", "recall", "precision"]

Parts = Sequence[tuple[str, str]]
"""What a score depends on, as the keys and values of a signature."""


@dataclass(frozen=True, slots=True)
class Request:
    """One metric asked for over a column of candidates and a column of references.

    Attributes:
        metric: its name.
        candidates: the texts to score.
        references: as many texts, the ground truth of each.
    """

    metric: str
    candidates: Sequence[str]
    references: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricOptions:
    """What the hosted documentation leaves open about ROUGE, and how long a row may take.

    Attributes:
        rouge_backend: whose ROUGE: the `rouge-score` library's, or that of the `rouge` library.
        rouge_measure: which of a ROUGE score's figures counts.
        rouge_stemmer: whether words are stemmed first (`rouge_score` only).
        pair_seconds: how long comparing a row's texts may take, by `Metric.takes`; None for any time.
    """

    rouge_backend: Literal["rouge_score", "rouge"] = "rouge_score"
    rouge_measure: Measure = "fmeasure"
    rouge_stemmer: bool = False
    pair_seconds: float | None = None


class MetricFault:
    """Why a row has no score: comparing its texts would take too long, or an extension gave none.

    Args:
        message: one sentence.
        late: whether it would take too long.
    """

    def __init__(self, message: str, *, late: bool = False) -> None:
        self.message = message
        self.late = late


Defined = tuple[str, Callable[[str, str], float]]
"""The library that defines a metric, and the library's score of one candidate and one reference."""


_CHARACTER_SECONDS: Final = 3e-6


def linear(_: MetricOptions, candidate: str, reference: str) -> float:
    """Return the seconds that comparing two texts takes where time grows with their lengths."""
    return (len(candidate) + len(reference)) * _CHARACTER_SECONDS


Pair = Callable[[str, str], list[float]]
"""Scores one candidate against one reference: a score a metric."""


class Family(Protocol):
    """Computes metrics, several at once where they share work. It may keep what it saw."""

    def score(
        self, metrics: Sequence[str], candidates: Sequence[str], references: Sequence[str]
    ) -> Mapping[str, list[Any]]:
        """Return a score a row for each of these metrics, whose family this is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A text metric: a row of `graders.metrics.table`, or what a package's entry point gives.

    Attributes:
        name: as `evaluation_metric` has it.
        family: makes what computes it. Metrics with the same one are computed together.
        parts: what its scores depend on besides the texts.
        definition: the library that defines it; None where it is its own definition.
        takes: about how many seconds two texts take at worst, by what they are and not by the clock: so
            that a row fails on every machine or on none. Measured on a core of 2.5 GHz.
        low: the lowest score.
        high: the highest score.
        extension: the package that it comes from; None for ours.
    """

    name: str
    family: Callable[[MetricOptions], Family]
    parts: Callable[[MetricOptions], Parts]
    definition: Callable[[MetricOptions], Defined] | None = None
    takes: Callable[[MetricOptions, str, str], float] = linear
    low: float = 0.0
    high: float = 1.0
    extension: Extension | None = None

    @classmethod
    def of(
        cls,
        function: Callable[[Sequence[str], Sequence[str]], Sequence[float]],
        *,
        name: str,
        version: str,
        low: float = 0.0,
        high: float = 1.0,
    ) -> Metric:
        """Return the metric that a plain function computes.

        Args:
            function: takes a column of candidates and one of references, and returns a score a
                row. A row's score may not depend on the other rows.
            name: as `evaluation_metric` has it.
            version: changes when the scores do; it stands in their signature.
            low: the lowest score.
            high: the highest score.

        Raises:
            OptionError: the function cannot be called so, or the range is none.
        """
        if not takes(function, 2):
            raise OptionError(f"the metric {name} needs a function of (candidates, references)")
        if not (version and isinstance(version, str)):
            raise OptionError(f'the metric {name} needs a version, a text such as "1"')
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise OptionError(f"the metric {name} needs finite scores, low < high: {low} to {high}")
        return cls(
            name=name, family=lambda _: _Plain(name, function),
            parts=lambda _: [("version", version)], low=low, high=high,
        )  # fmt: skip

    def scores(
        self,
        candidates: Sequence[str],
        references: Sequence[str],
        options: MetricOptions | None = None,
    ) -> list[float]:
        """Return a score a row.

        Raises:
            OptionError: the columns differ in length.
            UnavailableError: a package that it needs is not installed.
        """
        check_columns(self.name, candidates, references)
        family = self.family(options or MetricOptions())
        return family.score([self.name], candidates, references)[self.name]


def alone(family: Family, metrics: Sequence[str]) -> Pair:
    """Return what scores one pair by a family that has no sooner way."""

    def scores(candidate: str, reference: str) -> list[Any]:
        found = family.score(metrics, [candidate], [reference])
        return [found[metric][0] for metric in metrics]

    return scores


def check_columns(name: str, candidates: Sequence[str], references: Sequence[str]) -> None:
    """Check that two columns are of one length.

    Raises:
        OptionError: they are not.
    """
    if len(candidates) != len(references):
        raise OptionError(f"{name}: {len(candidates)} candidates but {len(references)} references")


class _Plain:
    """The family of a metric that is one function."""

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self._name = name
        self._function = function

    def score(
        self, _: Sequence[str], candidates: Sequence[str], references: Sequence[str]
    ) -> Mapping[str, list[Any]]:
        return {self._name: self._function(candidates, references)}


def library(name: str) -> tuple[str, str]:
    """Return a library with its installed version."""
    # Costs more to import than all the metrics, and only a report asks for signatures.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return name, version(name)
    except PackageNotFoundError:
        return name, "missing"
