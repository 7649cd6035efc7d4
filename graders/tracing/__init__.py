"""Spans of runs, jobs, requests, rows and judge calls, by OpenTelemetry where it is configured (extra `otel`).

What is to be told is plain data, made where rows are graded, in worker processes too. One place, the
process that began, makes spans of it: workers need neither the SDK nor a way to the collector.
"""

from graders.tracing.span import Rule, Span, row_spans
from graders.tracing.telemetry import (
    RunTrace,
    Traced,
    is_configured,
    missing,
    trace_rows,
    traceparent_of,
    wants_texts,
)
from graders.tracing.work import RequestTrace, WorkTrace, collected, work_trace

__all__ = [
    "RequestTrace",
    "Rule",
    "RunTrace",
    "Span",
    "Traced",
    "WorkTrace",
    "collected",
    "is_configured",
    "missing",
    "row_spans",
    "trace_rows",
    "traceparent_of",
    "wants_texts",
    "work_trace",
]
