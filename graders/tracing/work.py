"""What is traced beside runs over files: runs of evals, jobs, and the requests that a server answers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Lock
from typing import Any

from graders.errors import GradersError
from graders.tracing.span import Attributes, Rule, Span, Within, collecting
from graders.tracing.telemetry import (
    RunTrace,
    context_of,
    emitter,
    is_configured,
    missing,
    wants_texts,
)

__all__ = ["RequestTrace", "WorkTrace", "collected", "work_trace"]

_LOG = logging.getLogger("graders.tracing")
"""Warns where spans are lost: these stop nothing, and without a handler Python writes them to standard error."""


class WorkTrace:
    """The trace of a piece of work whose rows are graded a few at a time; without a trace, nothing."""

    def __init__(self, trace: RunTrace | None = None, rule: Rule | None = None) -> None:
        self._trace = trace
        self._rule = rule or Rule()
        self._lock = Lock()

    def rows(self, named: Callable[[], Sequence[Attributes]]) -> AbstractContextManager[None]:
        """Take the spans of the rows that this thread grades meanwhile.

        Args:
            named: returns what each of them is told to be, its `graders.row.index` among it.
        """
        if self._trace is None:
            return nullcontext()
        return collecting(Within(self._rule, self._take, named()))

    def _take(self, spans: list[Span]) -> None:
        if self._trace is not None:
            with self._lock:
                self._trace.add(spans)

    def finish(self, attributes: Mapping[str, Any]) -> None:
        """Tell what the work came to."""
        if self._trace is not None:
            self._trace.finish(attributes)


@contextmanager
def work_trace(name: str, attributes: Mapping[str, Any], asked_by: str = "") -> Iterator[WorkTrace]:
    """Trace a piece of work where that is configured; what hinders it is a warning and stops nothing.

    Args:
        name: what its span is called.
        attributes: what is told of it from the beginning.
        asked_by: the span of the request that created it, as `traceparent` names it; its span has a link to that.
    """
    rule, trace = Rule(texts=wants_texts(asked=False)), None
    if is_configured():
        try:
            if why := missing():
                _LOG.warning("no trace: %s", why)
            else:
                trace = RunTrace(rule, attributes, name, asked_by)
        except GradersError as error:
            _LOG.warning("no trace: %s", error)
    if trace is None:
        yield WorkTrace()
        return
    with trace:
        yield WorkTrace(trace if trace.is_recording else None, rule)
    if (told := trace.traced).lost:
        _LOG.warning(
            "trace %s: %d of %d spans were lost: %s",
            told.trace_id, told.lost, told.spans, told.reason,
        )  # fmt: skip


@contextmanager
def collected(*, wanted: bool) -> Iterator[list[Span]]:
    """Yield a list that the spans of rows graded meanwhile come into; it stays empty unless they are wanted."""
    spans: list[Span] = []
    if not wanted:
        yield spans
        return
    with collecting(Within(Rule(texts=wants_texts(asked=False)), spans.extend)):
        yield spans


class RequestTrace:
    """Makes a span of each request that a server has answered.

    Raises:
        OptionError: a variable of the environment names what there is not.
        UnavailableError: the exporter that is named is not installed.
    """

    def __init__(self) -> None:
        self._emitter, self._watched, self._close = emitter(tries=None)

    def begin(self, name: str, began: int, headers: Mapping[str, str]) -> Any:
        """Return the span of a request before it is answered, for what is to have a link to it.

        Args:
            name: what it is called until `add` knows better.
            began: when the request came, in nanoseconds since 1970.
            headers: tell the trace that it is within.
        """
        return self._emitter.begin(name, {}, context_of(headers), kind="server", start_time=began)

    def add(self, span: Span, headers: Mapping[str, str], begun: Any = None) -> None:
        """Make a span, or end the one begun for it, within the trace that the request's headers tell."""
        self._emitter.emit(span, None, context_of(headers), begun)

    def close(self) -> str:
        """Send what is left, and return why spans were lost; "" where none was."""
        self._close()
        if self._watched is None:
            return ""
        self._watched.leave()
        lost = self._emitter.made - self._watched.delivered
        return f"{lost:,} spans were lost: {self._watched.reason}" if lost > 0 else ""
