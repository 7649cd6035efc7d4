"""From plain data to OpenTelemetry: whether it is configured, by what, and the trace of a run.

Configured is what the standard says: by variables of the environment (OTEL_EXPORTER_OTLP_ENDPOINT,
OTEL_TRACES_EXPORTER and the others), or by the program that graders runs in, which has set a
TracerProvider. Nothing of OpenTelemetry is imported before.
"""

from __future__ import annotations

import logging
import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import Any, Final, Self

from graders.errors import OptionError, UnavailableError, nearest, shown
from graders.grading.runner import Graded
from graders.rows import Chunk
from graders.tracing.span import Rule, Span, here, row_spans
from graders.version import __version__

__all__ = [
    "Emitter", "RunTrace", "Traced", "Watched", "context_of", "emitter", "is_configured", "missing", "trace_rows",
    "traceparent_of", "wants_texts",
]  # fmt: skip

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS: Final = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}
_EXPORTERS: Final = "opentelemetry_traces_exporter"
"""The group of entry points under which exporters are found, as the specification names it."""
_DEFAULT: Final = "localhost, as no OTEL_EXPORTER_OTLP_ENDPOINT says otherwise"
_QUEUE: Final = 1 << 16
_NAMES: Final = ("traceparent", "tracestate")
_TRIES: Final = 2
"""Batches that may fail one after another until no more are tried."""
_CONTENT: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


@dataclass(frozen=True, slots=True)
class Traced:
    """What became of a run's spans.

    Attributes:
        trace_id: the trace's number, 32 hexadecimal digits.
        spans: how many were made.
        lost: how many could not be delivered.
        reason: why, "" where all were.
    """

    trace_id: str
    spans: int
    lost: int = 0
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        why = {"reason": self.reason} if self.lost else {}
        return {"trace_id": self.trace_id, "spans": self.spans, "lost": self.lost, **why}


def is_configured(*, asked: bool = False) -> bool:
    """Whether spans are wanted, by the environment, the program we run in, or because they are asked for."""
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if _own_provider() is not None:
        return True
    if os.environ.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none":
        return False
    return asked or bool(_variable())


def missing(*, asked: bool = False) -> str:
    """Return why there is no trace though it is wanted: OpenTelemetry is not installed; "" where it is.

    Raises:
        UnavailableError: the same, and it is asked for by name. A variable may be meant for other programs.
    """
    if find_spec("opentelemetry") is not None and find_spec("opentelemetry.sdk") is not None:
        return ""
    why = "OpenTelemetry is not installed: pip install 'local-graders[otel]'"
    if asked:
        raise UnavailableError(f"--trace: {why}")
    return f"{_variable()} is set, and {why}"


def _variable() -> str:
    """Return the variable that asks for traces; "" for none."""
    names = ("OTEL_TRACES_EXPORTER", *_ENDPOINTS)
    return next((one for one in names if os.environ.get(one, "").strip()), "")


def _own_provider() -> Any:
    """Return the provider that the program we run in has set; None where it has set none."""
    module = sys.modules.get("opentelemetry.trace")
    if module is None:
        return None
    found = module.get_tracer_provider()
    unset = (module.ProxyTracerProvider, module.NoOpTracerProvider)
    return None if isinstance(found, unset) else found


def wants_texts(*, asked: bool) -> bool:
    """Whether texts are told: where they are asked for, or the variable for GenAI content says so."""
    said = os.environ.get(_CONTENT, "").strip().lower()
    return asked or said in ("true", "span_only", "span_and_event")


def trace_rows(chunk: Chunk, graded: Graded, began: int) -> None:
    """Tell of graded rows whoever collects their spans, else a program's own tracing, where it has any."""
    if (within := here()) is not None:
        ended = time.time_ns()
        within.take(row_spans(chunk, graded, within.rule, began, ended, within.rows))
        return
    if "opentelemetry.trace" not in sys.modules or (provider := _own_provider()) is None:
        return
    tracer = provider.get_tracer("graders", __version__)
    rule = Rule(texts=wants_texts(asked=False))
    for one in row_spans(chunk, graded, rule, began, time.time_ns()):
        Emitter(tracer).emit(one, None)


class RunTrace:
    """The trace of a run: a span around all, and those of rows and judge calls in it.

    Args:
        rule: which rows have spans.
        attributes: what is told of the run from the beginning.
        name: what its span is called.
        asked_by: the `traceparent` of a span that this one has a link to; "" for none.

    Raises:
        OptionError: a variable of the environment names what there is not.
        UnavailableError: OpenTelemetry, or the exporter that is named, is not installed.
    """

    def __init__(
        self,
        rule: Rule,
        attributes: Mapping[str, Any],
        name: str = "graders.score",
        asked_by: str = "",
    ) -> None:
        self._rule = rule
        self._failed = 0
        self._emitter, self._watched, self._close = emitter()
        self._span = self._emitter.begin(name, attributes, _parent(), links=_links(asked_by))
        self.is_recording: bool = self._span.is_recording()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, frames: object) -> None:
        if kind is not None:
            self._emitter.fail(self._span, kind.__name__)
        self._end()

    def add(self, spans: Iterable[Span]) -> None:
        """Add spans of rows."""
        for one in spans:
            self._failed += not one.drawn
            if one.drawn or self._failed <= self._rule.rows:
                self._emitter.emit(one, self._span)

    def finish(self, attributes: Mapping[str, Any]) -> None:
        """Tell what the run came to."""
        self._span.set_attributes(
            {name: one for name, one in attributes.items() if one is not None}
        )

    def _end(self) -> None:
        self._span.end()
        self._close()
        if self._watched is not None:
            self._watched.leave()

    @property
    def traced(self) -> Traced:
        """What became of the spans."""
        number = f"{self._span.get_span_context().trace_id:032x}"
        made, told = (self._emitter.made if self.is_recording else 0), self._watched
        lost = 0 if told is None else made - told.delivered
        return Traced(number, made, lost, told.reason if told is not None and lost else "")


def emitter(*, tries: int | None = _TRIES) -> tuple[Emitter, Watched | None, Callable[[], None]]:
    """Return what makes spans, what sees whether they arrive, and what sends the rest of them.

    Args:
        tries: batches that may fail one after another until no more are tried; None for any number.

    Returns:
        Of a program that has a provider of its own that one's, which it watches and ends itself.

    Raises:
        OptionError, UnavailableError: as for `RunTrace`.
    """
    own, watched = _own_provider(), None
    close: Callable[[], None] = _nothing
    if own is None:
        own, watched = _made(tries)
        close = own.shutdown
    return Emitter(own.get_tracer("graders", __version__)), watched, close


def _nothing() -> None:
    pass


class Emitter:
    """Makes spans of plain data by a tracer."""

    def __init__(self, tracer: Any) -> None:
        from opentelemetry import trace  # noqa: PLC0415  (only where it is configured)

        self._trace = trace
        self._tracer = tracer
        self._kinds = {one: trace.SpanKind[one.upper()] for one in ("internal", "client", "server")}
        self.made = 0

    def begin(
        self, name: str, attributes: Mapping[str, Any], context: Any, *, kind: str = "internal",
        start_time: int | None = None, links: Sequence[Any] = (),
    ) -> Any:  # fmt: skip
        """Begin a span."""
        self.made += 1
        return self._tracer.start_span(
            name, context=context, kind=self._kinds[kind], attributes=dict(attributes), links=links,
            start_time=start_time,
        )  # fmt: skip

    def fail(self, span: Any, reason: str) -> None:
        """Say that what a span tells of has failed."""
        span.set_attribute("error.type", reason)
        span.set_status(self._trace.Status(self._trace.StatusCode.ERROR, reason))

    def emit(self, one: Span, parent: Any, context: Any = None, begun: Any = None) -> None:
        """Make a span that is over: within another, else in a context; None for the current one.

        One that was begun is ended instead, under the name and with the attributes that are known now.
        """
        if parent is not None:
            context = self._trace.set_span_in_context(parent)
        span = begun or self.begin(
            one.name, one.attributes, context, kind=one.kind, start_time=one.began
        )
        if begun is not None:
            span.update_name(one.name)
            span.set_attributes(dict(one.attributes))
        for name, attributes in one.events:
            span.add_event(name, dict(attributes), timestamp=one.ended)
        if one.failed:
            span.set_status(self._trace.Status(self._trace.StatusCode.ERROR, one.failed))
        for inner in one.inner:
            self.emit(inner, span)
        span.end(end_time=one.ended)


def _parent() -> Any:
    """Return the context that a run's span stands in: the current one, else that of TRACEPARENT; None for a new trace."""
    from opentelemetry import trace  # noqa: PLC0415
    from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
        TraceContextTextMapPropagator,
    )

    if trace.get_current_span().get_span_context().is_valid:
        return None  # The tracer takes the current one.
    found = {one: value for one in _NAMES if (value := os.environ.get(one.upper()))}
    return TraceContextTextMapPropagator().extract(found)


def _links(asked_by: str) -> list[Any]:
    """Return the links of a span to another that `traceparent` names, in whatever trace that is."""
    from opentelemetry import trace  # noqa: PLC0415

    found = trace.get_current_span(context_of({"traceparent": asked_by})).get_span_context()
    return [trace.Link(found)] if found.is_valid else []


def traceparent_of(span: Any) -> str:
    """Return what names a span, by W3C Trace Context."""
    found = span.get_span_context()
    return f"00-{found.trace_id:032x}-{found.span_id:016x}-{found.trace_flags:02x}"


def context_of(headers: Mapping[str, str]) -> Any:
    """Return the context that a request's headers tell, by W3C Trace Context; that of a new trace where they tell none."""
    from opentelemetry.context import Context  # noqa: PLC0415
    from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
        TraceContextTextMapPropagator,
    )

    found = {one: value for one in _NAMES if (value := headers.get(one))}
    return TraceContextTextMapPropagator().extract(found, Context())


def _made(tries: int | None) -> tuple[Any, Watched]:
    """Return a provider as the environment describes it, and what sees whether spans arrive."""
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    named = "OTEL_SERVICE_NAME" in os.environ or "service.name=" in os.environ.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )
    told = {"service.version": __version__} | ({} if named else {"service.name": "graders"})
    provider = TracerProvider(resource=Resource.create(told), shutdown_on_exit=False)
    watched = Watched(tries)
    names = os.environ.get("OTEL_TRACES_EXPORTER", "").strip() or "otlp"
    for name in names.split(","):
        exporter = watched.around(*_exporter(name.strip().lower()))
        size = None if "OTEL_BSP_MAX_QUEUE_SIZE" in os.environ else _QUEUE
        provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=size))
    return provider, watched


def _exporter(name: str) -> tuple[Any, str]:
    """Return the exporter of a name, as OTEL_TRACES_EXPORTER has it, and where it sends."""
    if name == "console":
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter  # noqa: PLC0415

        return ConsoleSpanExporter(out=sys.stderr), name  # Standard output may be the results.
    where = name
    if name == "otlp":
        said = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or os.environ.get(
            "OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"
        )
        if said not in _PROTOCOLS:
            near = nearest(said, [*_PROTOCOLS])
            hint = f"; did you mean {near}?" if near else ""
            known = " or ".join(_PROTOCOLS)
            raise OptionError(f"OTEL_EXPORTER_OTLP_PROTOCOL is {known}, got {shown(said)}{hint}")
        name = _PROTOCOLS[said]
        where = next((os.environ[one] for one in _ENDPOINTS if os.environ.get(one)), _DEFAULT)
    found = entry_points(group=_EXPORTERS, name=name)
    if not found:
        there = sorted({"console", "otlp", "none", *entry_points(group=_EXPORTERS).names})
        package = "opentelemetry-exporter-otlp-proto-grpc" if name.endswith("grpc") else ""
        hint = f"pip install {package}" if package else f"there are {', '.join(there)}"
        raise UnavailableError(f"no exporter {shown(name)} for traces is installed: {hint}")
    return next(iter(found)).load()(), where


class Watched:
    """Sees whether spans are delivered, so that it is said once and in a sentence."""

    def __init__(self, tries: int | None) -> None:
        self._tries = math.inf if tries is None else tries
        self.delivered = 0
        self.reason = "there were too many at once (OTEL_BSP_MAX_QUEUE_SIZE)"
        self._heard = _Heard()
        self._before = []
        for name in ("opentelemetry.exporter", "opentelemetry.sdk"):
            logger = logging.getLogger(name)
            self._before.append((logger, logger.handlers, logger.propagate))
            logger.handlers, logger.propagate = [self._heard], False

    def leave(self) -> None:
        """Let the libraries' logs go again where they went."""
        for logger, handlers, propagate in self._before:
            logger.handlers, logger.propagate = handlers, propagate

    def around(self, exporter: Any, name: str) -> Any:
        """Return an exporter that tells of what the given one does."""
        from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult  # noqa: PLC0415

        watched, heard = self, self._heard

        class Told(SpanExporter):
            failed = 0

            def export(self, spans: Any) -> Any:
                # Each try takes seconds, and whoever waits for a run has seen enough.
                if self.failed >= watched._tries:
                    return SpanExportResult.FAILURE
                try:
                    done = exporter.export(spans)
                except Exception as error:  # noqa: BLE001  (whatever an exporter raises)
                    done, heard.text = SpanExportResult.FAILURE, f"{type(error).__name__}: {error}"
                if done is SpanExportResult.SUCCESS:
                    watched.delivered += len(spans)
                    self.failed = 0
                else:
                    self.failed += 1
                    watched.reason = f"{name}: {shown(heard.text, 200) or 'no reason is given'}"
                return done

            def shutdown(self) -> None:
                with suppress(Exception):
                    exporter.shutdown()

        return Told()


class _Heard(logging.Handler):
    """Keeps the first that a library had to say: what follows is that it tried again."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(Exception):
            self.text = self.text or record.getMessage().partition("\n")[0]
