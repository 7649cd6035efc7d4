"""A kind of an extension, held to what ours keep by themselves: whatever it gives is checked.

What it says once for a grader (its texts, the scores it can give) fails the load; what it makes of
rows fails the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from graders.calls import ChatCall, EndpointCall, PythonCall
from graders.errors import ExtensionError, quoted
from graders.extension import Extension, called, has, is_number, named
from graders.grade import Failure
from graders.hosted import CODES
from graders.kinds.kind import Asked, Code, Kind, Performer, Rows, Scores, Settled, TextField
from graders.metrics import Request

__all__ = ["Guarded"]

_ASKED: Final[Mapping[str, tuple[type[Any], str]]] = {
    "itself": (Settled, "scores"),
    "metrics": (Request, "candidates"),
    "python": (PythonCall, "items"),
    "chat": (ChatCall, "messages"),
    "endpoint": (EndpointCall, "items"),
}
"""What a kind asks of each performer that is open to it, and the part that has an entry a row."""

_FACTS: Final = {
    "name": str, "config": type, "not_here": Mapping, "alone": bool, "needed_in_evals": Sequence,
}  # fmt: skip


class Guarded(Kind[Any]):
    """A kind of an extension.

    Args:
        kind: the kind.
        extension: the package it is from.

    Raises:
        ExtensionError: what it says of itself is of another type than it is to be.
    """

    def __init__(self, kind: Kind[Any], extension: Extension) -> None:
        self._kind = kind
        has(extension, kind, _FACTS)
        for name in _FACTS:
            setattr(self, name, getattr(kind, name))
        self.extension: Extension = extension
        self.gives_labels = bool(kind.gives_labels)  # type: ignore[misc]
        self.services = frozenset()  # type: ignore[misc]  # No hosted service has it.

    def performer(self, config: Any) -> Performer:
        listed = ", ".join(_ASKED)
        found: Performer = self._of(
            "performer",
            config,
            lambda one: isinstance(one, str) and one in _ASKED,
            f"one of {listed}",
        )
        return found

    def texts(self, config: Any) -> Iterator[TextField]:
        found: list[Any] = called(
            self.extension, "in texts()", lambda: list(self._kind.texts(config))
        )
        for one in found:
            if not isinstance(one, TextField) or not isinstance(one.text, str):
                self.extension.refuse(f"gave {named(one)} in texts(); a TextField is needed")
        return iter(found)

    def scores(self, config: Any) -> Scores:
        found: Scores = self._of(
            "scores", config, lambda one: isinstance(one, Scores), "Scores(low, high)"
        )
        return found

    def passes_at(self, config: Any) -> float:
        return float(self._of("passes_at", config, is_number, "a finite number"))

    def sees_all(self, config: Any) -> bool:
        return bool(self._of("sees_all", config))

    def code(self, config: Any) -> Code | None:
        found: Code | None = self._of(
            "code", config, lambda one: one is None or isinstance(one, Code), "a Code or None"
        )
        return found

    def model(self, config: Any) -> str | None:
        found: str | None = self._of("model", config, _is_name, "a text or None")
        return found

    def metric(self, config: Any) -> str | None:
        found: str | None = self._of("metric", config, _is_name, "a text or None")
        return found

    def best(self, config: Any) -> float | str:
        found: float | str = self._of(
            "best", config, lambda one: isinstance(one, str) or is_number(one), "a score"
        )
        return found

    def points(self, config: Any) -> Sequence[str]:
        return list(self._of("points", config))

    def hit(self, config: Any, score: float, said: Sequence[str]) -> Iterator[str]:
        def hits() -> list[str]:
            return list(self._kind.hit(config, score, said))

        return iter(called(self.extension, "in hit()", hits))

    def ask(self, config: Any, rows: Rows, repeats: int) -> Asked:
        count = len(rows.items)
        performer = self.performer(config)
        if performer == "itself" and not count:
            return Settled()
        try:
            asked: Asked = called(
                self.extension, "in ask()", lambda: self._kind.ask(config, rows, repeats)
            )
        except ExtensionError as error:
            if not count:
                raise
            if performer != "itself" or count == 1:
                return _all_failed(count, str(error))
            return self._one_by_one(config, rows, repeats)
        if isinstance(asked, Settled):
            return self._checked(config, asked, count)
        wanted, part = _ASKED[performer]
        entries = count * repeats if performer == "chat" else count
        if not isinstance(asked, wanted):
            problem = f"gave {named(asked)} in ask(); a {wanted.__name__} is needed"
        elif len(getattr(asked, part)) != entries:
            problem = (
                f"asks {len(getattr(asked, part))} times for {count} rows; {entries} is needed"
            )
        else:
            fits: Asked = asked
            return fits
        return _all_failed(count, f"{self.extension.point} {problem}")

    def settle(self, config: Any, replies: Sequence[Any], repeats: int) -> Settled:
        each = repeats if self.performer(config) == "chat" else 1
        count = len(replies) // each
        try:
            settled = called(
                self.extension, "in settle()", lambda: self._kind.settle(config, replies, repeats)
            )
        except ExtensionError as error:
            if count <= 1:
                return _all_failed(count, str(error))
            parts = (replies[row * each : (row + 1) * each] for row in range(count))
            return _joined(self.settle(config, one, repeats) for one in parts)
        return self._checked(config, settled, count)

    def _of(
        self,
        name: str,
        config: Any,
        fits: Callable[[Any], bool] = lambda _: True,
        right: str = "",
    ) -> Any:
        """Return what the kind says of a config, if it fits."""
        found = called(self.extension, f"in {name}()", lambda: getattr(self._kind, name)(config))
        if not fits(found):
            self.extension.refuse(f"gave {named(found)} in {name}(); {right} is needed")
        return found

    def _one_by_one(self, config: Any, rows: Rows, repeats: int) -> Settled:
        """Return each row's score by itself: one row's fault is no other's."""
        found = []
        for row, (item, sample) in enumerate(zip(rows.items, rows.samples, strict=True)):
            texts = {path: [column[row]] for path, column in rows.texts.items()}
            one = self.ask(config, Rows(texts, [item], [sample]), repeats)
            if not isinstance(one, Settled):
                raise TypeError("who asks nobody settles")
            found.append(one)
        return _joined(found)

    def _checked(self, config: Any, settled: Any, count: int) -> Settled:
        """Return what a kind made of rows, with failures where it gave no score that can be one."""
        scores, failures = getattr(settled, "scores", None), getattr(settled, "failures", None)
        if not isinstance(settled, Settled) or not isinstance(failures, dict):
            problem = f"gave {named(settled)}; a Settled is needed"
            return _all_failed(count, f"{self.extension.point} {problem}")
        if not isinstance(scores, list | tuple) or len(scores) != count:
            many = len(scores) if isinstance(scores, list | tuple) else "no"
            problem = f"gave {many} scores for {count} rows; one a row is needed"
            return _all_failed(count, f"{self.extension.point} {problem}")
        bounds = self.scores(config)
        checked: list[float | None] = []
        found: dict[int, Failure] = {}
        for row, score in enumerate(scores):
            failure = failures.get(row) or self._fault(score, bounds)
            if failure is not None:
                found[row] = self._known(failure)
            checked.append(None if failure is not None else float(score))
        return replace(settled, scores=checked, failures=found)

    def _fault(self, score: Any, bounds: Scores) -> Failure | None:
        """Return why a score is none."""
        if is_number(score) and bounds.low <= score <= bounds.high:
            return None
        right = "a finite number is needed"
        if is_number(score):
            right = f"its scores are from {bounds.low:g} to {bounds.high:g}"
        problem = f"{self.extension.point} gave {named(score)} for this row; {right}"
        return Failure("other_error", problem)

    def _known(self, failure: Any) -> Failure:
        if isinstance(failure, Failure) and failure.code in CODES:
            return failure
        shown = quoted(failure.code) if isinstance(failure, Failure) else named(failure)
        problem = f"gave {shown} as a failure; a Failure with one of the service's codes is needed"
        return Failure("other_error", f"{self.extension.point} {problem}")


def _joined(rows: Iterable[Settled]) -> Settled:
    """Return rows that were settled one by one as a column."""
    whole = Settled()
    for row, one in enumerate(rows):
        whole.scores += one.scores
        if one.failures:
            whole.failures[row] = one.failures[0]
    return whole


def _all_failed(count: int, message: str) -> Settled:
    failures = {row: Failure("other_error", message) for row in range(count)}
    return Settled([None] * count, failures)


def _is_name(value: Any) -> bool:
    return value is None or isinstance(value, str)
