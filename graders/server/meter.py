"""What the server counts, as Prometheus reads it. No label ever holds what a user wrote."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from graders.hosted import CODES
from graders.version import __version__

__all__ = ["CONTENT_TYPE", "Meter"]

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
_SECONDS: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Meter:
    """Counters of one server.

    Args:
        waiting: returns how many grading requests are under way or wait.
        restarts: returns how many grading processes were started in place of others.
    """

    def __init__(self, waiting: Callable[[], int], restarts: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "graders_http_requests", "Requests answered.", ["route", "method", "status"],
            registry=self._registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "graders_http_request_seconds", "Time from a request's head to the end of its answer.",
            ["route"], buckets=_SECONDS, registry=self._registry,
        )  # fmt: skip
        self._grades = Counter(
            "graders_grades", "Rows graded, by the grader's type and whether they have a reward.",
            ["type", "outcome"], registry=self._registry,
        )  # fmt: skip
        self._failures = Counter(
            "graders_failures", "Failure codes of rows without a reward.", ["code"],
            registry=self._registry,
        )  # fmt: skip
        self._tokens = Counter(
            "graders_judge_tokens", "Tokens that judges used.", ["kind"], registry=self._registry
        )
        for name, said, value in (
            ("graders_waiting_requests", "Grading requests under way or waiting.", waiting),
            ("graders_restarts", "Grading processes started in place of others.", restarts),
        ):
            Gauge(name, said, registry=self._registry).set_function(value)
        Gauge("graders_info", "The version.", ["version"], registry=self._registry).labels(
            __version__
        ).set(1)

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request; `route` is the path's pattern."""
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def grade(self, facts: Mapping[str, Any]) -> None:
        """Count the grades of a request by the facts of its answer."""
        failed = facts["failed"]
        for outcome, count in (("scored", facts["rows"] - failed), ("failed", failed)):
            if count:
                self._grades.labels(facts["type"], outcome).inc(count)
        for code, count in facts["codes"].items():
            if code in CODES:
                self._failures.labels(code).inc(count)
        for kind, count in facts["tokens"].items():
            self._tokens.labels(kind.removesuffix("_tokens")).inc(count)

    def text(self) -> bytes:
        """Return everything as Prometheus reads it."""
        return generate_latest(self._registry)
