"""Metrics of extensions, held to what ours keep by themselves: a finite score in range, or none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any, Final

from graders.errors import ExtensionError, quoted
from graders.extension import Extension, called, is_number, load, loader, named
from graders.metrics.metric import Metric, MetricFault, MetricOptions

__all__ = ["load_metric"]

_RIGHT: Final = "a graders.metrics.Metric, such as Metric.of(function, name=..., version=...),"


@loader
def load_metric(extension: Extension) -> Metric:
    """Return the metric of an extension, checked, and checked whenever it scores.

    Raises:
        ExtensionError: it cannot be used.
    """
    metric = load(extension, Metric, _RIGHT)
    if metric.name != extension.name:
        extension.refuse(
            f"gives a metric of the name {quoted(metric.name)}; the two names are to be the same"
        )
    if not metric.name.isidentifier():
        extension.refuse("has a name that is no identifier; write one such as word_overlap")
    if not all(is_number(one) for one in (metric.low, metric.high)) or metric.low >= metric.high:
        extension.refuse(
            f"has scores from {quoted(metric.low)} to {quoted(metric.high)}; two finite numbers "
            "are needed, low < high"
        )
    _parts(extension, metric, MetricOptions())
    return replace(
        metric,
        extension=extension,
        family=partial(_Checked, extension, metric),
        parts=partial(_parts, extension, metric),
    )


def _parts(extension: Extension, metric: Metric, options: MetricOptions) -> list[tuple[str, str]]:
    def given() -> list[tuple[str, str]]:
        return [(str(key), str(value)) for key, value in metric.parts(options)]

    found = called(extension, "in parts()", given)
    for one in (text for pair in found for text in pair):
        if not one or not one.isprintable() or "|" in one:
            extension.refuse(f"has {quoted(one)} in parts(), which no signature can hold")
    return [*found, ("package", f"{extension.package}@{extension.version}")]


class _Checked:
    """The family of one metric of an extension.

    Raises:
        ExtensionError: it cannot be made ready.
    """

    def __init__(self, extension: Extension, metric: Metric, options: MetricOptions) -> None:
        self._extension = extension
        self._metric = metric
        self._family = called(extension, "when it was made ready", lambda: metric.family(options))
        if not callable(getattr(self._family, "score", None)):
            extension.refuse(f"has a family that makes {named(self._family)}, which has no score()")

    def score(
        self, metrics: Sequence[str], candidates: Sequence[str], references: Sequence[str]
    ) -> Mapping[str, list[Any]]:
        """Return a score a row, or the fault of the row."""
        # No list that other metrics read too: what is given away may be changed.
        column = self._column(tuple(candidates), tuple(references))
        return dict.fromkeys(metrics, column)

    def _column(
        self, candidates: tuple[str, ...], references: tuple[str, ...]
    ) -> list[float | MetricFault]:
        count = len(candidates)
        if not count:
            return []
        try:
            found = called(
                self._extension, "in score()", lambda: self._given(candidates, references)
            )
        except ExtensionError as error:
            if count == 1:
                return [MetricFault(str(error))]
            # One row's fault is no other's: each by itself.
            pairs = zip(candidates, references, strict=True)
            return [one for a, b in pairs for one in self._column((a,), (b,))]
        if found is None:
            return [
                self._fault("gave no column of scores; a list of a score a row is needed")
            ] * count
        if len(found) != count:
            many = f"{len(found)}" if len(found) < count else f"more than {count}"
            return [
                self._fault(f"gave {many} scores for {count} rows; one a row is needed")
            ] * count
        return [self._score(one) for one in found]

    def _given(self, candidates: tuple[str, ...], references: tuple[str, ...]) -> list[Any] | None:
        """Return what its family gives, no more than tells that it is too much; None for no column."""
        name = self._metric.name
        found: Any = self._family.score([name], candidates, references)
        column = found.get(name) if isinstance(found, Mapping) else None
        if not isinstance(column, Iterable) or isinstance(
            column, str | bytes | Mapping | AbstractSet
        ):
            return None
        return list(islice(column, len(candidates) + 1))

    def _score(self, value: Any) -> float | MetricFault:
        metric = self._metric
        if not is_number(value):
            return self._fault(f"gave {named(value)} for this row; a finite number is needed")
        if not metric.low <= value <= metric.high:
            return self._fault(
                f"gave {float(value)!r} for this row, outside its range of {metric.low:g} to "
                f"{metric.high:g}"
            )
        return float(value)

    def _fault(self, problem: str) -> MetricFault:
        return MetricFault(f"{self._extension.point} {problem}")
