"""Calls that leaves ask for and the replies performers give: plain data, no I/O.

A leaf turns columns into a call and settles the reply; a performer (the python sandbox, a chat
client) acts in between. An error is a reply too. One call carries a whole column of rows, so a
performer may batch, and a test may answer by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

__all__ = ["PythonCall", "PythonError", "PythonPerformer", "PythonReply"]


@dataclass(frozen=True, slots=True)
class PythonCall:
    """Run `grade(sample, item)` of one source over a column of rows.

    Attributes:
        source: the grader's python source.
        samples: one `sample` dict a row (JSON values only).
        items: one `item` dict a row (JSON values only), same length.
        image_tag: the config's image_tag, which selects an interpreter.
    """

    source: str
    samples: Sequence[dict[str, Any]]
    items: Sequence[Any]
    image_tag: str | None = None


@dataclass(frozen=True, slots=True)
class PythonError:
    """Why a python grader gave no score for a row.

    Attributes:
        kind: `runtime` (exception in grade), `load` (syntax, top level, no or wrong `grade`),
            `returned` (not a finite number), `timeout`, `memory`, `crash` (killed, exited), and
            for our own side `sandbox_unavailable`, `worker_start`, `protocol`, `resource`.
        message: one sentence, with the user's own line where there is one.
        details: a trimmed traceback of the user's frames, or "".
        line: 1-based line in the user's source, None where unknown.
        column: 1-based column, None where unknown.
    """

    kind: Literal[
        "runtime", "load", "returned", "timeout", "memory", "crash",
        "sandbox_unavailable", "worker_start", "protocol", "resource",
    ]  # fmt: skip
    message: str
    details: str = ""
    line: int | None = None
    column: int | None = None


@dataclass(frozen=True, slots=True)
class PythonReply:
    """What one row's call gave: a finite score or an error, never both.

    Attributes:
        score: what `grade` returned, as a finite float; None with an error.
        error: why there is no score.
        stdout: what the grader printed, bounded.
        stderr: the same for stderr.
        seconds: how long the call took.
    """

    score: float | None
    error: PythonError | None = None
    stdout: str = ""
    stderr: str = ""
    seconds: float = 0.0


class PythonPerformer(Protocol):
    """Anything that can perform a PythonCall: the sandbox, or a test's own function."""

    def check(self, source: str, image_tag: str | None = None) -> PythonError | None:
        """Load the source without grading: its load error, or None when `grade` is there."""

    def perform(self, call: PythonCall) -> list[PythonReply]:
        """Return one reply a row, in order."""
