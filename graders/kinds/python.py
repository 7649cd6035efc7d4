"""python: a call of `grade(sample, item)` a row, in the sandbox; its number is the score."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Final, Literal

from pydantic import AfterValidator

from graders.calls import PythonCall, PythonError, PythonReply
from graders.grade import Failure
from graders.hosted import Code as HostedCode
from graders.kinds.field import PASS_THRESHOLD, GraderConfig, Number, Str, fault
from graders.kinds.kind import ANY_SCORE, Code, Kind, Rows, Scores, Settled, TextField
from graders.sample import item_of, sample_of

__all__ = ["CODE_OF_KIND", "MAX_SOURCE_BYTES", "Python", "PythonKind", "failure_of"]

MAX_SOURCE_BYTES: Final = 256_000

CODE_OF_KIND: Final[Mapping[str, HostedCode]] = {
    # The grader's own doing: deterministic, so another run would give the same.
    "runtime": "python_grader_runtime_error",
    "load": "python_grader_runtime_error",
    "returned": "python_grader_runtime_error",
    "timeout": "python_grader_runtime_error",
    "memory": "python_grader_runtime_error",
    "crash": "python_grader_runtime_error",
    # This machine's doing.
    "sandbox_unavailable": "python_grader_server_error",
    "worker_start": "python_grader_server_error",
    "protocol": "python_grader_server_error",
    "resource": "python_grader_server_error",
}
"""Which hosted flag each kind of error sets. Which condition sets which is not documented."""


def _check_source(source: str) -> str:
    size = len(source.encode(errors="replace"))
    if size > MAX_SOURCE_BYTES:
        raise fault(f"the source has {size:,} bytes; the service allows {MAX_SOURCE_BYTES:,}")
    return source


class Python(GraderConfig):
    """Run `grade(sample, item)` of a python source; its number is the reward."""

    type: Literal["python"] = "python"
    source: Annotated[Str, AfterValidator(_check_source)]
    """Defines `grade(sample, item)`. At most 256,000 bytes."""
    image_tag: Str | None = None
    """The hosted image the source was written for, such as `2025-05-08`."""
    pass_threshold: Number | None = PASS_THRESHOLD


class PythonKind(Kind[Python]):
    """Asks the sandbox. Without a threshold it passes from 0.5: our choice, for want of a source."""

    name = "python"
    config = Python

    def performer(self, config: Python) -> Literal["python"]:
        return "python"

    def code(self, config: Python) -> Code:
        return Code(config.source, config.image_tag)

    def texts(self, config: Python) -> Iterator[TextField]:
        return iter(())

    def ask(self, config: Python, rows: Rows, repeats: int) -> PythonCall:
        return PythonCall(
            config.source,
            [sample_of(sample) for sample in rows.samples],
            [item_of(item) for item in rows.items],
            config.image_tag,
        )

    def settle(self, config: Python, replies: Sequence[PythonReply], repeats: int) -> Settled:
        failures = {
            row: failure_of(reply.error)
            for row, reply in enumerate(replies)
            if reply.error is not None
        }
        return Settled([reply.score for reply in replies], failures)

    def scores(self, config: Python) -> Scores:
        return ANY_SCORE

    def _passes_without_threshold(self, config: Python) -> float:
        return 0.5


def failure_of(error: PythonError) -> Failure:
    """Return the failure that a python grader's error makes."""
    code = CODE_OF_KIND[error.kind]
    # The service has one text for each flag: the traceback, or the type of its own error.
    details = error.kind if code == "python_grader_server_error" else error.details
    return Failure(code, error.message, details=details, line=error.line)
